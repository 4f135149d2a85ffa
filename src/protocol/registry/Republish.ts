/**
 * Keeps records alive: nodes forget an item some hours after it was put (BEP 44 suggests two), so
 * whoever holds a record puts it again. No key is needed, since records carry their signatures, and
 * the shared record of a name is united with what the network has.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import type { Ed25519 } from "../core/Ed25519.ts"
import type { PackageName } from "../core/PackageName.ts"
import { Dht } from "../dht/Dht.ts"
import * as KeyString from "../dht/KeyString.ts"
import * as Record from "../dht/Record.ts"
import { RecordStore, type RecordStoreError } from "../dht/RecordStore.ts"
import * as NameIndex from "./NameIndex.ts"
import * as Package from "./Package.ts"

/** The longest pause: after a day most nodes have forgotten. */
export const INTERVAL = Duration.hours(22)

/** Pauses are shorter by up to a fifth, so that holders do not all write at once. */
const JITTER = 0.2

/** The pause after a round in which something failed. */
export const RETRY_INTERVAL = Duration.hours(1)

/** Puts running at a time. */
const CONCURRENCY = 8

export interface Round {
  /** Records that the network has now, or had already. */
  readonly stored: number
  /** Records that the network had a newer version of; that one is remembered from now on. */
  readonly superseded: number
  /** Records that no node took; they are tried again in an hour. */
  readonly failed: number
}

type Outcome = keyof Round

const decodePackage = Schema.decodeUnknownOption(Package.codec)

/** The names of the packages among the records. */
const namesOf = (records: ReadonlyArray<Record.Record>): ReadonlySet<PackageName> =>
  new Set(records.flatMap(({ value }) => Option.toArray(Option.map(decodePackage(value), ({ n }) => n))))

const targetOf = (record: Pick<Record.Record, "publicKey" | "salt">): string =>
  Hex.encode(Record.targetOf(record.publicKey, record.salt))

const putAgain = Effect.fnUntraced(function* (record: Record.Record) {
  const dht = yield* Dht
  const store = yield* RecordStore
  return yield* dht.put(record).pipe(
    Effect.as<Outcome>("stored"),
    Effect.catchIf(
      (error) => error.reason._tag === "StaleSeq",
      () =>
        Effect.gen(function* () {
          const newer = yield* dht.get(record.publicKey, record.salt)
          if (Option.isSome(newer)) yield* store.remember(newer.value)
          return "superseded" as Outcome
        })
    ),
    Effect.orElseSucceed((): Outcome => "failed")
  )
})

const mendName = (name: PackageName) =>
  NameIndex.mend(name).pipe(
    Effect.as<Outcome>("stored"),
    Effect.orElseSucceed((): Outcome => "failed")
  )

/** Puts every remembered record once. One that fails does not keep the others from being put. */
export const once: Effect.Effect<Round, RecordStoreError, Dht | RecordStore | Ed25519> = Effect.gen(function* () {
  const store = yield* RecordStore
  const records = yield* store.all
  const names = [...namesOf(records)]
  const indices = yield* Effect.forEach(names, (name) => {
    const keyString = KeyString.nameIndex(name)
    return Effect.map(KeyString.nameKeyOf(keyString), ({ publicKey }) =>
      targetOf({ publicKey, salt: KeyString.saltOf(keyString) })
    )
  })
  const isIndex = new Set(indices)
  const plain = records.filter((record) => !isIndex.has(targetOf(record)))
  const options = { concurrency: CONCURRENCY }
  const outcomes = [
    ...(yield* Effect.forEach(plain, putAgain, options)),
    ...(yield* Effect.forEach(names, mendName, options))
  ]
  const count = (outcome: Outcome) => outcomes.filter((each) => each === outcome).length
  return { stored: count("stored"), superseded: count("superseded"), failed: count("failed") }
}).pipe(Effect.withSpan("Republish.once"))

/**
 * Rounds without end, {@link INTERVAL} apart or a little less; sooner after a failure. A round that
 * cannot read the store is logged and left to the next one.
 */
export const forever: Effect.Effect<never, never, Dht | RecordStore | Ed25519> = Effect.gen(function* () {
  const failed = yield* once.pipe(
    Effect.map((round) => round.failed > 0),
    Effect.catch((error) => Effect.as(Effect.logWarning(`Records could not be put again: ${error.message}`), true))
  )
  const share = 1 - JITTER * (yield* Random.next)
  yield* Effect.sleep(Duration.times(failed ? RETRY_INTERVAL : INTERVAL, share))
}).pipe(Effect.forever)
