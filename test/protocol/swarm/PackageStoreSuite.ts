/** What every `PackageStore` layer must do. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { sha1 } from "../../../src/protocol/core/Digest.ts"
import type { PublicKey } from "../../../src/protocol/core/PublicKey.ts"
import * as Version from "../../../src/protocol/core/Version.ts"
import type * as Release from "../../../src/protocol/registry/Release.ts"
import { keyOfStored, PackageStore, type StoredRelease } from "../../../src/protocol/swarm/PackageStore.ts"
import * as Torrent from "../../../src/protocol/swarm/Torrent.ts"
import * as Fixtures from "../registry/Fixtures.ts"

const { name, version } = Fixtures

const publisher = Uint8Array.from({ length: 32 }, (_, i) => i + 7) as PublicKey

/** A release of 40 KiB with a 100-byte manifest, so that a piece covers both files. */
export const sample = (packageName: string, packageVersion: string, fill: number) => {
  const bytes = Uint8Array.from({ length: 40 * 1024 }, (_, i) => (i * fill) & 0xff)
  const pieceLength = Torrent.pieceLengthFor(bytes.length)
  const pieces = Array.from({ length: Math.ceil(bytes.length / pieceLength) }, (_, i) => [
    ...sha1(bytes.subarray(i * pieceLength, (i + 1) * pieceLength))
  ])
  const torrent = Torrent.make({
    name: name(packageName),
    version: version(packageVersion),
    manifestLength: 100,
    tarballLength: bytes.length - 100,
    pieces: Uint8Array.from(pieces.flat())
  })
  const release: Release.Release = {
    ...Fixtures.release(packageName, packageVersion),
    ih: torrent.infohash,
    s: [100, bytes.length - 100]
  }
  return { bytes, stored: { publisher, release, torrent } satisfies StoredRelease }
}

/** Stages it. */
export const fill = Effect.fnUntraced(function* ({ bytes, stored }: ReturnType<typeof sample>) {
  const store = yield* PackageStore
  const staged = yield* store.stage(stored.torrent)
  yield* staged.write(0, bytes)
})

/** Stages and commits it. */
export const keep = Effect.fnUntraced(function* (each: ReturnType<typeof sample>) {
  yield* Effect.scoped(fill(each))
  yield* (yield* PackageStore).commit(each.stored)
})

