/**
 * A key's own word that nothing signed by it may be believed any more: a record at the salt of
 * `KeyString.REVOCATION`, with the value `{t, w, k?}`.
 *
 * The record speaks by being there. Whoever stole the key can sign at that salt too, and by doing so
 * only revokes it once more: a later record, or one whose value makes no sense, takes nothing back.
 * So the successor that it names is a hint for people and never followed: the thief may have named
 * himself. For the same reason a host goes on telling what it saw first, which it keeps in the
 * trust book, where there is one.
 */
import * as Bytes from "effect/Bytes"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Bencode from "../core/Bencode.ts"
import type { KeyPair } from "../core/KeyPair.ts"
import type { PackageName } from "../core/PackageName.ts"
import * as PublicKey from "../core/PublicKey.ts"
import * as Shape from "../core/Shape.ts"
import { Dht } from "../dht/Dht.ts"
import * as KeyString from "../dht/KeyString.ts"
import * as Quorum from "../dht/Quorum.ts"
import * as Record from "../dht/Record.ts"
import { RecordStore } from "../dht/RecordStore.ts"
import * as Transient from "../dht/Transient.ts"
import { refusalOf, type RevocationAnswer, type Revoked } from "../registry/PublisherTrust.ts"
import { type RegistryError, toRegistryError } from "../registry/RegistryError.ts"
import { type Book, REVOKED_MAX } from "./Book.ts"
import { TrustBook } from "./TrustBook.ts"

/** Bytes of a reason in UTF-8. */
export const REASON_MAX_BYTES = 200

/** What is said of a record whose value cannot be read. It revokes all the same. */
export const UNREADABLE = "unreadable"

/** A revocation is the last word at its salt, so it may take the last number: nobody outruns that. */
const LAST_SEQ = Record.SEQ_MAX

/** The salt of every revocation. */
export const SALT: KeyString.Salt = KeyString.saltOf(KeyString.REVOCATION)

/** Why a key is revoked: 1 to {@link REASON_MAX_BYTES} bytes of UTF-8. */
export const Reason = Schema.String.check(
  Schema.makeFilter((text: string) => {
    const length = Bencode.utf8(text).length
    return (text.isWellFormed() && length >= 1 && length <= REASON_MAX_BYTES) || `1 to ${REASON_MAX_BYTES} bytes`
  })
).pipe(Schema.brand("Reason"))

export type Reason = typeof Reason.Type

const isReason = Schema.is(Reason)

/** `None` where the text is empty or too long. */
export const parseReason: (text: string) => Option.Option<Reason> = Option.liftPredicate(isReason)

/** For those who give no reason. */
export const DEFAULT_REASON: Reason = Reason.make("revoked by its owner")

/** Field names are those of the wire (`docs/spec/records.md`). */
export const shape = Shape.dictionary({
  /** When it was signed, Unix milliseconds, by the clock of whoever signed. */
  t: Shape.integer(),
  /** Why. */
  w: Shape.textThat(isReason, `a reason of 1 to ${REASON_MAX_BYTES} bytes`),
  /** The key to take its place, as whoever signed would have it. */
  k: Shape.optional(Shape.publicKey)
})

export type Value = Shape.Type<typeof shape>

/** Bytes of a record's value ↔ revocation. */
export const codec = Shape.codec(shape)
const encode = Shape.encoder(shape)
const decode = Shape.decoder(shape)

export interface Fields {
  readonly reason: Reason
  readonly successor?: PublicKey.PublicKey | undefined
}

/** A key cannot succeed itself; a record that says so names nobody. */
const successorOf = (publisher: PublicKey.PublicKey, successor: PublicKey.PublicKey | undefined) =>
  successor === undefined || PublicKey.equals(successor, publisher) ? undefined : successor

/** Signs a revocation. `timestamp` is in Unix ms; `seq` is 1 unless a record is there that it has to replace. */
export const sign = (
  keyPair: KeyPair,
  fields: Fields & { readonly timestamp: number; readonly seq?: number }
): Record.Record => {
  const k = successorOf(keyPair.publicKey, fields.successor)
  const value = encode({ t: fields.timestamp, w: fields.reason, ...(k === undefined ? {} : { k }) })
  return Record.sign(keyPair, { salt: SALT, seq: fields.seq ?? 1, value })
}

/** Controls and formats would let whoever signed write over the terminal of whoever reads. */
const printable = (text: string): string => text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "\u{FFFD}")

const unreadable = (publisher: PublicKey.PublicKey): Revoked => ({
  publisher,
  reason: UNREADABLE,
  timestamp: 0,
  successor: undefined
})

/**
 * What a record revokes: `None` where it speaks of something else. A record at this salt always revokes its
 * key; where its value cannot be read, the reason is {@link UNREADABLE} and the timestamp 0.
 */
