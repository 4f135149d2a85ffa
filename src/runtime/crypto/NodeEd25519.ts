/**
 * `Ed25519` on `node:crypto` (RFC 8032): the same verdicts and signatures as `Ed25519.layerNoble`, about
 * twelve times faster. OpenSSL's equation is the cofactorless one and compares R byte for byte; what
 * its versions differ on (small-order and non-canonical points) is settled before it is asked.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from "node:crypto"
import { Ed25519, hasStrictForm, rememberingOpenSeeds, SEED_BYTES } from "../../protocol/core/Ed25519.ts"
import * as Latin1 from "../../protocol/core/Latin1.ts"
import type { PublicKey } from "../../protocol/core/PublicKey.ts"
import { RecentMap } from "../../protocol/core/RecentMap.ts"

/** Verifying keys kept per layer. A resolution meets few publishers many times; an entry holds about 1 kB. */
export const CACHED_KEYS = 1024

/** DER in front of the 32 raw bytes: SubjectPublicKeyInfo and PKCS #8 (RFC 8410 §4 and §7). */
const SPKI_PREFIX = Buffer.from("302a300506032b6570032100", "hex")
const PKCS8_PREFIX = Buffer.from("302e020100300506032b657004220420", "hex")

/** By JWK (RFC 8037): OpenSSL's DER decoder takes twice as long. */
const publicKeyObject = (publicKey: Uint8Array): KeyObject =>
  createPublicKey({
    key: { kty: "OKP", crv: "Ed25519", x: Buffer.from(publicKey).toString("base64url") },
    format: "jwk"
  })

const privateKeyObject = (seed: Uint8Array): KeyObject => {
  if (seed.length !== SEED_BYTES) throw new TypeError(`An Ed25519 seed has ${SEED_BYTES} bytes, not ${seed.length}`)
  const der = Buffer.concat([PKCS8_PREFIX, seed])
  try {
    return createPrivateKey({ key: der, format: "der", type: "pkcs8" })
  } finally {
    der.fill(0)
  }
}

const derivePublicKey = (seed: Uint8Array): PublicKey => {
  const der = createPublicKey(privateKeyObject(seed)).export({ format: "der", type: "spki" })
  return new Uint8Array(der.subarray(SPKI_PREFIX.length)) as PublicKey
}

export const layer: Layer.Layer<Ed25519> = Layer.effect(
  Ed25519,
  Effect.sync(() => {
    // A flood of keys costs imports, not memory.
    const keys = new RecentMap<string, KeyObject>(CACHED_KEYS)
    const keyOf = (publicKey: Uint8Array): KeyObject =>
      keys.getOrMake(Latin1.fromBytes(publicKey), () => publicKeyObject(publicKey))
    return Ed25519.of({
      sign: (message, seed) => new Uint8Array(sign(null, message, privateKeyObject(seed))),
      verify: (signature, message, publicKey) => {
        if (!hasStrictForm(signature, publicKey)) return false
        try {
          return verify(null, message, keyOf(publicKey), signature)
        } catch {
          // Bytes that are no point of the curve: some versions of OpenSSL refuse them at import.
          return false
        }
      },
      publicKeyOf: derivePublicKey,
      publicKeyOfOpenSeed: rememberingOpenSeeds(derivePublicKey)
    })
  })
)