/** `layer` must give an empty store every time it is built. */
export const suite = (label: string, layer: Layer.Layer<PackageStore, unknown>) =>
  describe(`PackageStore: ${label}`, () => {
    const test = (title: string, body: Effect.Effect<void, unknown, PackageStore | Scope.Scope>) =>
      it.live(title, () => Effect.scoped(body).pipe(Effect.provide(layer, { local: true })))

    test(
      "has nothing at first",
      Effect.gen(function* () {
        const store = yield* PackageStore
        assert.deepStrictEqual(yield* store.list, [])
        assert.isTrue(Option.isNone(yield* store.find(publisher, name("a"), version("1.0.0"))))
      })
    )

    test(
      "gives back what was committed, in any stretch",
      Effect.gen(function* () {
        const store = yield* PackageStore
        const { bytes, stored } = sample("a", "1.0.0", 3)
        yield* Effect.scoped(fill({ bytes, stored }))
        yield* store.commit(stored)
        const found = Option.getOrThrow(yield* store.find(publisher, name("a"), version("1.0.0")))
        assert.strictEqual(Hex.encode(found.torrent.infohash), Hex.encode(stored.torrent.infohash))
        assert.strictEqual(found.release.n, "a")
        const content = yield* store.open(found)
        for (const [offset, length] of [
          [0, 100],
          [90, 20],
          [0, bytes.length],
          [bytes.length - 1, 1],
          [500, 0]
        ] as const) {
          const read = yield* content.read(offset, length)
          assert.strictEqual(Hex.encode(read), Hex.encode(bytes.subarray(offset, offset + length)))
        }
      })
    )

    test(
      "keeps what was staged for the next try, until it is discarded",
      Effect.gen(function* () {
        const store = yield* PackageStore
        const { bytes, stored } = sample("a", "1.0.0", 5)
        yield* Effect.scoped(
          Effect.flatMap(store.stage(stored.torrent), (staged) => staged.write(200, bytes.subarray(200, 300)))
        )
        const again = yield* Effect.scoped(
          Effect.flatMap(store.stage(stored.torrent), (staged) => staged.read(200, 100))
        )
        assert.strictEqual(Hex.encode(again), Hex.encode(bytes.subarray(200, 300)))
        assert.deepStrictEqual(yield* store.list, [])
        yield* store.discard(stored.torrent)
        yield* store.discard(stored.torrent)
        const after = yield* Effect.scoped(
          Effect.flatMap(store.stage(stored.torrent), (staged) => Effect.option(staged.read(200, 100)))
        )
        assert.notStrictEqual(Option.match(after, { onNone: () => "", onSome: Hex.encode }), Hex.encode(again))
      })
    )

    test(
      "keeps releases of one name apart by publisher and version",
      Effect.gen(function* () {
        const store = yield* PackageStore
        const samples = [sample("foo", "11.0.0", 3), sample("foo1", "1.0.0", 5), sample("foo", "1.0.0", 7)]
        for (const each of samples) {
          yield* Effect.scoped(fill(each))
          yield* store.commit(each.stored)
        }
        const listed = (yield* store.list).map(({ release }) => `${release.n}@${release.v}`)
        assert.deepStrictEqual(listed.toSorted(), ["foo1@1.0.0", "foo@1.0.0", "foo@11.0.0"])
        const other = Uint8Array.from(publisher).fill(9) as PublicKey
        assert.isTrue(Option.isNone(yield* store.find(other, name("foo"), Version.Version.make("1.0.0"))))
      })
    )

    test(
      "replaces a release that is committed with other content",
      Effect.gen(function* () {
        const store = yield* PackageStore
        for (const each of [sample("a", "1.0.0", 3), sample("a", "1.0.0", 5)]) {
          yield* Effect.scoped(fill(each))
          yield* store.commit(each.stored)
        }
        assert.strictEqual((yield* store.list).length, 1)
        const found = Option.getOrThrow(yield* store.find(publisher, name("a"), version("1.0.0")))
        const { bytes } = sample("a", "1.0.0", 5)
        const content = yield* store.open(found)
        assert.strictEqual(Hex.encode(yield* content.read(0, 256)), Hex.encode(bytes.subarray(0, 256)))
      })
    )

    test(
      "takes no commit of what was never staged",
      Effect.gen(function* () {
        const store = yield* PackageStore
        const error = yield* Effect.flip(store.commit(sample("a", "1.0.0", 3).stored))
        assert.strictEqual(error._tag, "StorageFailed")
        assert.deepStrictEqual(yield* store.list, [])
      })
    )

    test(
      "takes a commit of what is stored already, and keeps it readable",
      Effect.gen(function* () {
        const store = yield* PackageStore
        const { bytes, stored } = sample("a", "1.0.0", 3)
        yield* Effect.scoped(fill({ bytes, stored }))
        yield* store.commit(stored)
        const content = yield* store.open(stored)
        yield* store.commit(stored)
        yield* Effect.scoped(fill({ bytes, stored }))
        yield* store.commit(stored)
        for (const each of [content, yield* store.open(stored)]) {
          assert.strictEqual(Hex.encode(yield* each.read(0, bytes.length)), Hex.encode(bytes))
        }
        assert.strictEqual((yield* store.list).length, 1)
      })
    )

    test(
      "tells the keys of what is stored, the same ones while nothing changes, and finds by key",
      Effect.gen(function* () {
        const store = yield* PackageStore
        assert.deepStrictEqual(yield* store.keys, [])
        const samples = [sample("a", "1.0.0", 3), sample("a", "1.0.1", 3), sample("b", "1.0.0", 3)]
        for (const each of samples) yield* keep(each)
        const keys = yield* store.keys
        assert.deepStrictEqual(keys.toSorted(), samples.map(({ stored }) => keyOfStored(stored)).toSorted())
        assert.strictEqual(yield* store.keys, keys)
        const found = Option.getOrThrow(yield* store.get(keyOfStored(samples[2]!.stored)))
        assert.strictEqual(found.release.n, "b")
        assert.isTrue(Option.isNone(yield* store.get("0".repeat(64))))
        yield* store.touch(found)
        yield* store.remove(samples[0]!.stored)
        assert.strictEqual((yield* store.keys).length, 2)
      })
    )

    test(
      "forgets what is removed, also while somebody has it open, and takes it anew",
      Effect.gen(function* () {
        const store = yield* PackageStore
        const { bytes, stored } = sample("a", "1.0.0", 3)
        yield* store.remove(stored)
        yield* keep({ bytes, stored })
        const content = yield* store.open(stored)
        yield* content.read(0, 10)
        yield* store.remove(stored)
        assert.isTrue(Option.isNone(yield* store.find(publisher, name("a"), version("1.0.0"))))
        assert.deepStrictEqual(yield* store.list, [])
        assert.strictEqual((yield* Effect.flip(store.open(stored)))._tag, "StorageFailed")
        yield* keep({ bytes, stored })
        const again = yield* store.open(stored)
        assert.strictEqual(Hex.encode(yield* again.read(0, 256)), Hex.encode(bytes.subarray(0, 256)))
      })
    )

    test(
      "stages a copy of what is stored, beside which the stored one stays as it is",
      Effect.gen(function* () {
        const store = yield* PackageStore
        const { bytes, stored } = sample("a", "1.0.0", 3)
        yield* keep({ bytes, stored })
        yield* store.restage(stored)
        const staged = yield* store.stage(stored.torrent)
        assert.strictEqual(Hex.encode(yield* staged.read(0, bytes.length)), Hex.encode(bytes))
        yield* staged.write(200, Uint8Array.of(9, 9, 9))
        const content = yield* store.open(stored)
        assert.strictEqual(Hex.encode(yield* content.read(0, bytes.length)), Hex.encode(bytes))
        // What is staged already stays.
        yield* store.restage(stored)
        assert.deepStrictEqual([...(yield* staged.read(200, 3))], [9, 9, 9])
      })
    )
  })
