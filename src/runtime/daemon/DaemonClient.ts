/**
 * `Dht` through the daemon of this user, where one answers that is in the same network; else, and as
 * soon as it does not answer any more, through a node of the command's own. The daemon is another
 * process: its records are verified here again, its immutable values must hash to their targets, and
 * one that answers wrongly is asked no more.
 */
import * as Bytes from "effect/Bytes"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { RpcClientError } from "effect/rpc/RpcClientError"
import * as Semaphore from "effect/Semaphore"
import { Ed25519 } from "../../protocol/core/Ed25519.ts"
import type { PublicKey } from "../../protocol/core/PublicKey.ts"
import { type Answer, Dht } from "../../protocol/dht/Dht.ts"
import { DhtError } from "../../protocol/dht/DhtError.ts"
import type { Salt } from "../../protocol/dht/KeyString.ts"
import * as Record from "../../protocol/dht/Record.ts"
import * as DaemonCalls from "./DaemonCalls.ts"
import * as DaemonFallback from "./DaemonFallback.ts"
import { QUESTIONS_AT_ONCE_MAX } from "./DaemonFrame.ts"
import * as DaemonPlace from "./DaemonPlace.ts"
import * as DhtRpc from "./DhtRpc.ts"

/** What a daemon answered does not hold: it is asked no more. */
const dishonest = (problem: string) => Effect.die(new Error(`the daemon gave ${problem}`))

/** A record of this place, or nothing at all. */
const recordOf = Effect.fnUntraced(function* (bytes: Uint8Array, publicKey: PublicKey, salt: Salt) {
  const record = yield* Record.fromBytes(bytes, "the daemon").pipe(
    Effect.catch(({ problem }) => dishonest(`a record that does not hold: ${problem}`))
  )
  const isAskedFor = Bytes.Equivalence(record.publicKey, publicKey) && Bytes.Equivalence(record.salt, salt)
  return isAskedFor ? record : yield* dishonest("a record of another place")
})

const valueOf = (target: Record.Target) => (value: Uint8Array) =>
  Bytes.Equivalence(Record.immutableTargetOf(value), target)
    ? Effect.succeed(value)
    : dishonest("a value that its target is not the hash of")

type Sent = Omit<Answer<Uint8Array>, "value"> & { readonly value?: Uint8Array }

const answerOf = Effect.fnUntraced(function* <A>(sent: Sent, check: (bytes: Uint8Array) => Effect.Effect<A>) {
  const { older, rivals, value, ...rest } = sent
  return {
    ...rest,
    value: value === undefined ? Option.none<A>() : Option.some(yield* check(value)),
    ...(rivals === undefined ? {} : { rivals: yield* Effect.forEach(rivals, check) }),
    ...(older === undefined ? {} : { older: yield* Effect.forEach(older, check) })
  } satisfies Answer<A>
})

/** The daemon's word, as far as it can be checked. Dies where it does not hold, or does not come. */
const overDaemon = (calls: DaemonCalls.Calls, ed25519: Ed25519["Service"]): Dht["Service"] => {
  const atOnce = Semaphore.makeUnsafe(QUESTIONS_AT_ONCE_MAX)
  const ask = <A>(call: () => Effect.Effect<A, DhtError | RpcClientError>): Effect.Effect<A, DhtError> =>
    Effect.suspend(call).pipe(
      Effect.catchIf((error) => !(error instanceof DhtError), Effect.die),
      atOnce.withPermits(1)
    )
  const record = (publicKey: PublicKey, salt: Salt) => (bytes: Uint8Array) =>
    Effect.provideService(recordOf(bytes, publicKey, salt), Ed25519, ed25519)
  const optional = <A>(bytes: Uint8Array | null, check: (bytes: Uint8Array) => Effect.Effect<A>) =>
    bytes === null ? Effect.succeedNone : Effect.asSome(check(bytes))
  return Dht.of({
    lookup: (publicKey, salt, options) =>
      ask(() => calls.lookup({ publicKey, salt, options: DhtRpc.optionsTo(options) })).pipe(
        Effect.flatMap((sent) => answerOf(sent, record(publicKey, salt)))
      ),
    get: (publicKey, salt, options) =>
      ask(() => calls.get({ publicKey, salt, options: DhtRpc.optionsTo(options) })).pipe(
        Effect.flatMap((sent) => optional(sent, record(publicKey, salt)))
      ),
    holders: (publicKey, salt) => ask(() => calls.holders({ publicKey, salt })),
    put: (record, options) =>
      ask(() => calls.put({ record: Record.toBytes(record), ...options })).pipe(
        Effect.map((receipt) => ({ ...receipt, target: Record.targetOf(record.publicKey, record.salt) }))
      ),
    lookupImmutable: (target, options) =>
      ask(() => calls.lookupImmutable({ target, options: DhtRpc.optionsTo(options) })).pipe(
        Effect.flatMap((sent) => answerOf(sent, valueOf(target)))
      ),
    getImmutable: (target, options) =>
      ask(() => calls.getImmutable({ target, options: DhtRpc.optionsTo(options) })).pipe(
        Effect.flatMap((sent) => optional(sent, valueOf(target)))
      ),
    holdersImmutable: (target) => ask(() => calls.holdersImmutable({ target })),
    putImmutable: (value, options) =>
      ask(() => calls.putImmutable({ value, ...options })).pipe(
        Effect.map((receipt) => ({ ...receipt, target: Record.immutableTargetOf(value) }))
      ),
    announcePeer: (infohash, port) => ask(() => calls.announcePeer({ infohash, port })),
    findPeers: (infohash) => ask(() => calls.findPeers({ infohash })),
    nodeCount: Effect.orDie(ask(() => calls.nodeCount()))
  })
}

