/**
 * Ed25519 signatures (RFC 8032) with one verdict on every backend: 64 bytes, S < L, neither A nor
 * R a small-order or non-canonical encoding, the cofactorless equation, R compared byte for byte.
 *
 * `layerNoble` is pure and runs in browsers and in simulation; `NodeEd25519.layer` of the runtime
 * uses `node:crypto` and is about twelve times faster. Both must agree on every test vector.
 */
import { hashes, Point, sign as nobleSign, getPublicKey } from "@noble/ed25519"
import { sha512 } from "@noble/hashes/sha2.js"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Latin1 from "./Latin1.ts"
import { isStrongPoint, type PublicKey } from "./PublicKey.ts"
import { RecentMap } from "./RecentMap.ts"

export const SIGNATURE_BYTES = 64
export const SEED_BYTES = 32

/** Name keys under way at one time; an entry holds about 200 bytes. */
const OPEN_SEEDS_REMEMBERED = 1024

/** Order of the base point, 2^252 + 27742317777372353535851937790883648493 (RFC 8032 §5.1). */
const L = 2n ** 252n + 27742317777372353535851937790883648493n

/** Synchronous and total: wrong lengths are refused (`verify`) or are defects (`sign`, with a seed that is ours). */
export class Ed25519 extends Context.Service<
  Ed25519,
  {
    /** Deterministic signature of `message` under a 32-byte seed. */
    readonly sign: (message: Uint8Array, seed: Uint8Array) => Uint8Array
    readonly verify: (signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array) => boolean
    readonly publicKeyOf: (seed: Uint8Array) => PublicKey
    /** As `publicKeyOf`, for seeds that are no secret: remembers the latest, seeds included. */
    readonly publicKeyOfOpenSeed: (seed: Uint8Array) => PublicKey
  }
>()("@libreseed/protocol/core/Ed25519") {
  static readonly layerNoble = Layer.effect(
    Ed25519,
    Effect.sync(() => {
      hashes.sha512 = sha512
      return Ed25519.of({
        sign: (message, seed) => nobleSign(message, seed),
        verify: verifyNoble,
        publicKeyOf: derivePublicKey,
        publicKeyOfOpenSeed: rememberingOpenSeeds(derivePublicKey)
      })
    })
  )
}

const derivePublicKey = (seed: Uint8Array): PublicKey => getPublicKey(seed) as Uint8Array as PublicKey

/** Wraps a backend's key derivation, which costs more than a signature check, for `publicKeyOfOpenSeed`. */
export const rememberingOpenSeeds = (derive: (seed: Uint8Array) => PublicKey): ((seed: Uint8Array) => PublicKey) => {
  const known = new RecentMap<string, PublicKey>(OPEN_SEEDS_REMEMBERED)
  return (seed) => known.getOrMake(Latin1.fromBytes(seed), () => derive(seed))
}

const littleEndian = (bytes: Uint8Array): bigint => {
  let n = 0n
  for (let i = bytes.length - 1; i >= 0; i--) n = (n << 8n) | BigInt(bytes[i]!)
  return n
}

/**
 * The part of the verdict that does not need the curve, shared by every backend: lengths, S < L,
 * and strong encodings of A and R.
 */
export const hasStrictForm = (signature: Uint8Array, publicKey: Uint8Array): boolean =>
  signature.length === SIGNATURE_BYTES &&
  isStrongPoint(publicKey) &&
  isStrongPoint(signature.subarray(0, 32)) &&
  isReducedScalar(signature.subarray(32))

/** S < L. The top byte settles almost every case: L is just above 2^252. */
const isReducedScalar = (scalar: Uint8Array): boolean => {
  const top = scalar[31]!
  return top < 0x10 || (top === 0x10 && littleEndian(scalar) < L)
}

const verifyNoble = (signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array): boolean => {
  if (!hasStrictForm(signature, publicKey)) return false
  const encodedR = signature.subarray(0, 32)
  let A: Point
  try {
    A = Point.fromBytes(publicKey)
  } catch {
    return false
  }
  const challenge = new Uint8Array(64 + message.length)
  challenge.set(encodedR)
  challenge.set(publicKey, 32)
  challenge.set(message, 64)
  const k = littleEndian(sha512(challenge)) % L
  const R = Point.BASE.multiply(littleEndian(signature.subarray(32)), false)
    .subtract(A.multiply(k, false))
    .toBytes()
  return R.every((byte, i) => byte === encodedR[i])
}
