import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import { DIGEST_BYTES, Hasher } from "../../../src/protocol/core/Hasher.ts"

/** NIST's examples for FIPS 180-4: the empty message, "abc" and a million times "a". */
const EXAMPLES = {
  sha1: [
    "da39a3ee5e6b4b0d3255bfef95601890afd80709",
    "a9993e364706816aba3e25717850c26c9cd0d89d",
    "34aa973cd4c4daa4f61eeb2bdbad27316534016f"
  ],
  sha256: [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
  ],
  sha512: [
    "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e",
    "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
    "e718483d0ce769644e2e42c7bc15b4638e1f98b13b2044285632a803afa973ebde0ff244877ea60a4cb0432ce577c31beb009c5c2c49aa2e4eadb217ad8cc09b"
  ]
} as const

const MESSAGES: ReadonlyArray<Uint8Array> = [
  new Uint8Array(0),
  new TextEncoder().encode("abc"),
  new Uint8Array(1_000_000).fill(0x61)
]

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")

/** What every layer of `Hasher` must do. */
export const hasherSuite = (name: string, layer: Layer.Layer<Hasher>): void => {
  describe(`Hasher by ${name}`, () => {
    for (const algorithm of ["sha1", "sha256", "sha512"] as const) {
      it.effect(`gives the published digests of ${algorithm}, whole and in parts`, () =>
        Effect.gen(function* () {
          const hasher = yield* Hasher
          for (const [i, message] of MESSAGES.entries()) {
            const whole = hasher.start(algorithm)
            whole.update(message)
            const digest = whole.digest()
            assert.strictEqual(hex(digest), EXAMPLES[algorithm][i])
            assert.strictEqual(digest.length, DIGEST_BYTES[algorithm])
            assert.strictEqual(digest.constructor, Uint8Array)
            const parts = hasher.start(algorithm)
            for (let at = 0; at < message.length; at += 65_537) parts.update(message.subarray(at, at + 65_537))
            assert.strictEqual(hex(parts.digest()), EXAMPLES[algorithm][i])
          }
        }).pipe(Effect.provide(layer))
      )
    }

    it.effect("keeps hashes in progress apart, and does not keep the bytes", () =>
      Effect.gen(function* () {
        const hasher = yield* Hasher
        const [a, b] = [hasher.start("sha1"), hasher.start("sha1")]
        const buffer = Uint8Array.of(0x61)
        a.update(buffer)
        buffer[0] = 0x62
        a.update(buffer)
        buffer[0] = 0x63
        a.update(buffer)
        assert.strictEqual(hex(b.digest()), EXAMPLES.sha1[0])
        assert.strictEqual(hex(a.digest()), EXAMPLES.sha1[1])
      }).pipe(Effect.provide(layer))
    )

    it.effect("throws when used after its digest", () =>
      Effect.gen(function* () {
        const hash = (yield* Hasher).start("sha256")
        hash.digest()
        assert.throws(() => hash.digest())
        assert.throws(() => hash.update(new Uint8Array(1)))
      }).pipe(Effect.provide(layer))
    )
  })
}
