/** What every `Keystore` layer must do. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Inspectable from "effect/Inspectable"
import type * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import { Ed25519 } from "../../../src/protocol/core/Ed25519.ts"
import { KeyName, Keystore } from "../../../src/protocol/core/Keystore.ts"
import * as PublicKey from "../../../src/protocol/core/PublicKey.ts"

const name = (text: string) => KeyName.make(text)

/** `layer` must give an empty keystore every time it is built. */
export const suite = (label: string, layer: Layer.Layer<Keystore | Ed25519, unknown>) =>
  describe(`Keystore: ${label}`, () => {
    const test = (title: string, body: Effect.Effect<void, unknown, Keystore | Ed25519>) =>
      it.live(title, () => body.pipe(Effect.provide(layer, { local: true })))

    test(
      "makes keys that sign",
      Effect.gen(function* () {
        const keystore = yield* Keystore
        const pair = yield* keystore.create(name("alice"))
        const message = new TextEncoder().encode("message")
        const ed25519 = yield* Ed25519
        assert.isTrue(ed25519.verify(pair.sign(message), message, pair.publicKey))
        assert.isFalse(ed25519.verify(pair.sign(message), new Uint8Array(3), pair.publicKey))
      })
    )

    test(
      "loads the key that was made",
      Effect.gen(function* () {
        const keystore = yield* Keystore
        const made = yield* keystore.create(name("alice"))
        const loaded = yield* keystore.load(name("alice"))
        assert.strictEqual(PublicKey.toHex(loaded.publicKey), PublicKey.toHex(made.publicKey))
        const message = new Uint8Array([1, 2, 3])
        assert.deepStrictEqual(Uint8Array.from(loaded.sign(message)), Uint8Array.from(made.sign(message)))
      })
    )

    test(
      "makes another key every time",
      Effect.gen(function* () {
        const keystore = yield* Keystore
        const first = yield* keystore.create(name("a"))
        const second = yield* keystore.create(name("b"))
        assert.isFalse(PublicKey.equals(first.publicKey, second.publicKey))
      })
    )

    test(
      "never overwrites a key",
      Effect.gen(function* () {
        const keystore = yield* Keystore
        const made = yield* keystore.create(name("alice"))
        const error = yield* Effect.flip(keystore.create(name("alice")))
        assert.strictEqual(error.reason._tag, "KeyExists")
        assert.include(error.message, "alice")
        const kept = yield* keystore.load(name("alice"))
        assert.isTrue(PublicKey.equals(kept.publicKey, made.publicKey))
      })
    )

    test(
      "gives one of several makers of one name the key, and the others an error",
      Effect.gen(function* () {
        const keystore = yield* Keystore
        const attempts = yield* Effect.forEach(
          Array.from({ length: 5 }),
          () => Effect.result(keystore.create(name("raced"))),
          { concurrency: "unbounded" }
        )
        assert.strictEqual(attempts.filter(({ _tag }) => _tag === "Success").length, 1)
      })
    )

    test(
      "says which key is missing",
      Effect.gen(function* () {
        const keystore = yield* Keystore
        const error = yield* Effect.flip(keystore.load(name("nobody")))
        assert.strictEqual(error.reason._tag, "KeyNotFound")
        assert.include(error.message, "nobody")
        assert.include(error.reason.hint, "ls-cli keys new nobody")
      })
    )

    test(
      "lists keys by name",
      Effect.gen(function* () {
        const keystore = yield* Keystore
        assert.deepStrictEqual(yield* keystore.list, [])
        const bob = yield* keystore.create(name("bob"))
        const alice = yield* keystore.create(name("alice"))
        const listed = yield* keystore.list
        assert.deepStrictEqual(
          listed.map((entry) => [String(entry.name), PublicKey.toHex(Result.getOrThrow(entry.publicKey))]),
          [
            ["alice", PublicKey.toHex(alice.publicKey)],
            ["bob", PublicKey.toHex(bob.publicKey)]
          ]
        )
      })
    )

    test(
      "shows no secret, however a key is printed",
      Effect.gen(function* () {
        const keystore = yield* Keystore
        const pair = yield* keystore.create(name("secret"))
        assert.deepStrictEqual(JSON.parse(JSON.stringify(pair)), { publicKey: PublicKey.toBase64(pair.publicKey) })
        assert.strictEqual(String(pair), `KeyPair(${PublicKey.toBase64(pair.publicKey)})`)
        assert.deepStrictEqual(Object.keys(pair), ["publicKey"])
        assert.notInclude(Inspectable.toStringUnknown(pair), "seed")
      })
    )
  })