export const fromRecord = (record: Record.Record): Option.Option<Revoked> => {
  if (!Bytes.Equivalence(record.salt, SALT)) return Option.none()
  const publisher = record.publicKey
  return Option.some(
    Result.match(decode(record.value), {
      onFailure: () => unreadable(publisher),
      onSuccess: ({ k, t, w }) => ({
        publisher,
        reason: printable(w),
        timestamp: t,
        successor: successorOf(publisher, k)
      })
    })
  )
}

const kept = Effect.fnUntraced(function* (publisher: PublicKey.PublicKey) {
  const store = yield* RecordStore
  return yield* store.find(publisher, SALT).pipe(Effect.mapError(toRegistryError))
})

/** What this host saw first, in the trust book. A host without a book has its records alone. */
const tombstones = Effect.gen(function* () {
  const book = Option.getOrUndefined(yield* Effect.serviceOption(TrustBook))
  return book === undefined ? new Map<string, never>() : (yield* Effect.mapError(book.read, toRegistryError)).revoked
})

const withTombstone = (book: Book, revoked: Revoked, since: number): Book => {
  const key = PublicKey.toHex(revoked.publisher)
  return book.revoked.has(key) || book.revoked.size >= REVOKED_MAX
    ? book
    : {
        ...book,
        revoked: new Map(book.revoked).set(key, { ...revoked, timestamp: Math.max(0, revoked.timestamp), since })
      }
}

/** Notes what was seen, unless something was noted before. */
const entomb = Effect.fnUntraced(function* (revoked: Revoked) {
  const book = Option.getOrUndefined(yield* Effect.serviceOption(TrustBook))
  if (book === undefined) return
  const since = yield* Clock.currentTimeMillis
  yield* book
    .update((before) => [undefined, withTombstone(before, revoked, since)] as const)
    .pipe(Effect.mapError(toRegistryError))
})

const withoutSince = ({ publisher, reason, successor, timestamp }: Revoked): Revoked => ({
  publisher,
  reason,
  timestamp,
  successor
})

const first = Effect.fnUntraced(function* (publisher: PublicKey.PublicKey) {
  return Option.map(Option.fromUndefinedOr((yield* tombstones).get(PublicKey.toHex(publisher))), withoutSince)
})

/** What the record says that this host would put again: the newest that it met, which need not be what it saw first. */
export const newest = Effect.fnUntraced(function* (publisher: PublicKey.PublicKey) {
  return Option.flatMap(yield* kept(publisher), fromRecord)
})

/** The revocation of the key that this host remembers, as it saw it first; the network is not asked. */
export const recall = Effect.fnUntraced(function* (publisher: PublicKey.PublicKey) {
  const noted = yield* first(publisher)
  return Option.isSome(noted) ? noted : yield* newest(publisher)
})

const remember = Effect.fnUntraced(function* (record: Record.Record) {
  const store = yield* RecordStore
  yield* store.remember(record).pipe(Effect.mapError(toRegistryError))
})

/**
 * Whether the key is revoked. What is remembered settles it without a look-up, whatever the network says by
 * now; what the network gives is remembered before it is told.
 */
export const find = Effect.fn("Revocation.find")(function* (publisher: PublicKey.PublicKey) {
  const noted = yield* first(publisher)
  if (Option.isSome(noted)) return { revoked: noted, look: undefined } satisfies RevocationAnswer
  const known = yield* newest(publisher)
  if (Option.isSome(known)) {
    yield* entomb(known.value)
    return { revoked: known, look: undefined } satisfies RevocationAnswer
  }
  const dht = yield* Dht
  const look = yield* Transient.retryRead(dht.lookup(publisher, SALT)).pipe(Effect.mapError(toRegistryError))
  if (Option.isSome(look.value)) yield* remember(look.value.value)
  const read = Option.flatMap(look.value, fromRecord)
  // A thief could put something there that nobody takes for a record, to hide what the owner has put.
  const revoked = Option.isNone(read) && look.isForeign === true ? Option.some(unreadable(publisher)) : read
  if (Option.isSome(revoked)) yield* entomb(revoked.value)
  return { revoked, look } satisfies RevocationAnswer
})

/** Fails with `PublisherRevoked` where the key is revoked: what it signs for the package is refused by everybody. */
export const refuse = Effect.fnUntraced(function* (publisher: PublicKey.PublicKey, name: PackageName) {
  const { revoked } = yield* find(publisher)
  if (Option.isSome(revoked)) return yield* refusalOf(name, revoked.value)
})

