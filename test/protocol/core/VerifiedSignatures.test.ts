import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Ed25519 } from "../../../src/protocol/core/Ed25519.ts"
import * as VerifiedSignatures from "../../../src/protocol/core/VerifiedSignatures.ts"
import * as NodeEd25519 from "../../../src/runtime/crypto/NodeEd25519.ts"
import { ed25519Suite } from "./Ed25519Suite.ts"

ed25519Suite("node:crypto with a memory", VerifiedSignatures.layer.pipe(Layer.provide(NodeEd25519.layer)))

/** Signatures of one byte string each, by one key, and a memory that counts how often it asks. */
const fixture = (capacity: number) =>
  Effect.map(Effect.service(Ed25519), (ed25519) => {
    const seed = new Uint8Array(32).fill(3)
    const publicKey: Uint8Array = ed25519.publicKeyOf(seed)
    let asked = 0
    const verify = VerifiedSignatures.remembering((...parts) => {
      asked += 1
      return ed25519.verify(...parts)
    }, capacity)
    const messages = Array.from({ length: 5 }, (_, i) => Uint8Array.of(i, 7, 9))
    const signed = messages.map((message) => ({ message, signature: ed25519.sign(message, seed), publicKey }))
    return { signed, verify, asked: () => asked }
  }).pipe(Effect.provide(NodeEd25519.layer))

describe("VerifiedSignatures", () => {
  it.effect("asks once for a signature that holds", () =>
    Effect.gen(function* () {
      const { asked, signed, verify } = yield* fixture(4)
      const { message, publicKey, signature } = signed[0]!
      for (let i = 0; i < 5; i++) assert.isTrue(verify(signature.slice(), message.slice(), publicKey.slice()))
      assert.strictEqual(asked(), 1)
    })
  )

  it.effect("asks every time for one that does not, and keeps nothing of it", () =>
    Effect.gen(function* () {
      const { asked, signed, verify } = yield* fixture(4)
      const { message, publicKey, signature } = signed[0]!
      assert.isTrue(verify(signature, message, publicKey))
      for (let i = 0; i < 3; i++) assert.isFalse(verify(signature, signed[1]!.message, publicKey))
      assert.strictEqual(asked(), 4)
      assert.isTrue(verify(signature, message, publicKey))
      assert.strictEqual(asked(), 4)
    })
  )

  it.effect("believes a remembered signature under no other key, message or length", () =>
    Effect.gen(function* () {
      const { signed, verify } = yield* fixture(4)
      const { message, publicKey, signature } = signed[0]!
      assert.isTrue(verify(signature, message, publicKey))
      for (const part of [signature, message, publicKey]) {
        for (let bit = 0; bit < part.length * 8; bit++) {
          part[bit >> 3]! ^= 1 << (bit & 7)
          assert.isFalse(verify(signature, message, publicKey))
          part[bit >> 3]! ^= 1 << (bit & 7)
        }
      }
      assert.isFalse(verify(Uint8Array.of(...signature, 0), message, publicKey))
      assert.isFalse(verify(signature, Uint8Array.of(...message, 0), publicKey))
      assert.isFalse(verify(signature, message.subarray(1), publicKey))
      assert.isTrue(verify(signature, message, publicKey))
    })
  )

  it.effect("is not misled by callers that reuse their buffers", () =>
    Effect.gen(function* () {
      const { signed, verify } = yield* fixture(4)
      const { publicKey, signature } = signed[0]!
      const message = Buffer.from(signed[0]!.message)
      assert.isTrue(verify(signature, message, publicKey))
      message.fill(1)
      assert.isFalse(verify(signature, message, publicKey))
    })
  )

  it.effect("forgets the one that was longest not asked for", () =>
    Effect.gen(function* () {
      const { asked, signed, verify } = yield* fixture(2)
      const check = (i: number) => {
        const { message, publicKey, signature } = signed[i]!
        assert.isTrue(verify(signature, message, publicKey))
        return asked()
      }
      assert.deepStrictEqual([0, 1, 0, 2, 0, 1].map(check), [1, 2, 2, 3, 3, 4])
    })
  )
})
