/**
 * A key that can sign. The secret lives in a closure: no printing, serialising or inspecting of a
 * key pair can reveal it, and nothing but signing can be done with it.
 */
import * as Effect from "effect/Effect"
import { Ed25519 } from "./Ed25519.ts"
import * as PublicKey from "./PublicKey.ts"

export class KeyPair {
  readonly publicKey: PublicKey.PublicKey
  readonly #sign: (message: Uint8Array) => Uint8Array

  constructor(publicKey: PublicKey.PublicKey, sign: (message: Uint8Array) => Uint8Array) {
    this.publicKey = publicKey
    this.#sign = sign
  }

  /** A 64-byte Ed25519 signature (RFC 8032), deterministic. */
  sign(message: Uint8Array): Uint8Array {
    return this.#sign(message)
  }

  toJSON(): { readonly publicKey: string } {
    return { publicKey: PublicKey.toBase64(this.publicKey) }
  }

  toString(): string {
    return `KeyPair(${PublicKey.toBase64(this.publicKey)})`
  }
}

/** The pair of a 32-byte seed (RFC 8032 §5.1.5). The seed is copied. */
export const fromSeed = Effect.fnUntraced(function* (seed: Uint8Array) {
  const ed25519 = yield* Ed25519
  const own = seed.slice()
  return new KeyPair(ed25519.publicKeyOf(own), (message) => ed25519.sign(message, own))
})

/** The pair of a seed that anyone can derive, and that is therefore no secret. */
export const fromOpenSeed = Effect.fnUntraced(function* (seed: Uint8Array) {
  const ed25519 = yield* Ed25519
  return new KeyPair(ed25519.publicKeyOfOpenSeed(seed), (message) => ed25519.sign(message, seed))
})
