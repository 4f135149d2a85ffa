import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { sha1 } from "../../../src/protocol/core/Digest.ts"
import { PackageStore } from "../../../src/protocol/swarm/PackageStore.ts"
import * as Torrent from "../../../src/protocol/swarm/Torrent.ts"
import * as FilePackageStore from "../../../src/runtime/store/FilePackageStore.ts"
import { Home } from "../../../src/runtime/store/Home.ts"
import { SMALL_MAX_BYTES, STAGED_MAX_BYTES, StagedMemory } from "../../../src/runtime/store/StagedMemory.ts"
import * as Fixtures from "../../protocol/registry/Fixtures.ts"
import * as TemporaryHome from "../TemporaryHome.ts"
import * as Releases from "./Releases.ts"

const layer = FilePackageStore.layer.pipe(Layer.provideMerge(TemporaryHome.layer))

/** Of so many bytes; the number tells it from others. */
const torrentOf = (length: number, number = 0) => {
  const pieceLength = Torrent.pieceLengthFor(length)
  return Torrent.make({
    name: Fixtures.name(`a${number}`),
    version: Fixtures.version("1.0.0"),
    manifestLength: 1,
    tarballLength: length - 1,
    pieces: new Uint8Array(Math.ceil(length / pieceLength) * sha1(new Uint8Array()).length)
  })
}

/** The names of what is staged on the disk. */
const onDisk = Effect.gen(function* () {
  const { downloads } = yield* Home
  const fs = yield* FileSystem.FileSystem
  const names = yield* Effect.orElseSucceed(fs.readDirectory(downloads), (): ReadonlyArray<string> => [])
  return names.filter((name) => !name.endsWith(".lock"))
})

describe("StagedMemory", () => {
  it.effect("holds what is small and reserved, and no more than there is room for", () =>
    Effect.gen(function* () {
      const memory = new StagedMemory()
      const scope = yield* Scope.make()
      const torrents = Array.from({ length: STAGED_MAX_BYTES / SMALL_MAX_BYTES + 1 }, (_, i) =>
        torrentOf(SMALL_MAX_BYTES, i)
      )
      const [first, ...others] = torrents
      assert.isUndefined(memory.stage(first!))
      for (const { infohash } of torrents) yield* Scope.provide(memory.mind(infohash), scope)
      const large = torrentOf(SMALL_MAX_BYTES + 1)
      yield* Scope.provide(memory.mind(large.infohash), scope)
      assert.isUndefined(memory.stage(large))
      const last = others.pop()!
      for (const torrent of [first!, ...others]) assert.strictEqual(memory.stage(torrent)?.length, SMALL_MAX_BYTES)
      assert.isUndefined(memory.stage(last))
      // To stage anew takes no more room, and what is forgotten leaves its own, once.
      assert.isDefined(memory.stage(first!))
      memory.forget(first!.infohash)
      memory.forget(first!.infohash)
      assert.isUndefined(memory.get(first!))
      assert.isDefined(memory.stage(last))
      assert.isUndefined(memory.stage(first!))
      yield* Scope.close(scope, Exit.void)
      assert.isUndefined(memory.get(last))
      assert.isUndefined(memory.stage(last))
    })
  )

  it.live("keeps what is small off the disk until it is committed, and forgets it with the reservation", () =>
    Effect.gen(function* () {
      const store = yield* PackageStore
      const { bytes, stored } = Releases.after
      const isNew = yield* Effect.scoped(
        Effect.gen(function* () {
          yield* store.reserve(stored.torrent.infohash)
          const staged = yield* store.stage(stored.torrent)
          yield* staged.write(0, bytes)
          assert.deepStrictEqual(yield* onDisk, [])
          return [staged.isNew, (yield* store.stage(stored.torrent)).isNew]
        })
      )
      assert.deepStrictEqual(isNew, [true, undefined])
      yield* store.reserve(stored.torrent.infohash)
      const staged = yield* store.stage(stored.torrent)
      assert.isTrue(staged.isNew)
      assert.deepStrictEqual([...new Set(yield* staged.read(0, bytes.length))], [0])
      yield* staged.write(0, bytes)
      yield* store.commit(stored)
      assert.deepStrictEqual(yield* onDisk, [])
      assert.deepStrictEqual(yield* Releases.found, [2])
    }).pipe(Effect.scoped, Effect.provide(layer, { local: true }))
  )

  it.live("goes on with what an earlier try left on the disk", () =>
    Effect.gen(function* () {
      const store = yield* PackageStore
      const { bytes, stored } = Releases.after
      yield* Effect.scoped(Effect.flatMap(store.stage(stored.torrent), (staged) => staged.write(0, bytes)))
      yield* store.reserve(stored.torrent.infohash)
      const staged = yield* store.stage(stored.torrent)
      assert.isFalse(staged.isNew)
      assert.deepStrictEqual(yield* staged.read(0, bytes.length), bytes)
      assert.strictEqual((yield* onDisk).length, 1)
    }).pipe(Effect.scoped, Effect.provide(layer, { local: true }))
  )

  it.live("stages what is larger on the disk", () =>
    Effect.gen(function* () {
      const store = yield* PackageStore
      const torrent = torrentOf(SMALL_MAX_BYTES + 1)
      yield* store.reserve(torrent.infohash)
      yield* store.stage(torrent)
      assert.strictEqual((yield* onDisk).length, 1)
    }).pipe(Effect.scoped, Effect.provide(layer, { local: true }))
  )
})
