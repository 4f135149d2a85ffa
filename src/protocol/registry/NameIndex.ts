/**
 * The shared record of a name: the claims of everybody who publishes it, signed by the name key
 * that anyone can derive.
 *
 * Since anyone may overwrite it, nothing in it is believed that is not a claim signed by its own
 * publisher; writers read, merge, put with compare-and-swap and read again, and never write a set
 * from which a valid claim was taken.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Bencode from "../core/Bencode.ts"
import type { PackageName } from "../core/PackageName.ts"
import { Dht } from "../dht/Dht.ts"
import * as KeyString from "../dht/KeyString.ts"
import * as Record from "../dht/Record.ts"
import { RecordStore } from "../dht/RecordStore.ts"
import * as Lookup from "./Lookup.ts"
import * as NameClaim from "./NameClaim.ts"
import { NameIndexBlocked, RegistryError } from "./RegistryError.ts"

/** Tries of a write that others race. */
export const WRITE_TRIES = 6

const NameIndex = Schema.Struct({
  /** Claims in the order of their publishers' keys. */
  c: Schema.Array(NameClaim.NameClaim),
  /** Count of all claims. */
  k: Bencode.Integer
}).check(Schema.makeFilter((self) => self.c.length === self.k, { expected: "as many claims as it counts" }))

export const codec = Bencode.fromBytes(NameIndex)
const encode = Schema.encodeSync(codec)

/** What was read: the claims that hold, and the record they came in, where there was one. */
export interface Snapshot {
  readonly claims: NameClaim.ClaimSet
  readonly record: Option.Option<Record.Record>
}

/** A record that does not decode is as good as none: whoever wrote it, it claims nothing. */
const claimsOf = Effect.fnUntraced(function* (name: PackageName, record: Record.Record, now: number) {
  const decoded = yield* Effect.option(Lookup.open(codec, KeyString.nameIndex(name))(record))
  return Option.isSome(decoded) ? yield* NameClaim.verifyAll(name, decoded.value.value.c, now) : NameClaim.empty
})

/** Reads the name's record and keeps the claims that hold. Empty when there is none. */
export const read = Effect.fnUntraced(function* (name: PackageName) {
  const dht = yield* Dht
  const keyString = KeyString.nameIndex(name)
  const nameKey = yield* KeyString.nameKeyOf(keyString)
  const record = yield* dht
    .get(nameKey.publicKey, KeyString.saltOf(keyString))
    .pipe(Effect.mapError((reason) => new RegistryError({ reason })))
  const now = yield* Clock.currentTimeMillis
  const claims = Option.isSome(record) ? yield* claimsOf(name, record.value, now) : NameClaim.empty
  return { claims, record } satisfies Snapshot
})

/** What this host remembers of the name, from the last time that it read or wrote it. */
const remembered = Effect.fnUntraced(function* (name: PackageName) {
  const store = yield* RecordStore
  const keyString = KeyString.nameIndex(name)
  const nameKey = yield* KeyString.nameKeyOf(keyString)
  const record = yield* store.find(nameKey.publicKey, KeyString.saltOf(keyString))
  const now = yield* Clock.currentTimeMillis
  return Option.isSome(record) ? yield* claimsOf(name, record.value, now) : NameClaim.empty
})

class LostRace {
  readonly _tag = "LostRace"
}

/**
 * Adds a claim to the name's shared record, together with every other claim that is known, and
 * makes sure that it is there. `propose` makes the claim from all those known, its author's earlier
 * one among them. Succeeds with the record as the network holds it.
 */
export const join = Effect.fn("NameIndex.join")(function* (
  name: PackageName,
  propose: (known: NameClaim.ClaimSet) => NameClaim.NameClaim
) {
  const dht = yield* Dht
  const store = yield* RecordStore
  const keyString = KeyString.nameIndex(name)
  const nameKey = yield* KeyString.nameKeyOf(keyString)
  const known = yield* remembered(name)
  const blocked = (problem: string) => new RegistryError({ reason: new NameIndexBlocked({ package: name, problem }) })

  const attempt = Effect.gen(function* () {
    const current = yield* read(name)
    const others = NameClaim.merge(current.claims, known)
    const union = NameClaim.merge(others, NameClaim.fromClaims([propose(others)]))
    if (Option.isSome(current.record) && NameClaim.equals(union, current.claims)) return current.record.value
    const value = encode({ c: NameClaim.toSorted(union), k: union.size })
    if (value.length > Record.VALUE_MAX_BYTES) {
      return yield* blocked(`its record is full with the claims of ${current.claims.size} publishers`)
    }
    const seq = Option.match(current.record, { onNone: () => 1, onSome: (record) => record.seq + 1 })
    if (seq > Record.SEQ_MAX) return yield* blocked("somebody used up its sequence numbers")
    const record = Record.sign(nameKey, { salt: KeyString.saltOf(keyString), seq, value })
    yield* dht
      .put(record, Option.match(current.record, { onNone: () => ({}), onSome: ({ seq }) => ({ cas: seq }) }))
      .pipe(
        Effect.mapError((reason) =>
          reason.reason._tag === "CasConflict" || reason.reason._tag === "StaleSeq"
            ? new LostRace()
            : new RegistryError({ reason })
        )
      )
    const after = yield* read(name)
    if (!NameClaim.equals(NameClaim.merge(after.claims, union), after.claims)) return yield* Effect.fail(new LostRace())
    return Option.getOrElse(after.record, () => record)
  })

  const record = yield* attempt.pipe(
    Effect.retry({
      while: (error) => error._tag === "LostRace",
      schedule: Schedule.exponential("50 millis").pipe(Schedule.jittered, Schedule.upTo({ times: WRITE_TRIES - 1 }))
    }),
    Effect.catchTag("LostRace", () => blocked(`others kept overwriting it, ${WRITE_TRIES} times in a row`))
  )
  yield* store.remember(record)
  return record
})
