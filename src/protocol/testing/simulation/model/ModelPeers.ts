/** Peers of a torrent on the model network (BEP 5): who announced itself, and announcing oneself. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Infohash } from "../../../core/Infohash.ts"
import * as PeerAddress from "../../../core/PeerAddress.ts"
import { DhtError, NoNodes, PutRefused } from "../../../dht/DhtError.ts"
import { PEERS_MAX } from "./Krpc.ts"
import * as LookUp from "./LookUp.ts"
import * as WriteRound from "./WriteRound.ts"
import * as Xor from "./Xor.ts"

const fail = (reason: DhtError["reason"]) => Effect.fail(new DhtError({ reason }))

/** Like the real client, which is not in doubt as long as it knows any node. */
const failWithoutNodes = (asker: LookUp.Asker) =>
  Effect.suspend(() =>
    asker.acquaintances.size === 0 ? fail(new NoNodes({ bootstrap: [...asker.bootstrap()] })) : Effect.void
  )

const lookUp = Effect.fnUntraced(function* (asker: LookUp.Asker, infohash: Infohash) {
  const found = new Map<string, Option.Option<PeerAddress.PeerAddress>>()
  const question = { _tag: "GetPeers", target: Xor.fromBytes(infohash) } as const
  const { closest } = yield* LookUp.run(asker, question, (_from, { peers }) => {
    for (const peer of peers.slice(0, PEERS_MAX)) if (!found.has(peer)) found.set(peer, PeerAddress.parse(peer))
    return true
  })
  return { closest, peers: [...found.values()].flatMap(Option.toArray) }
})

/** Without duplicates; empty where there are none. Fails with `NoNodes` where none is known. */
export const find = Effect.fnUntraced(function* (asker: LookUp.Asker, infohash: Infohash) {
  const { peers } = yield* lookUp(asker, infohash)
  if (peers.length === 0) yield* failWithoutNodes(asker)
  return peers
})

/** Announces the asker's host under a TCP port. Gives the number of acknowledgements; `PutRefused` where there are none. */
export const announce = Effect.fnUntraced(function* (asker: LookUp.Asker, infohash: Infohash, port: number) {
  const { closest } = yield* lookUp(asker, infohash)
  yield* failWithoutNodes(asker)
  const target = Xor.fromBytes(infohash)
  const { stored } = yield* WriteRound.run(asker, closest, ({ token }) => ({
    _tag: "AnnouncePeer",
    target,
    token,
    port
  }))
  if (stored.size > 0) return stored.size
  const problem = closest.length === 0 ? "No nodes to query" : "All queries failed"
  return yield* fail(new PutRefused({ target: target.hex, problem }))
})
