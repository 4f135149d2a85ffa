/**
 * Serves the package store for as long as it runs: what is there at the start, what anybody on this machine
 * publishes or installs later, and no longer what is removed. A release that turns out to be damaged is
 * repaired from the swarm, and offered again as a whole.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { explain } from "../core/Errors.ts"
import * as Infohash from "../core/Infohash.ts"
import type { StorageFailed } from "./Content.ts"
import { keyOfStored, PackageStore, type StoredRelease } from "./PackageStore.ts"
import * as RepairRelease from "./RepairRelease.ts"
import * as SeedStore from "./SeedStore.ts"
import type { SwarmError } from "./SwarmError.ts"

/** How often it is looked whether something was added or removed: one look at a directory, while nothing was. */
export const FOLLOW_INTERVAL = Duration.seconds(2)
/** Releases repaired at a time. */
const REPAIRS_AT_ONCE_MAX = 2
/** For one repair, in which nobody is in a hurry. */
const REPAIR_TIMEOUT = Duration.minutes(10)
/** Until a repair is tried again for which nobody was there. */
export const REPAIR_AGAIN = Duration.minutes(30)

/** What was not to be served, and why. */
export interface Unserved {
  readonly key: string
  readonly release: StoredRelease | undefined
  readonly error: StorageFailed | SwarmError
}

/** What one look has changed. */
export interface Change {
  readonly added: ReadonlyArray<StoredRelease>
  readonly removed: ReadonlyArray<StoredRelease>
  /** Told once for each. */
  readonly failures: ReadonlyArray<Unserved>
}

export interface Options {
  /** Told how each announce went. */
  readonly onAnnounce?:
    | ((release: StoredRelease, outcome: Result.Result<void, SwarmError>) => Effect.Effect<void>)
    | undefined
}

interface Served {
  readonly release: StoredRelease
  readonly scope: Scope.Closeable
}

const again = Schedule.jittered(Schedule.spaced(REPAIR_AGAIN))

const NOTHING: Change = { added: [], removed: [], failures: [] }

const labelOf = ({ release }: StoredRelease): string => `${release.n}@${release.v}`

/** Everything is served until the scope closes. */
export const make = Effect.fnUntraced(function* (options: Options = {}) {
  const store = yield* PackageStore
  const owner = yield* Effect.scope
  const context = yield* Effect.context<Effect.Services<ReturnType<typeof RepairRelease.repair>>>()
  const repairs = yield* Semaphore.make(REPAIRS_AT_ONCE_MAX)
  const served = new Map<string, Served>()
  /** Told already. */
  const failed = new Set<string>()
  let seen: ReadonlyArray<string> | undefined

  const repaired = (key: string, release: StoredRelease) =>
    Effect.gen(function* () {
      const stored = Option.getOrUndefined(yield* store.get(key))
      if (stored === undefined || !Infohash.equals(stored.torrent.infohash, release.torrent.infohash)) {
        // Nothing is amiss with what has taken its place; the next look serves that.
        yield* forget(key)
        return false
      }
      const startedAt = yield* Clock.currentTimeMillis
      const outcome = yield* RepairRelease.repair(release, { timeout: REPAIR_TIMEOUT })
      if (outcome !== "repaired") return outcome === "sound"
      const tookMs = (yield* Clock.currentTimeMillis) - startedAt
      yield* Effect.logInfo(`${labelOf(release)} was repaired from the swarm in ${tookMs} ms`)
      return true
    }).pipe(
      repairs.withPermits(1),
      Effect.tapError((error) =>
        Effect.logWarning(`${labelOf(release)} could not be repaired yet: ${explain(error)?.message ?? error.message}`)
      ),
      Effect.retry({ schedule: again }),
      Effect.orElseSucceed(() => false),
      Effect.provideContext(context)
    )

  const serve = Effect.fnUntraced(function* (key: string) {
    const release = Option.getOrUndefined(yield* store.get(key))
    if (release === undefined) return undefined
    const { onAnnounce } = options
    const scope = yield* Scope.fork(owner)
    yield* SeedStore.seedOne(release, {
      onAnnounce: onAnnounce === undefined ? undefined : (outcome) => onAnnounce(release, outcome),
      onDamage: () => repaired(key, release)
    }).pipe(
      Scope.provide(scope),
      Effect.onError(() => Scope.close(scope, Exit.void)),
      Effect.mapError((error): Unserved => ({ key, release, error }))
    )
    served.set(key, { release, scope })
    return release
  })

  const forget = Effect.fnUntraced(function* (key: string) {
    seen = undefined
    const found = served.get(key)
    served.delete(key)
    if (found !== undefined) yield* Scope.close(found.scope, Exit.void)
  })

  const withdraw = Effect.fnUntraced(function* (keys: ReadonlySet<string>) {
    const removed: Array<StoredRelease> = []
    for (const [key, { release, scope }] of served) {
      if (keys.has(key)) continue
      served.delete(key)
      removed.push(release)
      yield* Scope.close(scope, Exit.void)
    }
    for (const key of failed) if (!keys.has(key)) failed.delete(key)
    return removed
  })

  /** One look at the store: serves what is new, and no longer what is gone. Fails where the store cannot be listed. */
  const look: Effect.Effect<Change, StorageFailed, Effect.Services<ReturnType<typeof serve>>> = Effect.gen(
    function* () {
      const keys = yield* store.keys
      if (keys === seen) return NOTHING
      const removed = yield* withdraw(new Set(keys))
      const [failures, added] = yield* Effect.map(
        Effect.partition(
          keys.filter((key) => !served.has(key)),
          (key) =>
            Effect.mapError(serve(key), (error): Unserved =>
              "key" in error ? error : { key, release: undefined, error }
            )
        ),
        ([successes, problems]) => [problems, successes.filter((release) => release !== undefined)] as const
      )
      const untold = failures.filter(({ key }) => !failed.has(key))
      for (const { key } of untold) failed.add(key)
      // What failed is tried again with the next look.
      seen = failures.length === 0 ? keys : undefined
      return { added, removed, failures: untold }
    }
  )

  return {
    look,
    /** What is served now. */
    served: (): ReadonlyArray<StoredRelease> => [...served.values()].map(({ release }) => release),
    isServed: (release: StoredRelease): boolean => served.has(keyOfStored(release)),
    /** Looks again and again; `onChange` is told when something has changed. */
    follow: <R>(onChange: (change: Change) => Effect.Effect<void, never, R>) =>
      look.pipe(
        Effect.flatMap((change) =>
          change.added.length + change.removed.length + change.failures.length === 0 ? Effect.void : onChange(change)
        ),
        Effect.catch((error) => Effect.logWarning(`What is new in the store is not served: ${error.message}`)),
        Effect.andThen(Effect.sleep(FOLLOW_INTERVAL)),
        Effect.forever
      )
  }
})

export type StoreSeeder = Effect.Success<ReturnType<typeof make>>
