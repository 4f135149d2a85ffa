/** What every `RecordStore` layer must do. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { sha256 } from "../../../src/protocol/core/Digest.ts"
import type { Ed25519 } from "../../../src/protocol/core/Ed25519.ts"
import * as KeyPair from "../../../src/protocol/core/KeyPair.ts"
import * as KeyString from "../../../src/protocol/dht/KeyString.ts"
import * as Record from "../../../src/protocol/dht/Record.ts"
import { RecordStore } from "../../../src/protocol/dht/RecordStore.ts"

const text = (value: string) => new TextEncoder().encode(value)

/** `layer` must give an empty store every time it is built. */
export const suite = (label: string, layer: Layer.Layer<RecordStore | Ed25519, unknown>) =>
  describe(`RecordStore: ${label}`, () => {
    const test = (title: string, body: Effect.Effect<void, unknown, RecordStore | Ed25519>) =>
      it.live(title, () => body.pipe(Effect.provide(layer, { local: true })))

    test(
      "gives back what it was told to remember, byte for byte",
      Effect.gen(function* () {
        const store = yield* RecordStore
        const pair = yield* KeyPair.fromSeed(sha256(text("alice")))
        const salt = KeyString.saltOf("a")
        assert.isTrue(Option.isNone(yield* store.find(pair.publicKey, salt)))
        const record = Record.sign(pair, { salt, seq: 3, value: text("value") })
        yield* store.remember(record)
        const found = Option.getOrThrow(yield* store.find(pair.publicKey, salt))
        assert.deepStrictEqual(Record.toBytes(found), Record.toBytes(record))
      })
    )

    test(
      "keeps the newest record of a key and salt, in whatever order they come",
      Effect.gen(function* () {
        const store = yield* RecordStore
        const pair = yield* KeyPair.fromSeed(sha256(text("alice")))
        const salt = KeyString.saltOf("a")
        for (const seq of [2, 5, 4, 5, 1])
          yield* store.remember(Record.sign(pair, { salt, seq, value: text(`${seq}`) }))
        assert.strictEqual(Option.getOrThrow(yield* store.find(pair.publicKey, salt)).seq, 5)
        assert.strictEqual((yield* store.all).length, 1)
      })
    )

    test(
      "keeps the newest record when many are remembered at once",
      Effect.gen(function* () {
        const store = yield* RecordStore
        const pair = yield* KeyPair.fromSeed(sha256(text("alice")))
        for (const round of Array.from({ length: 20 }).keys()) {
          const salt = KeyString.saltOf(`p${round}`)
          yield* Effect.forEach(
            [2, 1, 4, 3],
            (seq) => store.remember(Record.sign(pair, { salt, seq, value: text(`${seq}`) })),
            { concurrency: "unbounded" }
          )
          assert.strictEqual(Option.getOrThrow(yield* store.find(pair.publicKey, salt)).seq, 4)
        }
      })
    )

    test(
      "lists records of all keys and salts",
      Effect.gen(function* () {
        const store = yield* RecordStore
        for (const owner of ["alice", "bob"]) {
          const pair = yield* KeyPair.fromSeed(sha256(text(owner)))
          for (const salt of ["a", "b"]) {
            yield* store.remember(
              Record.sign(pair, { salt: KeyString.saltOf(salt), seq: 1, value: text(owner + salt) })
            )
          }
        }
        const values = (yield* store.all).map(({ value }) => new TextDecoder().decode(value))
        assert.deepStrictEqual(values.toSorted(), ["alicea", "aliceb", "boba", "bobb"])
      })
    )
  })
