import * as Fs from "node:fs"
import * as Path from "node:path"
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { StagingDisk } from "../../../src/runtime/archive/StagingDisk.ts"
import { Home } from "../../../src/runtime/store/Home.ts"
import * as UnpackedIndex from "../../../src/runtime/store/UnpackedIndex.ts"
import { layer, UnpackedReleases } from "../../../src/runtime/store/UnpackedReleases.ts"
import * as FaultyDisk from "../archive/FaultyDisk.ts"
import * as FaultyFileSystem from "../FaultyFileSystem.ts"
import { fetchedFrom, tree, writePackage } from "../install/Packages.ts"
import { test } from "../install/Project.ts"

const FILES = { "index.js": "module.exports = 1", "lib/deep/er.js": "//" }

describe("UnpackedReleases", () => {
  test("unpacks a release once, as it was packed, and lists it", ({ root }) =>
    Effect.gen(function* () {
      const source = writePackage(root, "a", "1.0.0", FILES)
      const unpacked = yield* UnpackedReleases
      const fetched = yield* fetchedFrom(source)
      const { directory } = yield* unpacked.ensure(fetched)
      assert.strictEqual(directory, unpacked.directoryOf(fetched.manifest.contentHash))
      assert.deepStrictEqual(tree(directory), tree(source))
      const inode = Fs.statSync(Path.join(directory, "index.js")).ino
      yield* unpacked.ensure(fetched)
      assert.strictEqual(Fs.statSync(Path.join(directory, "index.js")).ino, inode)
      const [only, ...others] = yield* unpacked.list
      assert.lengthOf(others, 0)
      assert.strictEqual(only?.contentHash, fetched.manifest.contentHash)
      assert.deepStrictEqual(only?.index.facts, { name: "a", version: "1.0.0" })
      assert.deepStrictEqual(
        only?.index.files.map(([path]) => path),
        ["index.js", "lib/deep/er.js", "package.json"]
      )
    }).pipe(Effect.provide(layer)))

  test("makes anew what somebody changed through a hard link, and leaves the link as it is", ({ root }) =>
    Effect.gen(function* () {
      const source = writePackage(root, "a", "1.0.0", FILES)
      const unpacked = yield* UnpackedReleases
      const fetched = yield* fetchedFrom(source)
      const { directory } = yield* unpacked.ensure(fetched)
      const linked = Path.join(root, "linked.js")
      Fs.linkSync(Path.join(directory, "index.js"), linked)
      Fs.writeFileSync(linked, "module.exports = 666")
      assert.isTrue(Option.isNone(yield* unpacked.find(fetched.manifest.contentHash)))
      yield* unpacked.ensure(fetched)
      assert.deepStrictEqual(tree(directory), tree(source))
      assert.strictEqual(Fs.readFileSync(linked, "utf8"), "module.exports = 666")
      assert.isTrue(Option.isSome(yield* unpacked.find(fetched.manifest.contentHash)))
    }).pipe(Effect.provide(layer)))

  test("is made by one of many who ask at a time, and removed without a trace", ({ root }) =>
    Effect.gen(function* () {
      const unpacked = yield* UnpackedReleases
      const fetched = yield* fetchedFrom(writePackage(root, "a", "1.0.0", FILES))
      yield* Effect.forEach([1, 2, 3, 4], () => unpacked.ensure(fetched), { concurrency: 4 })
      assert.deepStrictEqual(Fs.readdirSync(unpacked.root).toSorted(), [
        fetched.manifest.contentHash,
        `${fetched.manifest.contentHash}.json`
      ])
      yield* unpacked.remove(fetched.manifest.contentHash)
      assert.deepStrictEqual(Fs.readdirSync(unpacked.root), [])
      assert.deepStrictEqual(yield* unpacked.list, [])
    }).pipe(Effect.provide(layer)))

  test("unpacks a release that is too large to be done at once, and leaves nothing else", ({ root }) =>
    Effect.gen(function* () {
      const large = Array.from({ length: 300_000 }, (_, i) => (i * 7919) % 104_729).join(" ")
      const source = writePackage(root, "a", "1.0.0", { ...FILES, "large.txt": large })
      const unpacked = yield* UnpackedReleases
      const { contentHash, directory } = yield* unpacked.ensure(yield* fetchedFrom(source))
      assert.deepStrictEqual(tree(directory), tree(source))
      assert.deepStrictEqual(Fs.readdirSync(unpacked.root).toSorted(), [contentHash, `${contentHash}.json`])
    }).pipe(Effect.provide(layer)))

  test("leaves nothing of a release whose files the disk does not take, whichever of them it is", ({ root }) =>
    Effect.gen(function* () {
      const fetched = yield* fetchedFrom(writePackage(root, "a", "1.0.0", FILES))
      const { files } = yield* Home
      for (let failAfterWrites = 0; ; failAfterWrites++) {
        const disk = Layer.succeed(StagingDisk, FaultyDisk.make({ code: "ENOSPC", failAfterWrites }))
        const exit = yield* Effect.flatMap(UnpackedReleases, (unpacked) => unpacked.ensure(fetched)).pipe(
          Effect.exit,
          Effect.provide(Layer.provide(Layer.fresh(layer), disk), { local: true })
        )
        if (Exit.isSuccess(exit)) break
        assert.deepStrictEqual(Fs.readdirSync(files), [])
        assert.isBelow(failAfterWrites, 6)
      }
    }))

  test("counts whole or not at all, whichever write the disk fails at", ({ root }) =>
    Effect.gen(function* () {
      const source = writePackage(root, "a", "1.0.0", FILES)
      const fetched = yield* fetchedFrom(source)
      const { contentHash } = fetched.manifest
      const { files } = yield* Home
      const fs = yield* FileSystem.FileSystem
      for (let failAfterWrites = 0; ; failAfterWrites++) {
        const faulty = Layer.succeed(
          FileSystem.FileSystem,
          FaultyFileSystem.make(fs, { code: "ENOSPC", failAfterWrites })
        )
        const exit = yield* Effect.flatMap(UnpackedReleases, (unpacked) => unpacked.ensure(fetched)).pipe(
          Effect.exit,
          Effect.provide(Layer.provide(Layer.fresh(layer), faulty), { local: true })
        )
        assert.strictEqual(UnpackedIndex.intact(files, contentHash) !== undefined, Exit.isSuccess(exit))
        if (Exit.isSuccess(exit)) break
        assert.isBelow(failAfterWrites, 60)
      }
      assert.deepStrictEqual(tree(Path.join(files, contentHash)), tree(source))
    }))
})
