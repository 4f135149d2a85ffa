/**
 * A publisher's signed statement that it publishes a name.
 *
 * Claims of one name form a set that any number of parties can merge in any order (a state-based
 * CRDT): per publisher the claim with the highest `(timestamp, signature)` stays, so no writer can
 * remove another's claim for good, and a lost write comes back with whoever still holds the claim.
 */
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Bencode from "../core/Bencode.ts"
import { Ed25519, SIGNATURE_BYTES } from "../core/Ed25519.ts"
import type { KeyPair } from "../core/KeyPair.ts"
import type { PackageName } from "../core/PackageName.ts"
import * as PublicKey from "../core/PublicKey.ts"
import { Version } from "../core/Version.ts"

/** How far a claim's timestamp may lie ahead of the reader's clock, in ms. */
export const CLOCK_SKEW_MAX_MS = 10 * 60 * 1000

const SIGNATURE_CONTEXT = new TextEncoder().encode("libreseed-v1:name-claim:")

export const NameClaim = Schema.Struct({
  /** The publisher. */
  k: PublicKey.PublicKey,
  /** Its latest version. */
  lv: Bencode.Utf8.pipe(Schema.decodeTo(Version)),
  /** When it says that it first published the name, Unix milliseconds. */
  fs: Bencode.Integer,
  /** When it signed this claim, Unix milliseconds. */
  t: Bencode.Integer,
  /** Signature over the other fields and the name. */
  s: Bencode.bytesOfLength(SIGNATURE_BYTES)
})

/** Field names are those of the wire (`docs/spec/records.md`). */
export type NameClaim = typeof NameClaim.Type

/** Claims by publisher (hex), at most one each. */
export type ClaimSet = ReadonlyMap<string, NameClaim>

export const empty: ClaimSet = new Map()

const signedBytes = (name: PackageName, claim: Omit<NameClaim, "s">): Uint8Array => {
  const body = Bencode.encode({
    fs: claim.fs,
    k: claim.k,
    lv: Bencode.utf8(claim.lv),
    n: Bencode.utf8(name),
    t: claim.t
  })
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

/** Keeps the claims whose signatures hold for `name`, and whose author did not date them before they began. */
export const verifyAll = Effect.fnUntraced(function* (name: PackageName, claims: Iterable<NameClaim>) {
  const ed25519 = yield* Ed25519
  const valid: Array<NameClaim> = []
  for (const claim of claims) {
    if (claim.fs <= claim.t && ed25519.verify(claim.s, signedBytes(name, claim), claim.k)) valid.push(claim)
  }
  return fromClaims(valid)
})

/**
 * The claims that a reader goes by at `now` (ms): those not dated further ahead than clocks may
 * differ. The others are carried on all the same, since it may be our clock that is wrong.
 */
export const believable = (self: ClaimSet, now: number): ReadonlyArray<NameClaim> =>
  [...self.values()].filter((claim) => claim.t <= now + CLOCK_SKEW_MAX_MS)

/** A set out of any claims, in any order, with duplicates. */
export const fromClaims = (claims: Iterable<NameClaim>): ClaimSet => {
  const set = new Map<string, NameClaim>()
  for (const claim of claims) {
    const key = PublicKey.toHex(claim.k)
    const known = set.get(key)
    if (known === undefined || isNewer(claim, known)) set.set(key, claim)
  }
  return set
}

/** Joins two claim sets. Commutative, associative, idempotent. */
export const merge = (self: ClaimSet, that: ClaimSet): ClaimSet => fromClaims([...self.values(), ...that.values()])

/** By timestamp, then by signature bytes: any two parties pick the same one. */
const isNewer = (self: NameClaim, that: NameClaim): boolean =>
  self.t !== that.t ? self.t > that.t : Bytes.Order(self.s, that.s) > 0

/** Whether two sets hold the same claims. */
export const equals = (self: ClaimSet, that: ClaimSet): boolean =>
  self.size === that.size &&
  [...self].every(([key, claim]) => {
    const other = that.get(key)
    return other !== undefined && !isNewer(claim, other) && !isNewer(other, claim)
  })

/** In the order of their keys: the one order in which a set is written. */
export const toSorted = (self: ClaimSet): ReadonlyArray<NameClaim> =>
  [...self.values()].toSorted((a, b) => PublicKey.compare(a.k, b.k))
