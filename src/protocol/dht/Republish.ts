/**
 * Keeps records alive: nodes forget an item some hours after it was put (BEP 44 suggests two), so
 * whoever holds a record puts it again. No key is needed, since the record carries its signature.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { Dht } from "./Dht.ts"
import { RecordStore, type RecordStoreError } from "./RecordStore.ts"

/** One hour before the day is over after which most nodes have forgotten. */
export const INTERVAL = Duration.hours(22)

/** Puts running at a time. */
const CONCURRENCY = 8

export interface Round {
  /** Records that at least one node took, or had already. */
  readonly stored: number
  /** Records that a node holds a newer version of: ours is not needed any more. */
  readonly superseded: number
  /** Records that no node took; the next round tries again. */
  readonly failed: number
}

/** Puts every remembered record once. A record that fails does not keep the others from being put. */
export const once: Effect.Effect<Round, RecordStoreError, Dht | RecordStore> = Effect.gen(function* () {
  const dht = yield* Dht
  const store = yield* RecordStore
  const records = yield* store.all
  const outcomes = yield* Effect.forEach(
    records,
    (record) =>
      dht.put(record).pipe(
        Effect.as("stored" as const),
        Effect.catch((error) =>
          Effect.succeed(error.reason._tag === "StaleSeq" ? ("superseded" as const) : ("failed" as const))
        )
      ),
    { concurrency: CONCURRENCY }
  )
  const count = (outcome: keyof Round) => outcomes.filter((each) => each === outcome).length
  return { stored: count("stored"), superseded: count("superseded"), failed: count("failed") }
}).pipe(Effect.withSpan("Republish.once"))

/**
 * Rounds without end, {@link INTERVAL} apart with jitter, so that holders do not all write at once.
 * A round that cannot read the store is logged and left to the next one.
 */
export const forever: Effect.Effect<never, never, Dht | RecordStore> = once.pipe(
  Effect.catch((error) => Effect.logWarning(`Records could not be put again: ${error.message}`)),
  Effect.repeat(Schedule.spaced(INTERVAL).pipe(Schedule.jittered)),
  Effect.andThen(Effect.never)
)
