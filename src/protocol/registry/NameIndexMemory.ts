/**
 * What this host remembers of a name: the union of all claims that it ever saw, as a record like the
 * network's with its pages. It stands under a salt of its own, where nothing from the network ever
 * gets: so whoever overwrites the shared item takes nothing from here, and what is here was verified.
 */
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { sha256 } from "../core/Digest.ts"
import * as KeyPair from "../core/KeyPair.ts"
import type { PackageName } from "../core/PackageName.ts"
import * as KeyString from "../dht/KeyString.ts"
import { PageStore } from "../dht/PageStore.ts"
import * as Record from "../dht/Record.ts"
import { RecordStore } from "../dht/RecordStore.ts"
import * as NameClaim from "./NameClaim.ts"
import * as NameIndexRecord from "./NameIndexRecord.ts"
import { toRegistryError } from "./RegistryError.ts"

/** Where a name's shared record lives, the pair that signs it, and where the own copy is kept. */
export interface Place {
  readonly name: PackageName
  readonly nameKey: KeyPair.KeyPair
  readonly salt: KeyString.Salt
  readonly ownSalt: KeyString.Salt
}

export const placeOf = (name: PackageName) => {
  const salt = KeyString.saltOf(KeyString.nameIndex(name))
  const ownSalt = KeyString.saltOf(`libreseed:remembered-claims:${name}`)
  // The seed of a name key is the salt itself.
  return Effect.map(KeyPair.fromOpenSeed(salt), (nameKey): Place => ({ name, nameKey, salt, ownSalt }))
}

/** Nothing in it is unverified. */
export const none = NameClaim.empty as NameClaim.VerifiedClaims

/** Claims verified between two turns of others: about 20 ms with the slower backend. */
const VERIFIED_AT_A_TIME = 50

/** As `NameClaim.verifyAll`, but lets others have their turns. */
export const verifyAll = Effect.fnUntraced(function* (
  name: PackageName,
  claims: ReadonlyArray<NameClaim.NameClaim>,
  known?: NameClaim.VerifiedClaims
) {
  if (claims.length <= VERIFIED_AT_A_TIME) return yield* NameClaim.verifyAll(name, claims, known)
  const valid: Array<NameClaim.NameClaim> = []
  for (let at = 0; at < claims.length; at += VERIFIED_AT_A_TIME) {
    valid.push(...(yield* NameClaim.verifyAll(name, claims.slice(at, at + VERIFIED_AT_A_TIME), known)).values())
    yield* Effect.yieldNow
  }
  return NameClaim.fromClaims(valid) as NameClaim.VerifiedClaims
})

export interface Memory {
  /** `undefined` where nothing is remembered. */
  readonly record: Record.Record | undefined
  readonly claims: NameClaim.VerifiedClaims
}

/** A memory as it was read: with what stands in its record, and which of its pages are gone. */
export interface Recalled extends Memory {
  readonly contents: NameIndexRecord.Contents
}

const nothing: Recalled = { record: undefined, claims: none, contents: NameIndexRecord.noContents }

const recordOf = ({ nameKey, ownSalt }: Place) =>
  Effect.flatMap(RecordStore, (store) =>
    Effect.mapBoth(store.find(nameKey.publicKey, ownSalt), {
      onFailure: toRegistryError,
      onSuccess: Option.getOrUndefined
    })
  )

const memoryIn = (record: Record.Record) =>
  Effect.mapBoth(NameIndexRecord.contents(record.value), {
    onFailure: toRegistryError,
    // They were verified before they were remembered.
    onSuccess: (contents): Recalled => ({
      record,
      claims: NameClaim.fromClaims(contents.claims) as NameClaim.VerifiedClaims,
      contents
    })
  })

/** What is remembered. Pages that are gone here are asked for in the network. */
export const recall = (place: Place) =>
  Effect.flatMap(recordOf(place), (record) => (record === undefined ? Effect.succeed(nothing) : memoryIn(record)))

/**
 * The claims that stay where there are more than a name may have: those of the first group before
 * those of the next, and within a group by SHA-256 of the name's salt and the publisher. That order
 * is nobody's to choose cheaply, nor for many names at once; it rests on nothing that a claim says.
 */