/** The revocations that this host has seen, as it saw them first, in the order of their keys. Reads every record that is kept. */
export const remembered: Effect.Effect<ReadonlyArray<Revoked>, RegistryError, RecordStore> = Effect.gen(function* () {
  const store = yield* RecordStore
  const records = yield* Effect.mapError(store.all, toRegistryError)
  const seen = records.flatMap((record) => Option.toArray(fromRecord(record)))
  const all = [...seen, ...[...(yield* tombstones).values()].map(withoutSince)]
  const byKey = new Map(all.map((revoked) => [PublicKey.toHex(revoked.publisher), revoked]))
  return [...byKey.values()].toSorted((self, that) => PublicKey.compare(self.publisher, that.publisher))
})

/** How a revocation ended: with the wanted record in the network, or with another one that revokes the key as well. */
export interface Revocation {
  readonly revoked: Revoked
  readonly record: Record.Record
  /** Whether the record that stands is the one that was asked for. */
  readonly isAsAsked: boolean
  /**
   * What revoked the key before with another reason or successor, as this host saw it first or else as the network
   * has it: whoever saw that goes on telling it.
   */
  readonly before: Revoked | undefined
  /** Nodes that took the record; 0 where another one stood in its way. */
  readonly acks: number
}

const isAsAsked = (revoked: Revoked, keyPair: KeyPair, { reason, successor }: Fields): boolean => {
  const wanted = successorOf(keyPair.publicKey, successor)
  return (
    revoked.reason === printable(reason) &&
    (wanted === undefined || revoked.successor === undefined
      ? wanted === revoked.successor
      : PublicKey.equals(wanted, revoked.successor))
  )
}

/** The record to put: the newest that there is where it says the same or cannot be replaced, else one that is newer. */
const nextOf = (
  keyPair: KeyPair,
  fields: Fields & { readonly timestamp: number },
  newest: Record.Record | undefined,
  seqMin: number
): Record.Record => {
  if (newest === undefined) return sign(keyPair, { ...fields, seq: seqMin })
  const says = Option.exists(fromRecord(newest), (revoked) => isAsAsked(revoked, keyPair, fields))
  const stands = newest.seq >= LAST_SEQ || (says && newest.seq >= seqMin)
  return stands ? newest : sign(keyPair, { ...fields, seq: Math.max(newest.seq + 1, seqMin) })
}

const isStale = (error: RegistryError): boolean =>
  error.reason._tag === "DhtError" && error.reason.reason._tag === "StaleSeq"

/** Reads, remembers, writes. Fails with `StaleSeq` where the network has a newer record than this found. */
const attempt = Effect.fnUntraced(function* (
  keyPair: KeyPair,
  fields: Fields & { readonly timestamp: number },
  seqMin: number
) {
  const dht = yield* Dht
  const local = Option.getOrUndefined(yield* kept(keyPair.publicKey))
  const remote = Option.getOrUndefined(
    yield* Transient.retryRead(dht.get(keyPair.publicKey, SALT)).pipe(Effect.mapError(toRegistryError))
  )
  const latest = local === undefined || remote === undefined ? (local ?? remote) : Record.newer(local, remote)
  const record = nextOf(keyPair, fields, latest, seqMin)
  const earlier = [local, remote].flatMap((each) => (each === undefined ? [] : Option.toArray(fromRecord(each))))
  const known = [...Option.toArray(yield* first(keyPair.publicKey)), ...earlier]
  const before = known.find((each) => !isAsAsked(each, keyPair, fields))
  const revoked = Option.getOrThrow(fromRecord(record))
  yield* remember(record)
  yield* entomb(known[0] ?? revoked)
  const { acks } = yield* Quorum.put(record).pipe(
    Effect.mapError(toRegistryError),
    Effect.catchIf(
      // What stands there cannot be replaced by any record, and revokes the key.
      (error) => isStale(error) && remote !== undefined && record.seq >= LAST_SEQ,
      () => Effect.succeed({ acks: 0 })
    )
  )
  return { revoked, record, before, acks, isAsAsked: isAsAsked(revoked, keyPair, fields) } satisfies Revocation
})

/**
 * Revokes the key, for good and for everyone: remembers the record, then puts it where enough nodes take it.
 * Running it again after a failure puts the same record again. A record of a thief that cannot be replaced,
 * because its seq is the highest there is, revokes the key just as well and ends this in success.
 */
export const revoke = Effect.fn("Revocation.revoke")(function* (keyPair: KeyPair, fields: Fields) {
  const dated = { ...fields, timestamp: yield* Clock.currentTimeMillis }
  return yield* attempt(keyPair, dated, 1).pipe(
    Effect.catchIf(isStale, () => attempt(keyPair, dated, 1)),
    // Whoever keeps writing in between, or hides behind items that are no records, is outrun at last.
    Effect.catchIf(isStale, () => attempt(keyPair, dated, LAST_SEQ))
  )
})
