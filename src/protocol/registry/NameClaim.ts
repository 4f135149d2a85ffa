/**
 * A publisher's signed statement that it publishes a name.
 *
 * Claims of one name form a set that any number of parties can merge in any order (a state-based
 * CRDT): per publisher the claim with the highest `(timestamp, signature)` stays, so no writer can
 * remove another's claim for good, and a lost write comes back with whoever still holds the claim.
 */
import type * as Brand from "effect/Brand"
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import * as Bencode from "../core/Bencode.ts"
import { Ed25519, SIGNATURE_BYTES } from "../core/Ed25519.ts"
import type { KeyPair } from "../core/KeyPair.ts"
import type { PackageName } from "../core/PackageName.ts"
import * as PublicKey from "../core/PublicKey.ts"
import * as Shape from "../core/Shape.ts"
import type { Version } from "../core/Version.ts"

/** How far a claim's timestamp may lie ahead of the reader's clock, in ms. */
export const CLOCK_SKEW_MAX_MS = 10 * 60 * 1000

/** In front of what is signed, so that it can be taken for nothing else that a key signs. */
const SIGNATURE_CONTEXT = Bencode.utf8("libreseed-v1:name-claim:")

const publisher = {
  /** The publisher. */
  k: Shape.publicKey
}

const statement = {
  /** Its latest version. */
  lv: Shape.version,
  /** When it says that it first published the name, Unix milliseconds. */
  fs: Shape.integer(),
  /** When it signed this claim, Unix milliseconds. */
  t: Shape.integer()
}

const signature = {
  /** Signature over the other fields and the name. */
  s: Shape.bytes(SIGNATURE_BYTES)
}

export const shape = Shape.dictionary({ ...publisher, ...statement, ...signature })

/** A claim without its publisher, as a tree has it under the publisher's key. */
export const restShape = Shape.dictionary({ ...statement, ...signature })

const signedShape = Shape.dictionary({ ...publisher, ...statement, n: Shape.packageName })

/** Field names are those of the wire (`docs/spec/records.md`). */
export type NameClaim = Shape.Type<typeof shape>

/** A claim by itself: bencoded `{fs, k, lv, s, t}`. Throws `RangeError` for a field out of its range. */
export const encode = Shape.encoder(shape)

/** The claim that `bytes` spell, not yet verified, or what is wrong with them. */
export const decode = Shape.decoder(shape)

/** Claims by publisher (hex), at most one each. */
export type ClaimSet = ReadonlyMap<string, NameClaim>

/** Claims whose signatures have been found to hold for the name in question. */
export type VerifiedClaims = ClaimSet & Brand.Brand<"VerifiedClaims">

export const empty: ClaimSet = new Map()

const encodeSigned = Shape.encoder(signedShape)

const signedBytes = (name: PackageName, { fs, k, lv, t }: Omit<NameClaim, "s">): Uint8Array => {
  const body = encodeSigned({ fs, k, lv, n: name, t })
  const out = new Uint8Array(SIGNATURE_CONTEXT.length + body.length)
  out.set(SIGNATURE_CONTEXT)
  out.set(body, SIGNATURE_CONTEXT.length)
  return out
}

export const sign = (
  keyPair: KeyPair,
  name: PackageName,
  fields: { readonly latestVersion: Version; readonly firstSeen: number; readonly timestamp: number }
): NameClaim => {
  const claim = { k: keyPair.publicKey, lv: fields.latestVersion, fs: fields.firstSeen, t: fields.timestamp }
  return { ...claim, s: keyPair.sign(signedBytes(name, claim)) }
}

/**
 * Keeps the claims whose signatures hold for `name`, and whose author did not date them before they
 * began. Those that `known`, verified for the same name, has byte for byte are not checked again.
 */
export const verifyAll = Effect.fnUntraced(function* (
  name: PackageName,
  claims: Iterable<NameClaim>,
  known?: VerifiedClaims
) {
  const ed25519 = yield* Ed25519
  const holds = (claim: NameClaim): boolean =>
    claim.fs <= claim.t && ed25519.verify(claim.s, signedBytes(name, claim), claim.k)
  const valid = new Map<string, NameClaim>()
  for (const claim of claims) {
    const key = PublicKey.toHex(claim.k)
    const verified = known?.get(key)
    if ((verified !== undefined && compare(claim, verified) === 0) || holds(claim)) keepNewer(valid, key, claim)
  }
  return valid as ClaimSet as VerifiedClaims
})

/**
 * The claims that a reader goes by first at `now` (ms): those not dated further ahead than clocks may
 * differ. The others are carried on all the same, and rank last, since it may be our clock that is wrong.
 */
export const believable = (self: ClaimSet, now: number): ReadonlyArray<NameClaim> =>
  [...self.values()].filter((claim) => claim.t <= now + CLOCK_SKEW_MAX_MS)

const keepNewer = (set: Map<string, NameClaim>, key: string, claim: NameClaim): void => {
  const known = set.get(key)
  if (known === undefined || compare(claim, known) > 0) set.set(key, claim)
}

/** A set out of any claims, in any order, with duplicates. */
export const fromClaims = (claims: Iterable<NameClaim>): ClaimSet => {
  const set = new Map<string, NameClaim>()
  for (const claim of claims) keepNewer(set, PublicKey.toHex(claim.k), claim)
  return set
}

interface Merge {
  (self: VerifiedClaims, that: VerifiedClaims): VerifiedClaims
  (self: ClaimSet, that: ClaimSet): ClaimSet
}

/** Joins two claim sets. Commutative, associative, idempotent; gives one of the two itself where the other adds nothing. */
export const merge: Merge = <S extends ClaimSet>(self: S, that: S) => {
  const [larger, smaller] = self.size >= that.size ? [self, that] : [that, self]
  let merged: Map<string, NameClaim> | undefined
  for (const [key, claim] of smaller) {
    const known = larger.get(key)
    if (known !== undefined && compare(claim, known) <= 0) continue
    merged ??= new Map(larger)
    merged.set(key, claim)
  }
  return merged === undefined ? larger : (merged as ClaimSet as S)
}

/**
 * Order of one publisher's claims: by timestamp, then by signature bytes, so that any two parties
 * pick the same one; 0 for the same claim only. Claims that differ in the rest alone cannot both hold.
 */
export const compare = (self: NameClaim, that: NameClaim): number => {
  if (self === that) return 0
  if (self.t !== that.t) return self.t - that.t
  const order = Bytes.Order(self.s, that.s) || PublicKey.compare(self.k, that.k)
  if (order !== 0) return order
  if (self.fs !== that.fs) return self.fs - that.fs
  return self.lv === that.lv ? 0 : self.lv < that.lv ? -1 : 1
}

/** Whether two sets hold the same claims. */
export const equals = (self: ClaimSet, that: ClaimSet): boolean => {
  if (self === that) return true
  if (self.size !== that.size) return false
  for (const [key, claim] of self) {
    const other = that.get(key)
    if (other === undefined || compare(claim, other) !== 0) return false
  }
  return true
}

/** In the order of their keys, which is that of their hex digits: the one order in which a set is written. */
export const toSorted = (self: ClaimSet): ReadonlyArray<NameClaim> =>
  [...self.keys()].toSorted().map((key) => self.get(key)!)
