/**
 * Keeps the routing table true (BEP 5 "Routing Table"): nodes that have not been heard of for a while are asked
 * whether they are still there, and leave after two questions without an answer. bittorrent-dht looks only when
 * nothing at all has changed for a quarter of an hour, so that a busy node goes on naming those that are gone,
 * and everybody whom it names them to waits for them.
 */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type Client from "bittorrent-dht"
import type { Node } from "bittorrent-dht"
import type { Rpc } from "k-rpc"
import { reachOf } from "../../protocol/core/PeerAddress.ts"
import * as Elapsed from "./Elapsed.ts"
import type { GuardedSocket } from "./GuardedSocket.ts"
import { isBytesOfLength, NODE_ID_BYTES } from "./KrpcMessage.ts"

/** Between two looks. */
export const LOOK_EVERY = "5 seconds"

/** BEP 5: after this long without a word a node is questionable, in ms. */
export const QUESTIONABLE_MS = 15 * 60 * 1_000

/** The same in a private network, where nodes come and go with the programs of one user, and asking costs nobody anything. */
export const PRIVATE_QUESTIONABLE_MS = 30 * 1_000

/** Nodes asked in one look: a table of 200 is through in a little over two minutes. */
export const ASKED_AT_ONCE_MAX = 8

/** Nodes heard of last that are asked beside them. */
const WITNESSES = 2

/** Questions in a row that a node may leave unanswered: one may be lost. */
const SILENCES_MAX = 2

/** How long an answer is waited for, in ms. Nobody waits for this look. */
const PATIENCE_MS = 2_000

/** What of a node has a part in this. `now` in ms. */
export interface Keeper {
  readonly client: Client
  readonly rpc: Rpc
  readonly socket: GuardedSocket
  readonly now: () => number
}

const isQuestionable = ({ host, seen = 0 }: Node, now: number): boolean =>
  Elapsed.hasPassed(seen, reachOf(host) === "public" ? QUESTIONABLE_MS : PRIVATE_QUESTIONABLE_MS, now)

/** Everything that came in and was sound. */
const acceptedBy = ({ socket }: Keeper): number => {
  const counters = socket.counters()
  return (counters.get("accepted-reply") ?? 0) + (counters.get("accepted-query") ?? 0)
}

/** Looks once; ends when all that were asked have answered, or `patienceMs` are over. To be run again and again on one node. */
export const make = (node: Keeper, patienceMs: number = PATIENCE_MS): Effect.Effect<void> => {
  /** Pings that stayed without an answer since the node was heard last. */
  const silences = new WeakMap<Node, { readonly times: number; readonly seen: number }>()
  /** Number of the look at which a node was asked last. */
  const asked = new WeakMap<Node, number>()
  let looks = 0

  const ask = (entry: Node): Effect.Effect<"there" | "silent" | "unsent"> =>
    Effect.callback((resume) => {
      asked.set(entry, looks)
      const id = node.rpc.id
      node.socket.request(
        { method: "ping", args: { id } },
        entry.host,
        entry.port,
        patienceMs,
        (reply) => {
          const own = reply?._tag === "Response" ? reply.values["id"] : undefined
          // Whoever refuses is there. Under another id it is somebody else who is at that address now.
          const isThere = reply?._tag === "Failure" || (isBytesOfLength(own, NODE_ID_BYTES) && entry.id.equals(own))
          resume(Effect.succeed(isThere ? "there" : "silent"))
        },
        () => resume(Effect.succeed("unsent"))
      )
    })

  const look = Effect.fnUntraced(function* (entry: Node) {
    const heardBefore = acceptedBy(node)
    const found = yield* ask(entry)
    if (found === "there") {
      silences.delete(entry)
      if (node.rpc.nodes.get(entry.id) === entry) entry.seen = node.now()
    }
    // Where nobody is heard at all, it is this machine that is cut off.
    if (found !== "silent" || acceptedBy(node) === heardBefore) return
    const before = silences.get(entry)
    const seen = entry.seen ?? 0
    const times = before === undefined || seen > before.seen ? 1 : before.times + 1
    silences.set(entry, { times, seen })
    if (times >= SILENCES_MAX && node.rpc.nodes.get(entry.id) === entry) node.rpc.nodes.remove(entry.id)
  })

  return Effect.suspend(() => {
    const now = node.now()
    looks++
    // The library would drop nodes at their first silence, and all of them while this machine is cut off.
    // It would take the time from Node, which a simulated machine does not have.
    node.rpc.nodes.metadata.lastChange = now
    const all = node.client.nodes.toArray().toSorted((a, b) => (a.seen ?? 0) - (b.seen ?? 0))
    const questionable = all
      .filter((entry) => isQuestionable(entry, now))
      .toSorted((a, b) => (asked.get(a) ?? 0) - (asked.get(b) ?? 0))
      .slice(0, ASKED_AT_ONCE_MAX)
    if (questionable.length === 0) return Effect.void
    // Those heard of last tell whether anybody can be heard: on a quiet node nothing else would.
    const witnesses = all.slice(-WITNESSES).filter((entry) => !questionable.includes(entry))
    return Effect.forEach([...questionable, ...witnesses], look, { concurrency: "unbounded", discard: true })
  })
}

/** Looks every {@link LOOK_EVERY}, without end. */
export const keep = (node: Keeper): Effect.Effect<unknown> =>
  Effect.suspend(() => {
    const look = make(node)
    return Effect.delay(look, LOOK_EVERY).pipe(Effect.repeat(Schedule.forever))
  })
