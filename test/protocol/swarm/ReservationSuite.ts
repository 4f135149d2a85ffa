/** What every `PackageStore` layer must do for who has reserved a torrent. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import { PackageStore } from "../../../src/protocol/swarm/PackageStore.ts"
import * as Fixtures from "../registry/Fixtures.ts"
import { fill, keep, sample } from "./PackageStoreSuite.ts"

const { name, version } = Fixtures

/** `layer` must give an empty store every time it is built. */
export const suite = (label: string, layer: Layer.Layer<PackageStore, unknown>) =>
  describe(`PackageStore, reserving: ${label}`, () => {
    const test = (title: string, body: Effect.Effect<void, unknown, PackageStore | Scope.Scope>) =>
      it.live(title, () => Effect.scoped(body).pipe(Effect.provide(layer, { local: true })))

    test(
      "stages the same bytes each time while the torrent is reserved, until they are committed or discarded",
      Effect.gen(function* () {
        const store = yield* PackageStore
        const { bytes, stored } = sample("a", "1.0.0", 3)
        const look = Effect.scoped(Effect.flatMap(store.stage(stored.torrent), ({ read }) => read(0, bytes.length)))
        const isAsWritten = Effect.map(Effect.option(look), (found) =>
          Option.exists(found, (read) => Hex.encode(read) === Hex.encode(bytes))
        )
        yield* store.reserve(stored.torrent.infohash)
        yield* Effect.scoped(fill({ bytes, stored }))
        assert.isTrue(yield* isAsWritten)
        assert.isTrue(yield* isAsWritten)
        yield* store.discard(stored.torrent)
        assert.isFalse(yield* isAsWritten)
        yield* Effect.scoped(fill({ bytes, stored }))
        yield* store.commit(stored)
        yield* store.commit(stored)
        const content = yield* store.open(stored)
        assert.strictEqual(Hex.encode(yield* content.read(0, bytes.length)), Hex.encode(bytes))
        // What is stored is staged anew, and what is staged stays as it is.
        yield* store.restage(stored)
        assert.isTrue(yield* isAsWritten)
        yield* store.discard(stored.torrent)
        yield* Effect.scoped(Effect.flatMap(store.stage(stored.torrent), ({ write }) => write(0, Uint8Array.of(7))))
        yield* store.restage(stored)
        assert.isFalse(yield* isAsWritten)
        yield* Effect.scoped(fill({ bytes, stored }))
        yield* store.commit(stored)
        assert.strictEqual((yield* store.list).length, 1)
      })
    )

    test(
      "takes what two have staged of one release at the same time, and keeps one of them whole",
      Effect.gen(function* () {
        const store = yield* PackageStore
        const samples = [sample("a", "1.0.0", 3), sample("a", "1.0.0", 5)]
        yield* Effect.forEach(
          samples,
          (each) => Effect.scoped(Effect.andThen(store.reserve(each.stored.torrent.infohash), keep(each))),
          { concurrency: "unbounded" }
        )
        const found = Option.getOrThrow(yield* store.find(samples[0]!.stored.publisher, name("a"), version("1.0.0")))
        const one = samples.find(({ stored }) => Hex.encode(stored.release.ih) === Hex.encode(found.release.ih))
        const content = yield* store.open(found)
        assert.strictEqual(Hex.encode(yield* content.read(0, one!.bytes.length)), Hex.encode(one!.bytes))
      })
    )

    test(
      "lets one alone reserve a torrent, until its scope closes",
      Effect.gen(function* () {
        const store = yield* PackageStore
        const { infohash } = sample("a", "1.0.0", 3).stored.torrent
        const first = yield* Scope.make()
        yield* Scope.provide(store.reserve(infohash), first)
        // Another torrent is nobody's yet.
        yield* Effect.scoped(store.reserve(sample("b", "1.0.0", 3).stored.torrent.infohash))
        const second = yield* Effect.forkChild(Effect.scoped(Effect.as(store.reserve(infohash), "second")))
        yield* Effect.yieldNow
        assert.isUndefined(second.pollUnsafe())
        yield* Scope.close(first, Exit.void)
        assert.strictEqual(yield* Fiber.join(second), "second")
        yield* Effect.scoped(store.reserve(infohash))
      })
    )

    test(
      "never lets two fibers into the reservation of one torrent",
      Effect.gen(function* () {
        const store = yield* PackageStore
        const { infohash } = sample("a", "1.0.0", 3).stored.torrent
        let inside = 0
        let most = 0
        const visit = Effect.gen(function* () {
          yield* store.reserve(infohash)
          most = Math.max(most, ++inside)
          yield* Effect.yieldNow
          yield* store.list
          inside--
        })
        yield* Effect.forEach(Array.from({ length: 8 }), () => Effect.scoped(visit), { concurrency: "unbounded" })
        assert.strictEqual(most, 1)
      })
    )
  })
