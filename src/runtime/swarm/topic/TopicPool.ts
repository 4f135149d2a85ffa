/**
 * Connections to peers that are asked about topics: one for each address, used for every question to it
 * until it has been idle for a while. Who installs many packages asks few hosts, and shakes hands with
 * each once. An address that did not answer is left alone for a moment.
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { Infohash } from "../../../protocol/core/Infohash.ts"
import type { PeerAddress } from "../../../protocol/core/PeerAddress.ts"
import { RecentMap } from "../../../protocol/core/RecentMap.ts"
import { ASK_DEADLINE, type TopicAnswer } from "../../../protocol/dht/TopicPeers.ts"
import * as TopicConnections from "../TopicConnections.ts"
import type { TopicExchange } from "./TopicExchange.ts"

/** Connections at a time. */
export const CONNECTIONS_MAX = 128
/** A connection that was not used for so long is closed. */
const IDLE_MS = 15_000
const SWEEP_INTERVAL = Duration.seconds(5)
/** How long an address is left alone that did not answer, in ms; and how many are remembered. */
const REST_MS = 30_000
const RESTING_MAX = 1_024

/** `now` in ms. */
export type Dialer = TopicConnections.Dialer & { readonly now: () => number }

interface Entry {
  readonly exchange: Deferred.Deferred<TopicExchange | undefined>
  /** Once it is there. */
  open: TopicExchange | undefined
  usedAt: number
}

export interface TopicPool {
  /** What a peer answers; `undefined` where it cannot be asked or does not answer. */
  readonly ask: (address: PeerAddress, topic: Infohash) => Effect.Effect<TopicAnswer | undefined>
  /** Whether the address did not answer a moment ago. */
  readonly isResting: (address: PeerAddress) => boolean
}

/** Connections end with the scope. `connect` registers the extension on a connection that is about to start. */
export const make = Effect.fnUntraced(function* (
  dialer: Dialer,
  connect: (connection: Parameters<TopicConnections.Connect>[0]) => TopicExchange
): Effect.fn.Return<TopicPool, never, Scope.Scope> {
  const scope = yield* Effect.scope
  const entries = new Map<string, Entry>()
  const resting = new RecentMap<string, number>(RESTING_MAX)

  /** A connection on which the peer takes questions, kept until it closes. */
  const keep = Effect.fnUntraced(function* (address: PeerAddress, topic: Infohash, entry: Entry) {
    let exchange: TopicExchange | undefined
    const opened = yield* TopicConnections.dial(dialer, address, topic, (connection) => {
      exchange = connect(connection)
    }).pipe(
      Effect.flatMap((connection) =>
        Effect.map(exchange?.ready ?? Effect.succeed(false), (isTaken) => (isTaken ? connection : undefined))
      ),
      Effect.timeoutOption(ASK_DEADLINE),
      Effect.option
    )
    const connection = Option.getOrUndefined(Option.flatten(opened))
    if (connection === undefined) {
      resting.set(String(address), dialer.now() + REST_MS)
      return
    }
    entry.open = exchange
    yield* Deferred.succeed(entry.exchange, exchange)
    yield* Effect.callback<void>((resume) => connection.onClosed(() => resume(Effect.void)))
  }, Effect.scoped)

  const makeRoom = () => {
    if (entries.size < CONNECTIONS_MAX) return true
    for (const [key, entry] of entries) {
      if (entry.open === undefined || entry.open.isBusy) continue
      entries.delete(key)
      entry.open.close()
      return true
    }
    return false
  }

  /** The connection to an address, opened by whoever comes first. */
  const connected = Effect.fnUntraced(function* (address: PeerAddress, topic: Infohash) {
    const key = String(address)
    const known = entries.get(key)
    if (known !== undefined && known.open?.isOver !== true) {
      known.usedAt = dialer.now()
      return yield* Deferred.await(known.exchange)
    }
    if (!makeRoom()) return undefined
    const entry: Entry = { exchange: Deferred.makeUnsafe(), open: undefined, usedAt: dialer.now() }
    entries.set(key, entry)
    const leave = Effect.suspend(() => {
      if (entries.get(key) === entry) entries.delete(key)
      return Deferred.succeed(entry.exchange, undefined)
    })
    // In a fiber of its own: it is of use to others, however long this question is waited for.
    yield* Effect.forkIn(Effect.ensuring(keep(address, topic, entry), leave), scope)
    return yield* Deferred.await(entry.exchange)
  })

  const sweep = Effect.sync(() => {
    const oldest = dialer.now() - IDLE_MS
    for (const [key, { open, usedAt }] of entries) {
      if (open === undefined || open.isBusy || usedAt >= oldest) continue
      entries.delete(key)
      open.close()
    }
  })
  yield* Effect.forkScoped(Effect.schedule(sweep, Schedule.spaced(SWEEP_INTERVAL)))

  return {
    ask: Effect.fnUntraced(function* (address, topic) {
      const isReused = entries.get(String(address))?.open !== undefined
      const exchange = yield* connected(address, topic)
      const answer = yield* exchange?.ask(topic) ?? Effect.undefined
      // The peer may have closed what was idle, just before the question came.
      if (answer !== undefined || !isReused || exchange?.isOver !== true) return answer
      return yield* (yield* connected(address, topic))?.ask(topic) ?? Effect.undefined
    }),
    isResting: (address) => (resting.get(String(address)) ?? 0) > dialer.now()
  } satisfies TopicPool
})