export const limit = (
  { salt }: Place,
  claims: NameClaim.VerifiedClaims,
  groups: ReadonlyArray<NameClaim.ClaimSet>
): NameClaim.VerifiedClaims => {
  if (claims.size <= NameIndexRecord.CLAIMS_MAX) return claims
  const ranked = [...claims].map(([key, claim]) => {
    const group = groups.findIndex((each) => each.has(key))
    return { key, claim, group: group < 0 ? groups.length : group, lot: sha256(new Uint8Array([...salt, ...claim.k])) }
  })
  ranked.sort((a, b) => a.group - b.group || Bytes.Order(a.lot, b.lot))
  const kept: NameClaim.ClaimSet = new Map(
    ranked.slice(0, NameIndexRecord.CLAIMS_MAX).map(({ claim, key }) => [key, claim])
  )
  return kept as NameClaim.VerifiedClaims
}

/** Package records looked for at once. */
const FINDS_AT_ONCE = 16

/**
 * Those claims whose publisher's package of this name this host holds. Whoever floods a name with keys
 * gets none of them in here: records come into the own store by use, one publisher at a time.
 */
export const backed = Effect.fnUntraced(function* ({ name }: Place, claims: NameClaim.VerifiedClaims) {
  const store = yield* RecordStore
  const salt = KeyString.saltOf(KeyString.packageOf(name))
  const kept = yield* Effect.filter(
    claims.values(),
    ({ k }) => Effect.mapBoth(store.find(k, salt), { onFailure: toRegistryError, onSuccess: Option.isSome }),
    { concurrency: FINDS_AT_ONCE }
  )
  return NameClaim.fromClaims(kept) as NameClaim.VerifiedClaims
})

/** As {@link limit}: `first`, those that are backed, those remembered, the others. Nothing is looked up where nothing is too much. */
export const limited = (
  place: Place,
  claims: NameClaim.VerifiedClaims,
  remembered: NameClaim.VerifiedClaims,
  first: NameClaim.VerifiedClaims = none
) =>
  claims.size <= NameIndexRecord.CLAIMS_MAX
    ? Effect.succeed(claims)
    : Effect.map(backed(place, claims), (held) => limit(place, claims, [first, held, remembered]))

/**
 * The highest seq of the network that the own copy follows. Somebody may write the shared record with
 * the last number there is; what is remembered must still have numbers left to grow by.
 */
export const SEQ_FOLLOWED_MAX = 2 ** 52 - 1

/** What there is to remember. */
export interface Finding {
  readonly claims: NameClaim.VerifiedClaims
  readonly first?: NameClaim.VerifiedClaims
  readonly networkSeq: number
}

/** Times that others of this host may remember in between. */
const REMEMBER_TRIES = 5

/**
 * Remembers the claims beside those that are remembered already. It drops one of these only where there
 * are too many, for one of `first` or of a publisher whose package this host holds.
 *
 * The copy's seq is newer than its last one and than the network's, `networkSeq`: where the network
 * has forgotten the name, it goes on from there.
 */
export const remember = (place: Place, memory: Memory, found: Finding) =>
  Effect.flatMap(withFound(place, memory, found), (claims) =>
    NameClaim.equals(claims, memory.claims) ? Effect.succeed(memory) : keep(place, memory, found)
  )

const withFound = (place: Place, memory: Memory, { claims, first }: Finding) =>
  limited(place, NameClaim.merge(memory.claims, claims), memory.claims, first)

const keep = Effect.fnUntraced(function* (place: Place, memory: Memory, found: Finding) {
  const store = yield* RecordStore
  const pages = yield* PageStore
  let current = memory
  for (let tries = 0; tries < REMEMBER_TRIES; tries++) {
    const claims = yield* withFound(place, current, found)
    if (NameClaim.equals(claims, current.claims)) return current
    const made = NameIndexRecord.make(claims)
    const followed = found.networkSeq > SEQ_FOLLOWED_MAX ? 0 : found.networkSeq
    const seq = Math.max(current.record?.seq ?? 0, followed) + 1
    const record = Record.sign(place.nameKey, { salt: place.ownSalt, seq, value: made.value })
    // Pages before the record that refers to them. Those of the last copy may be in use at this moment: they are left.
    if (made.pages.length > 0) yield* pages.keep(made.pages).pipe(Effect.mapError(toRegistryError))
    yield* store.remember(record).pipe(Effect.mapError(toRegistryError))
    const kept = yield* recordOf(place)
    if (kept === undefined || (kept.seq === seq && Bytes.Equivalence(kept.value, made.value))) return { record, claims }
    current = yield* memoryIn(kept)
  }
  return current
})
