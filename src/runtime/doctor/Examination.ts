/**
 * Measures the own connection to the network, with a node of its own: whether UDP gets through, how many nodes
 * answer, how they see this machine, whether a query to its outer address comes back, how far its clock is off, and
 * how long a put and a get take.
 */
import * as Clock from "effect/Clock"
import { SecureRandom } from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import type { Dht, PutReceipt } from "../../protocol/dht/Dht.ts"
import type { DhtError } from "../../protocol/dht/DhtError.ts"
import * as DhtMetrics from "../../protocol/dht/DhtMetrics.ts"
import * as Record from "../../protocol/dht/Record.ts"
import { type External, ExternalAddress } from "../dht/entry/ExternalAddress.ts"
import { HAIRPIN_MS } from "../dht/entry/Reach.ts"
import { peerName } from "../dht/KrpcTransactions.ts"
import * as StorageNode from "../dht/items/StorageNode.ts"
import * as MainlineDht from "../dht/MainlineDht.ts"
import { type Attempt, type Got, isPrivateHost, type Measurements } from "./Diagnosis.ts"
import * as Sntp from "./Sntp.ts"

/** Look-ups of targets that nothing is stored under: enough questions for a share of replies, in some seconds. */
const PROBES = 4

/** Random bytes of the item that is put; what forty nodes hold for two hours. */
const ITEM_BYTES = 32

export interface Options {
  readonly host: string
  readonly port: number
  /** `host:port` of nodes to start from. */
  readonly bootstrap: ReadonlyArray<string>
  /** Whether a small random item is put, which the nodes forget after some hours. */
  readonly writes: boolean
  /** `host:port`; nobody is asked for the time where there is none. */
  readonly timeServer: string | undefined
  readonly daemon: Measurements["daemon"]
  readonly home: Measurements["home"]
  /** IPv4 addresses of this machine's network interfaces. */
  readonly interfaces: () => ReadonlyArray<string>
}

/** With the milliseconds that it took. */
const timed = Effect.fnUntraced(function* <A>(work: Effect.Effect<A, DhtError>) {
  const startedAt = yield* Clock.currentTimeMillis
  const value = yield* work
  return { value, ms: (yield* Clock.currentTimeMillis) - startedAt }
})

const failed = ({ message }: DhtError) => ({ _tag: "Failed", problem: message }) as const

const recovered = <A>(work: Effect.Effect<A, DhtError>) =>
  work.pipe(Effect.catch((error) => Effect.succeed(failed(error))))

const stored = ({ ms, value: { acks, asked } }: { readonly ms: number; readonly value: PutReceipt }): Attempt => ({
  _tag: "Done",
  ms,
  nodes: acks,
  asked
})

/** Every method, every outcome. */
const total = (metrics: ReadonlyArray<Metric.Metric<number, Metric.CounterState<number>>>) =>
  Effect.map(Effect.forEach(metrics, Metric.value), (states) => states.reduce((sum, { count }) => sum + count, 0))

const counts = Effect.gen(function* () {
  const outcomes = Object.values(DhtMetrics.outcomes)
  const answers = yield* total(outcomes.flatMap(({ error, reply }) => [error, reply]))
  // What is still under way when it ends was given up as late: it counts as lost.
  return { queries: yield* total(Object.values(DhtMetrics.queries)), answers }
})

const clockOffset = Effect.fnUntraced(function* (server: string | undefined) {
  if (server === undefined) return { problem: "No time server was asked" }
  const random = yield* (yield* SecureRandom).randomBytes(8)
  return yield* Sntp.offset(server, random).pipe(
    Effect.match({ onSuccess: (offsetMs) => ({ offsetMs }), onFailure: ({ message }) => ({ problem: message }) })
  )
})

/** A get asks the network each time, never this node's own store; it ends with the first who has it, so who else has is asked apart. */
const get = Effect.fnUntraced(function* (dht: Dht["Service"], target: Record.Target, isThere: boolean) {
  const { ms, value } = yield* timed(dht.getImmutable(target))
  const { answered, asked, holders } = yield* dht.holdersImmutable(target)
  const counts = { ms, holders: holders.length, answered, asked }
  return { _tag: Option.isSome(value) ? "Found" : isThere ? "Lost" : "Nothing", ...counts } satisfies Got
})

const tryOut = Effect.fnUntraced(
  function* (dht: Dht["Service"], writes: boolean) {
    const random = yield* SecureRandom
    for (let i = 0; i < PROBES; i++) {
      const target = Record.immutableTargetOf(yield* random.randomBytes(ITEM_BYTES))
      yield* dht.getImmutable(target).pipe(Effect.catchReason("DhtError", "TooFewAnswers", () => Effect.void))
    }
    const value = yield* random.randomBytes(ITEM_BYTES)
    const put: Attempt = writes
      ? yield* recovered(Effect.map(timed(dht.putImmutable(value)), stored))
      : { _tag: "NotTried" }
    const got: Got = yield* recovered(get(dht, Record.immutableTargetOf(value), put._tag === "Done"))
    return { put, get: got }
  },
  // Whoever is not heard at all is not asked six times.
  Effect.catch((error) => Effect.succeed({ put: failed(error), get: failed(error) }))
)

/** Whether a query to the own outer address comes back: it went out, and in again. */
const hairpin = (node: StorageNode.StorageNode, external: External | undefined) =>
  external === undefined || !external.portIsStable
    ? Effect.succeed(false)
    : Effect.callback<boolean>((resume) => {
        const { host, port } = external
        node.socket.request({ method: "ping", args: { id: node.rpc.id } }, host, port, HAIRPIN_MS, (reply) => {
          // Behind a NAT somebody else may be at that port by now.
          const id = reply?._tag === "Response" ? reply.values["id"] : undefined
          resume(Effect.succeed(id instanceof Uint8Array && node.rpc.id.equals(id)))
        })
      })

/** Takes some seconds. Fails with `SocketFailed` where the address cannot be bound. */
export const examine = Effect.fn("Examination.examine")(
  function* (options: Options) {
    const clock = yield* Clock.Clock
    const votes = new ExternalAddress(() => clock.currentTimeMillisUnsafe())
    const node = yield* StorageNode.make({
      host: options.host,
      port: options.port,
      bootstrap: options.bootstrap,
      readOnly: true,
      onExternalAddress: (host, port, from) => votes.vote(peerName(from.address, from.port), host, port)
    })
    const dht = yield* MainlineDht.fromNode(node)
    const [{ get, put }, offset] = yield* Effect.all([tryOut(dht, options.writes), clockOffset(options.timeServer)], {
      concurrency: 2
    })
    // Asking oneself is no measure of how many others answer.
    const counted = yield* counts
    const external = votes.get()
    const isPrivate =
      options.bootstrap.length > 0 &&
      options.bootstrap.every((address) => isPrivateHost(address.slice(0, address.lastIndexOf(":"))))
    return {
      ...counted,
      bound: { host: node.host, port: node.port },
      external,
      isDirect: external !== undefined && [node.host, ...options.interfaces()].includes(external.host),
      cameBack: yield* hairpin(node, external),
      clock: offset,
      nodes: yield* dht.nodeCount,
      put,
      get,
      daemon: options.daemon,
      home: options.home,
      isPrivate
    } satisfies Measurements
  },
  Effect.scoped,
  // Counts of its own, whatever else this process does.
  (examination) => Effect.suspend(() => Effect.provideService(examination, Metric.MetricRegistry, new Map()))
)
