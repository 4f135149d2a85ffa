/**
 * Serves everything in the package store, and sees to it that what makes it findable is held here too.
 *
 * Whoever installs a newest version is told of its release by the record of the package, and holds no
 * release record. That is the one by which a version is found once it is the newest no longer. A seeder
 * asks for it, so that it can keep it alive: else it would be gone with its publisher, and the bytes
 * would be served for nobody.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as KeyString from "../dht/KeyString.ts"
import { RecordStore } from "../dht/RecordStore.ts"
import { releaseOf } from "../registry/Resolve.ts"
import { PackageStore, type StoredRelease } from "./PackageStore.ts"
import { type SeedOptions, Swarm } from "./Swarm.ts"

/** Torrents opened, or records asked for, at a time. */
const CONCURRENCY = 8

/** Pause before release records that were not to be had are asked for again, and those of new releases for the first time. */
export const RECORDS_INTERVAL = Duration.hours(1)

/** Serves a stored release until the scope closes. Its announce is one of many: see `SeedOptions`. */
export const seedOne = Effect.fnUntraced(function* (release: StoredRelease, options?: SeedOptions) {
  const store = yield* PackageStore
  const swarm = yield* Swarm
  const content = yield* store.open(release)
  yield* swarm.seed(release.torrent, content, { announce: "scheduled", ...options })
})

/**
 * Serves every stored release until the scope closes. One that cannot be served does not keep the others from it.
 * What is stored later is not seen: see `StoreSeeder` for those who stay.
 */
export const seedAll = Effect.fn("SeedStore.seedAll")(function* () {
  const store = yield* PackageStore
  const [seeding, failures] = yield* Effect.partition(
    yield* store.list,
    (release) =>
      seedOne(release).pipe(
        Effect.as(release),
        Effect.mapError((error) => ({ release, error }))
      ),
    { concurrency: CONCURRENCY }
  )
  return { seeding, failures }
})

const lacksRecord = Effect.fnUntraced(function* ({ publisher, release: { n, v } }: StoredRelease) {
  const records = yield* RecordStore
  return Option.isNone(yield* records.find(publisher, KeyString.saltOf(KeyString.release(n, v))))
})

/**
 * Asks once for the release record of each stored release that has none here. What is found is remembered. A
 * contradiction to what is stored is kept as proof, and is logged, as is whatever else keeps one from being found.
 */
export const gatherRecords = Effect.fn("SeedStore.gatherRecords")(function* () {
  const store = yield* PackageStore
  const lacking = yield* Effect.filter(yield* store.list, lacksRecord)
  yield* Effect.forEach(
    lacking,
    ({ publisher, release: { n, v } }) =>
      releaseOf(publisher, n, v).pipe(
        Effect.catch((error) => Effect.logDebug(`No record of ${n}@${v} to keep alive yet: ${error.message}`))
      ),
    { concurrency: CONCURRENCY, discard: true }
  )
})

/** {@link gatherRecords} again and again. A store that cannot be read is tried again like anything else. */
export const gatherForever = gatherRecords().pipe(
  Effect.catch((error) => Effect.logWarning(`Records of seeded releases are not gathered: ${error.message}`)),
  Effect.andThen(Effect.sleep(RECORDS_INTERVAL)),
  Effect.forever
)
