/** What every `Blacklist` must do. Run against the in-memory layer and against a file alike. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as TestClock from "effect/testing/TestClock"
import { sha1 } from "../../../src/protocol/core/Digest.ts"
import * as Infohash from "../../../src/protocol/core/Infohash.ts"
import { Blacklist, BLACKLIST_TTL_MS, type Entry, REASON_MAX_CHARS } from "../../../src/protocol/swarm/Blacklist.ts"
import { layer as ed25519 } from "../../../src/runtime/crypto/NodeEd25519.ts"
import * as Fixtures from "../registry/Fixtures.ts"

export const infohashOf = (label: string) => Option.getOrThrow(Infohash.fromBytes(sha1(Fixtures.text(label))))

const publisherOf = (label: string) =>
  Effect.map(Fixtures.keyPair(label), ({ publicKey }) => publicKey).pipe(Effect.provide(ed25519))

export const entryOf = Effect.fnUntraced(function* (label: string, until: number, publisher = "alice") {
  const entry: Entry = {
    infohash: infohashOf(label),
    publisher: yield* publisherOf(publisher),
    reason: `${label} is bad`,
    until
  }
  return entry
})

export const suite = (label: string, layer: Layer.Layer<Blacklist, unknown>) =>
  describe(`Blacklist: ${label}`, () => {
    const test = (title: string, body: Effect.Effect<void, unknown, Blacklist>) =>
      it.effect(title, () => body.pipe(Effect.provide(layer, { local: true })))

    const find = ({ infohash, publisher }: Entry) =>
      Effect.flatMap(Blacklist, (blacklist) => blacklist.find(infohash, publisher))

    test(
      "finds what was added, with its reason, and nothing else",
      Effect.gen(function* () {
        const blacklist = yield* Blacklist
        const entry = yield* entryOf("a", BLACKLIST_TTL_MS)
        assert.isTrue(Option.isNone(yield* find(entry)))
        yield* blacklist.add(entry)
        assert.deepStrictEqual(Option.getOrThrow(yield* find(entry)), entry)
        assert.isTrue(Option.isNone(yield* find(yield* entryOf("b", 0))))
      })
    )

    test(
      "refuses an infohash only as its publisher signed it, so that nobody can have another's refused",
      Effect.gen(function* () {
        const blacklist = yield* Blacklist
        yield* blacklist.add(yield* entryOf("a", BLACKLIST_TTL_MS, "mallory"))
        assert.isTrue(Option.isNone(yield* find(yield* entryOf("a", 0, "alice"))))
      })
    )

    test(
      "forgets an entry when its time is over",
      Effect.gen(function* () {
        const blacklist = yield* Blacklist
        const [short, long] = [yield* entryOf("short", 1_000), yield* entryOf("long", 2_000)]
        yield* blacklist.add(short)
        yield* blacklist.add(long)
        yield* TestClock.adjust(999)
        assert.isTrue(Option.isSome(yield* find(short)))
        yield* TestClock.adjust(1)
        assert.isTrue(Option.isNone(yield* find(short)))
        assert.deepStrictEqual(yield* blacklist.all, [long])
        yield* TestClock.adjust(1_000)
        assert.deepStrictEqual(yield* blacklist.all, [])
      })
    )

    test(
      "has one entry of a release, the latest",
      Effect.gen(function* () {
        const blacklist = yield* Blacklist
        const first = yield* entryOf("a", 1_000)
        const second = { ...first, reason: "still bad", until: 5_000 }
        yield* blacklist.add(first)
        yield* blacklist.add(yield* entryOf("b", 5_000))
        yield* blacklist.add(second)
        assert.deepStrictEqual(
          (yield* blacklist.all).map(({ reason }) => reason),
          ["b is bad", "still bad"]
        )
      })
    )

    test(
      "removes what is to be tried again, and passes over what is not there",
      Effect.gen(function* () {
        const blacklist = yield* Blacklist
        const [a, b] = [yield* entryOf("a", 1_000), yield* entryOf("b", 1_000)]
        yield* blacklist.remove(a.infohash, a.publisher)
        yield* blacklist.add(a)
        yield* blacklist.add(b)
        yield* blacklist.remove(a.infohash, a.publisher)
        yield* blacklist.remove(a.infohash, a.publisher)
        assert.deepStrictEqual(yield* blacklist.all, [b])
      })
    )

    test(
      "cuts reasons that are too long",
      Effect.gen(function* () {
        const blacklist = yield* Blacklist
        yield* blacklist.add({ ...(yield* entryOf("a", 1_000)), reason: "x".repeat(REASON_MAX_CHARS + 1) })
        assert.strictEqual((yield* blacklist.all)[0]?.reason.length, REASON_MAX_CHARS)
      })
    )
  })