export interface Options<R> {
  /** Whose daemon: an absolute path. */
  readonly home: string
  /** The network that is meant; a daemon in another one is not asked. */
  readonly network: DhtRpc.Network
  /** A node of the command's own. It is built when it is needed first. */
  readonly own: Layer.Layer<Dht, DhtError, R>
  /** Time for the daemon to say who it is, in ms; {@link DaemonCalls.PROBE_MAX_MS} unless given. */
  readonly probeMs?: number
}

/** Why a daemon is not the one to ask; `undefined` where it is. */
const reasonAgainst = (hello: DhtRpc.Hello, network: DhtRpc.Network): string | undefined => {
  if (hello.protocol !== DhtRpc.PROTOCOL_VERSION) {
    return `it speaks version ${hello.protocol} of the daemon's protocol, and this command ${DhtRpc.PROTOCOL_VERSION}`
  }
  if (DhtRpc.isSameNetwork(hello.network, network)) return undefined
  return `it is in ${DhtRpc.networkText(hello.network)}, and this command in ${DhtRpc.networkText(network)}`
}

/** The daemon of a home, if it is there, of this version, and in this network. Costs one look at the disk where there is none. */
const find = Effect.fnUntraced(function* (home: string, network: DhtRpc.Network, probeMs: number | undefined) {
  const place = DaemonPlace.placeOf(home)
  if (!DaemonPlace.isOurs(place)) return Option.none()
  const daemon = yield* DaemonCalls.open(place.path, probeMs)
  if (Option.isNone(daemon)) return Option.none()
  const { hello } = daemon.value
  const refused = reasonAgainst(hello, network)
  if (refused === undefined) return Option.some(daemon.value.calls)
  yield* Effect.logDebug(`The daemon (process ${hello.pid}) is not used: ${refused}`)
  return Option.none()
})

/** `Dht`, through a daemon or not. Fails only where an own node is needed at once and cannot be had. */
export const layer = <R>(options: Options<R>): Layer.Layer<Dht, DhtError, Ed25519 | R> =>
  Layer.effect(
    Dht,
    Effect.gen(function* () {
      const scope = yield* Effect.scope
      const services = yield* Effect.context<R>()
      let building: Fiber.Fiber<Dht["Service"], DhtError> | undefined
      /** Built apart from whoever asks first: that one may be interrupted, and the others go on waiting. */
      const own = Effect.suspend(() => {
        building ??= Effect.runForkWith(services)(
          Effect.map(Layer.buildWithScope(options.own, scope), (context) => Context.get(context, Dht))
        )
        return Fiber.join(building)
      })
      yield* Effect.addFinalizer(() => (building === undefined ? Effect.void : Fiber.interrupt(building)))
      const calls = yield* find(options.home, options.network, options.probeMs)
      return Option.isNone(calls) ? yield* own : DaemonFallback.make(overDaemon(calls.value, yield* Ed25519), own)
    })
  )

/** Time for a daemon to say who it is to another one that would be in its place, in ms. */
const HOLDER_MAX_MS = 1_000

/** Who serves a socket; `undefined` where it does not answer. */
export const holderAt = (path: string): Effect.Effect<DhtRpc.Hello | undefined> =>
  Effect.scoped(
    Effect.map(DaemonCalls.open(path, HOLDER_MAX_MS), (daemon) =>
      Option.getOrUndefined(Option.map(daemon, ({ hello }) => hello))
    )
  )
