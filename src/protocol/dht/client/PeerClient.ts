/** Peers of a torrent on the DHT (BEP 5): who announced itself under an infohash, and announcing oneself. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Infohash } from "../../core/Infohash.ts"
import * as PeerAddress from "../../core/PeerAddress.ts"
import type { Dht } from "../Dht.ts"
import { NoNodes, PutRefused } from "../DhtError.ts"
import { PEERS_MAX } from "./Krpc.ts"
import * as Networks from "./Networks.ts"
import * as NodeId from "./NodeId.ts"
import * as Session from "./Session.ts"
import * as WriteRound from "./WriteRound.ts"

/** Peers of one look-up: a single node may make up as many as fit its reply. */
export const PEERS_FOUND_MAX = 1_000

interface Named {
  readonly address: PeerAddress.PeerAddress
  /** Networks whose nodes named it: one owner cannot make its own inventions common. */
  readonly by: Set<string>
  /** Its place in the list of whoever named it first: everybody's first come before anybody's last. */
  readonly place: number
}

/** Those first that most networks named. */
const ranked = (named: Iterable<Named>): ReadonlyArray<PeerAddress.PeerAddress> =>
  [...named]
    .toSorted((a, b) => b.by.size - a.by.size || a.place - b.place)
    .slice(0, PEERS_FOUND_MAX)
    .map(({ address }) => address)

export const make = (session: Session.Session): Pick<Dht["Service"], "announcePeer" | "findPeers"> => {
  const { transport } = session.shared

  const failWithoutNodes = Effect.suspend(() =>
    transport.nodeCount() === 0 ? Session.fail(new NoNodes({ bootstrap: [...transport.bootstrap()] })) : Effect.void
  )

  const search = Effect.fnUntraced(function* (target: NodeId.NodeId) {
    const named = new Map<string, Named>()
    const outcome = yield* Session.search(session, {
      question: { _tag: "GetPeers", target },
      onFound: (from, { peers }) => {
        const network = Networks.networkOf(from)
        for (const [place, peer] of peers.slice(0, PEERS_MAX).entries()) {
          const known = named.get(peer)
          if (known !== undefined) known.by.add(network)
          else {
            for (const address of Option.toArray(PeerAddress.parse(peer))) {
              named.set(peer, { address, by: new Set([network]), place })
            }
          }
        }
        return named.size > 0 ? "found" : "nothing"
      }
    })
    return { ...outcome, peers: ranked(named.values()) }
  })

  return {
    announcePeer: Effect.fn("Dht.announcePeer")(function* (infohash: Infohash, port: number) {
      const target = NodeId.fromBytes(infohash)
      const { closest } = yield* search(target)
      yield* failWithoutNodes
      const { round } = yield* Session.write(session, target, closest, 1, ({ token }) => ({
        _tag: "AnnouncePeer",
        target,
        token,
        port
      }))
      if (round.stored.size > 0) return round.stored.size
      return yield* Session.fail(new PutRefused({ target: target.hex, problem: WriteRound.whyNone(round) }))
    }),

    findPeers: Effect.fn("Dht.findPeers")(function* (infohash: Infohash) {
      const target = NodeId.fromBytes(infohash)
      const found = yield* search(target)
      if (found.peers.length > 0) return found.peers
      yield* failWithoutNodes
      yield* Session.denied(target, found)
      return []
    })
  }
}
