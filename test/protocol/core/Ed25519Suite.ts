import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import { Ed25519, SEED_BYTES, SIGNATURE_BYTES } from "../../../src/protocol/core/Ed25519.ts"

const L = 2n ** 252n + 27742317777372353535851937790883648493n

const hex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "hex"))

/** RFC 8032 §7.1, test 3. */
const RFC = {
  seed: hex("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7"),
  publicKey: hex("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025"),
  message: hex("af82"),
  signature: hex(
    "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
  )
}

const flipped = (bytes: Uint8Array, bit: number): Uint8Array =>
  bytes.map((byte, i) => (i === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte))

const littleEndian = (n: bigint): Uint8Array =>
  Uint8Array.from({ length: 32 }, (_, i) => Number((n >> BigInt(8 * i)) & 0xffn))

const scalarOf = (signature: Uint8Array): bigint =>
  signature.subarray(32).reduceRight((n, byte) => (n << 8n) | BigInt(byte), 0n)

const withScalar = (signature: Uint8Array, s: bigint): Uint8Array =>
  Uint8Array.from([...signature.subarray(0, 32), ...littleEndian(s)])

/** What every layer of `Ed25519` must do; the published vectors are run in `test/vectors`. */
export const ed25519Suite = (name: string, layer: Layer.Layer<Ed25519>): void => {
  describe(`Ed25519 by ${name}`, () => {
    it.effect("signs as RFC 8032 says, every time alike", () =>
      Effect.gen(function* () {
        const ed25519 = yield* Ed25519
        assert.deepStrictEqual(ed25519.publicKeyOf(RFC.seed), RFC.publicKey)
        for (let i = 0; i < 2; i++) {
          const signature = ed25519.sign(RFC.message, RFC.seed)
          assert.deepStrictEqual(signature, RFC.signature)
          assert.strictEqual(signature.constructor, Uint8Array)
          assert.isTrue(ed25519.verify(signature, RFC.message, RFC.publicKey))
        }
      }).pipe(Effect.provide(layer))
    )

    it.effect("refuses every single-bit change of signature, key and message", () =>
      Effect.gen(function* () {
        const { verify } = yield* Ed25519
        for (let bit = 0; bit < SIGNATURE_BYTES * 8; bit++) {
          assert.isFalse(verify(flipped(RFC.signature, bit), RFC.message, RFC.publicKey), `signature bit ${bit}`)
        }
        for (let bit = 0; bit < 256; bit++) {
          assert.isFalse(verify(RFC.signature, RFC.message, flipped(RFC.publicKey, bit)), `key bit ${bit}`)
        }
        for (let bit = 0; bit < 16; bit++) {
          assert.isFalse(verify(RFC.signature, flipped(RFC.message, bit), RFC.publicKey), `message bit ${bit}`)
        }
      }).pipe(Effect.provide(layer))
    )

    it.effect("refuses signatures and keys of other lengths", () =>
      Effect.gen(function* () {
        const { verify } = yield* Ed25519
        for (const length of [0, 1, 31, 32, 63, 65, 128]) {
          const signature = new Uint8Array(length)
          signature.set(RFC.signature.subarray(0, length))
          assert.isFalse(verify(signature, RFC.message, RFC.publicKey))
        }
        for (const length of [0, 31, 33, 64]) {
          const key = new Uint8Array(length)
          key.set(RFC.publicKey.subarray(0, length))
          assert.isFalse(verify(RFC.signature, RFC.message, key))
        }
      }).pipe(Effect.provide(layer))
    )

    it.effect("refuses S + L, S = L and the largest S", () =>
      Effect.gen(function* () {
        const { verify } = yield* Ed25519
        const s = scalarOf(RFC.signature)
        assert.isTrue(verify(withScalar(RFC.signature, s), RFC.message, RFC.publicKey))
        for (const other of [s + L, L, L - 1n, 0n, 2n ** 256n - 1n]) {
          assert.isFalse(verify(withScalar(RFC.signature, other), RFC.message, RFC.publicKey))
        }
      }).pipe(Effect.provide(layer))
    )

    it.effect("answers false, and does not throw, for keys and Rs that are no points of the curve", () =>
      Effect.gen(function* () {
        const { verify } = yield* Ed25519
        // About half of all y have no x; 64 in a row have some of both kinds.
        for (let y = 2n; y < 66n; y++) {
          assert.isFalse(verify(RFC.signature, RFC.message, littleEndian(y)))
          const signature = Uint8Array.from([...littleEndian(y), ...RFC.signature.subarray(32)])
          assert.isFalse(verify(signature, RFC.message, RFC.publicKey))
        }
      }).pipe(Effect.provide(layer))
    )

    it.effect("keeps many keys apart", () =>
      Effect.gen(function* () {
        const ed25519 = yield* Ed25519
        const signers = Array.from({ length: 20 }, (_, i) => {
          const seed = new Uint8Array(SEED_BYTES).fill(i)
          return { publicKey: ed25519.publicKeyOf(seed), signature: ed25519.sign(RFC.message, seed) }
        })
        for (const a of signers) {
          for (const b of signers.slice(0, 3)) {
            assert.strictEqual(ed25519.verify(a.signature, RFC.message, b.publicKey), a === b)
          }
        }
      }).pipe(Effect.provide(layer))
    )

    it.effect("signs nothing with a seed of another length", () =>
      Effect.gen(function* () {
        const ed25519 = yield* Ed25519
        for (const length of [0, 31, 33, 64]) {
          assert.throws(() => ed25519.sign(RFC.message, new Uint8Array(length)))
          assert.throws(() => ed25519.publicKeyOf(new Uint8Array(length)))
        }
      }).pipe(Effect.provide(layer))
    )
  })
}
