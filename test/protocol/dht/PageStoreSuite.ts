/** What every `PageStore` must do. Run against the in-memory layer and against files alike. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { PageStore } from "../../../src/protocol/dht/PageStore.ts"
import * as Record from "../../../src/protocol/dht/Record.ts"

const page = (label: number, length = 100) => Uint8Array.from({ length }, (_, i) => (i * 31 + label) & 0xff)

const hexOf = (targets: ReadonlyArray<Record.Target>) => targets.map((target) => Hex.encode(target)).toSorted()

export const suite = (label: string, layer: Layer.Layer<PageStore, unknown>) =>
  describe(`PageStore: ${label}`, () => {
    const test = (title: string, body: Effect.Effect<void, unknown, PageStore>) =>
      it.live(title, () => body.pipe(Effect.provide(layer, { local: true })))

    test(
      "gives back what it keeps, byte for byte, under its target",
      Effect.gen(function* () {
        const store = yield* PageStore
        const pages = [page(1), page(2, 0), page(3, Record.VALUE_MAX_BYTES)]
        yield* store.keep(pages)
        for (const each of pages) {
          const found = Option.getOrThrow(yield* store.find(Record.immutableTargetOf(each)))
          assert.strictEqual(Hex.encode(found), Hex.encode(each))
        }
      })
    )

    test(
      "has nothing that it was not given",
      Effect.gen(function* () {
        const store = yield* PageStore
        assert.isTrue(Option.isNone(yield* store.find(Record.immutableTargetOf(page(1)))))
        assert.deepStrictEqual(yield* store.targets, [])
        yield* store.keep([])
        assert.deepStrictEqual(yield* store.targets, [])
      })
    )

    test(
      "lists each target once, however often its page was kept",
      Effect.gen(function* () {
        const store = yield* PageStore
        const pages = Array.from({ length: 40 }, (_, i) => page(i))
        yield* store.keep([...pages, ...pages])
        yield* store.keep(pages.slice(5))
        assert.deepStrictEqual(hexOf(yield* store.targets), hexOf(pages.map(Record.immutableTargetOf)))
      })
    )

    test(
      "forgets what is dropped, and passes over what is not there",
      Effect.gen(function* () {
        const store = yield* PageStore
        const pages = Array.from({ length: 10 }, (_, i) => page(i))
        yield* store.keep(pages)
        const targets = pages.map(Record.immutableTargetOf)
        yield* store.drop([...targets.slice(0, 7), Record.immutableTargetOf(page(99)), ...targets.slice(0, 2)])
        assert.deepStrictEqual(hexOf(yield* store.targets), hexOf(targets.slice(7)))
        assert.isTrue(Option.isNone(yield* store.find(targets[0]!)))
        yield* store.keep([pages[0]!])
        assert.isTrue(Option.isSome(yield* store.find(targets[0]!)))
      })
    )

    test(
      "keeps all pages when many are kept at once",
      Effect.gen(function* () {
        const store = yield* PageStore
        const pages = Array.from({ length: 60 }, (_, i) => page(i))
        yield* Effect.forEach([0, 20, 10, 0], (from) => store.keep(pages.slice(from, from + 40)), {
          concurrency: "unbounded"
        })
        assert.strictEqual((yield* store.targets).length, 60)
      })
    )
  })
