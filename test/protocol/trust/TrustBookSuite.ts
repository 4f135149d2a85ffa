/** What every `TrustBook` layer must do. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { Ed25519 } from "../../../src/protocol/core/Ed25519.ts"
import * as PublicKey from "../../../src/protocol/core/PublicKey.ts"
import { Note } from "../../../src/protocol/trust/Book.ts"
import * as Pins from "../../../src/protocol/trust/Pins.ts"
import type { TrustBook } from "../../../src/protocol/trust/TrustBook.ts"
import * as TrustedKeys from "../../../src/protocol/trust/TrustedKeys.ts"
import { keyPair, name } from "../registry/Fixtures.ts"

const keyOf = (label: string) => Effect.map(keyPair(label), ({ publicKey }) => publicKey)

/** `layer` must give an empty book every time it is built. */
export const suite = (label: string, layer: Layer.Layer<TrustBook | Ed25519, unknown>) =>
  describe(`TrustBook: ${label}`, () => {
    const test = (title: string, body: Effect.Effect<void, unknown, TrustBook | Ed25519>) =>
      it.live(title, () => body.pipe(Effect.provide(layer, { local: true })))

    test(
      "is empty at first",
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* Pins.list, [])
        assert.deepStrictEqual(yield* TrustedKeys.list, [])
      })
    )

    test(
      "pins a name at its first use and keeps that pin at every later one",
      Effect.gen(function* () {
        const [alice, mallory] = [yield* keyOf("alice"), yield* keyOf("mallory")]
        const first = yield* Pins.firstUse(name("left-pad"), alice)
        assert.isTrue(first.isNew)
        assert.isAbove(first.pin.since, 0)
        for (const publisher of [alice, mallory, alice]) {
          const later = yield* Pins.firstUse(name("left-pad"), publisher)
          assert.deepStrictEqual(later, { pin: first.pin, isNew: false })
        }
        assert.deepStrictEqual(yield* Pins.list, [{ name: name("left-pad"), ...first.pin }])
      })
    )

    test(
      "pins a name that is used first by many at once to one of them",
      Effect.gen(function* () {
        const keys = yield* Effect.forEach(["alice", "bob", "carol", "dave"], keyOf)
        const uses = yield* Effect.forEach(keys, (key) => Pins.firstUse(name("a"), key), { concurrency: "unbounded" })
        assert.strictEqual(uses.filter(({ isNew }) => isNew).length, 1)
        assert.strictEqual(new Set(uses.map(({ pin }) => PublicKey.toHex(pin.publisher))).size, 1)
      })
    )

    test(
      "keeps every pin when many names are used first at once",
      Effect.gen(function* () {
        const alice = yield* keyOf("alice")
        const names = Array.from({ length: 20 }, (_, i) => name(`p${String(i).padStart(2, "0")}`))
        yield* Effect.forEach(names, (each) => Pins.firstUse(each, alice), { concurrency: "unbounded" })
        assert.deepStrictEqual(
          (yield* Pins.list).map((pin) => pin.name),
          names
        )
      })
    )

    test(
      "replaces a pin at the user's word, and says which one it was",
      Effect.gen(function* () {
        const [alice, bob] = [yield* keyOf("alice"), yield* keyOf("bob")]
        const { pin: first } = yield* Pins.firstUse(name("a"), alice)
        const changed = yield* Pins.pin(name("a"), bob)
        assert.deepStrictEqual(Option.getOrThrow(changed.replaced), first)
        assert.isTrue(PublicKey.equals(changed.pin.publisher, bob))
        const again = yield* Pins.pin(name("a"), bob)
        assert.deepStrictEqual(again, { pin: changed.pin, replaced: Option.none() })
        assert.deepStrictEqual(yield* Pins.list, [{ name: name("a"), ...changed.pin }])
      })
    )

    test(
      "forgets a pin at the user's word, so that the next use pins anew",
      Effect.gen(function* () {
        const [alice, bob] = [yield* keyOf("alice"), yield* keyOf("bob")]
        assert.isTrue(Option.isNone(yield* Pins.unpin(name("a"))))
        const { pin } = yield* Pins.firstUse(name("a"), alice)
        assert.deepStrictEqual(Option.getOrThrow(yield* Pins.unpin(name("a"))), pin)
        assert.isTrue((yield* Pins.firstUse(name("a"), bob)).isNew)
      })
    )

    test(
      "lists pins by name, also where names are numbers",
      Effect.gen(function* () {
        const alice = yield* keyOf("alice")
        for (const each of ["b", "10", "@s/a", "9", "constructor"]) yield* Pins.pin(name(each), alice)
        assert.deepStrictEqual(
          (yield* Pins.list).map((pin) => String(pin.name)),
          ["10", "9", "@s/a", "b", "constructor"]
        )
      })
    )

    test(
      "keeps trusted keys with their notes until they are removed",
      Effect.gen(function* () {
        const [alice, bob] = [yield* keyOf("alice"), yield* keyOf("bob")]
        const first = yield* TrustedKeys.add(alice)
        assert.deepStrictEqual(yield* TrustedKeys.add(alice), first)
        const noted = yield* TrustedKeys.add(alice, Note.make("met in person"))
        assert.deepStrictEqual(noted, { ...first, note: Note.make("met in person") })
        assert.deepStrictEqual(yield* TrustedKeys.add(alice), noted)
        yield* TrustedKeys.add(bob)
        assert.strictEqual((yield* TrustedKeys.list).length, 2)
        assert.deepStrictEqual(Option.getOrThrow(yield* TrustedKeys.remove(alice)), noted)
        assert.isTrue(Option.isNone(yield* TrustedKeys.remove(alice)))
        assert.deepStrictEqual(
          (yield* TrustedKeys.list).map(({ publisher }) => publisher),
          [bob]
        )
      })
    )

    test(
      "keeps pins and trusted keys apart",
      Effect.gen(function* () {
        const alice = yield* keyOf("alice")
        yield* Pins.pin(name("a"), alice)
        assert.deepStrictEqual(yield* TrustedKeys.list, [])
        yield* Pins.unpin(name("a"))
        yield* TrustedKeys.add(alice)
        assert.deepStrictEqual(yield* Pins.list, [])
      })
    )
  })
