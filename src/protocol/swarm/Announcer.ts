/**
 * Announces any number of torrents by one {@link AnnounceSchedule}, in one fiber that looks what is due
 * and a bounded number of them at work. Time is that of `Clock`, jitter that of `Random`.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberSet from "effect/FiberSet"
import * as Latch from "effect/Latch"
import * as Random from "effect/Random"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as Infohash from "../core/Infohash.ts"
import { ANNOUNCE_INTERVAL, AnnounceSchedule, type Bounds, defaultBounds } from "./AnnounceSchedule.ts"

/** Told how each announce of a torrent went. */
export type Listener<E> = (outcome: Result.Result<void, E>) => Effect.Effect<void>

export interface Announcer<E> {
  /** Has the torrent announced until the scope closes; it may be added several times. */
  readonly add: (infohash: Infohash.Infohash, onAnnounce?: Listener<E>) => Effect.Effect<void, never, Scope.Scope>
  /** Waits until a torrent that was added is announced, unless it was lately; fails as its announce does. */
  readonly announced: (infohash: Infohash.Infohash) => Effect.Effect<void, E>
}

interface Announced<E> {
  readonly infohash: Infohash.Infohash
  users: number
  readonly listeners: Set<Listener<E>>
  readonly waiting: Set<Deferred.Deferred<void, E>>
}

export interface Options {
  readonly bounds?: Bounds | undefined
}

/** `announce` puts one torrent into the DHT; its failures are tried again, more and more seldom. */
export const make = Effect.fnUntraced(function* <E extends { readonly message: string }>(
  announce: (infohash: Infohash.Infohash) => Effect.Effect<void, E>,
  options: Options = {}
): Effect.fn.Return<Announcer<E>, never, Scope.Scope> {
  const schedule = new AnnounceSchedule(options.bounds ?? defaultBounds)
  const torrents = new Map<string, Announced<E>>()
  const changed = yield* Latch.make()
  const fibers = yield* FiberSet.make<void>()
  let isFailing = false

  /** Says so once, however many torrents the network is not there for. */
  const tell = Effect.fnUntraced(function* (key: string, outcome: Result.Result<void, E>) {
    if (Result.isSuccess(outcome)) {
      isFailing = false
      return
    }
    const text = `Announcing ${key} failed: ${outcome.failure.message}`
    yield* isFailing ? Effect.logDebug(text) : Effect.logWarning(text)
    isFailing = true
  })

  const attempt = Effect.fnUntraced(function* (key: string) {
    const torrent = torrents.get(key)
    const outcome: Result.Result<void, E> =
      torrent === undefined ? Result.succeed(undefined) : yield* Effect.result(announce(torrent.infohash))
    const now = yield* Clock.currentTimeMillis
    const succeeded = Result.isSuccess(outcome)
    schedule.done(key, now, succeeded, yield* Random.next)
    changed.openUnsafe()
    if (torrent === undefined) return
    yield* tell(key, outcome)
    const exit = succeeded ? Exit.void : Exit.fail(outcome.failure)
    for (const waiting of torrent.waiting) Deferred.doneUnsafe(waiting, exit)
    torrent.waiting.clear()
    for (const listener of torrent.listeners) yield* listener(outcome)
  })

  const run = Effect.gen(function* () {
    while (true) {
      const step = schedule.next(yield* Clock.currentTimeMillis)
      if (step._tag === "Announce") {
        yield* FiberSet.run(fibers, attempt(step.key))
        continue
      }
      if (step._tag === "Wait") yield* Effect.timeoutOption(changed.await, step.ms)
      else yield* changed.await
      changed.closeUnsafe()
    }
  })
  yield* Effect.forkScoped(run)

  const add = Effect.fnUntraced(function* (infohash: Infohash.Infohash, onAnnounce?: Listener<E>) {
    const key = Infohash.toHex(infohash)
    const torrent = torrents.get(key) ?? { infohash, users: 0, listeners: new Set(), waiting: new Set() }
    const leave = Effect.sync(() => {
      if (onAnnounce !== undefined) torrent.listeners.delete(onAnnounce)
      if (--torrent.users > 0) return
      torrents.delete(key)
      schedule.remove(key)
    })
    torrents.set(key, torrent)
    torrent.users++
    if (onAnnounce !== undefined) torrent.listeners.add(onAnnounce)
    schedule.add(key)
    changed.openUnsafe()
    // Not by `acquireRelease`, which would keep the context of each of ten thousand.
    yield* Scope.addFinalizer(yield* Effect.scope, leave)
  })

  const announced = Effect.fnUntraced(function* (infohash: Infohash.Infohash) {
    const key = Infohash.toHex(infohash)
    const torrent = torrents.get(key)
    if (torrent === undefined) return
    const last = schedule.announcedAt(key)
    const now = yield* Clock.currentTimeMillis
    if (last !== undefined && now - last < Duration.toMillis(ANNOUNCE_INTERVAL)) return
    const outcome = yield* Deferred.make<void, E>()
    torrent.waiting.add(outcome)
    schedule.hurry(key)
    changed.openUnsafe()
    yield* Deferred.await(outcome).pipe(Effect.ensuring(Effect.sync(() => torrent.waiting.delete(outcome))))
  })

  return { add, announced }
})
