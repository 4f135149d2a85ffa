/** A store whose releases a thread writes and unpacks: as they are without it, and failures are told at first hand. */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Hex from "effect/encoding/Hex"
import * as Layer from "effect/Layer"
import * as FilePackageStore from "../../../src/runtime/store/FilePackageStore.ts"
import { Home } from "../../../src/runtime/store/Home.ts"
import * as StoreThread from "../../../src/runtime/store/StoreThread.ts"
import * as ThreadedStore from "../../../src/runtime/store/ThreadedStore.ts"
import { UnpackedReleases } from "../../../src/runtime/store/UnpackedReleases.ts"
import * as WriteRelease from "../../../src/runtime/store/WriteRelease.ts"
import * as PackageStoreSuite from "../../protocol/swarm/PackageStoreSuite.ts"
import * as ReservationSuite from "../../protocol/swarm/ReservationSuite.ts"
import { fetchedFrom, tree, writePackage } from "../install/Packages.ts"
import { test } from "../install/Project.ts"
import * as TemporaryHome from "../TemporaryHome.ts"
import * as Releases from "./Releases.ts"

const FILES = { "index.js": "module.exports = 1", "lib/deep/er.js": "//" }

const started = Effect.flatMap(Home, ({ directory }) => StoreThread.make(directory))

const threaded = Layer.unwrap(Effect.map(started, (thread) => Layer.fresh(ThreadedStore.unpacked(thread))))

const written = Layer.unwrap(
  Effect.map(started, (thread) =>
    Layer.provide(Layer.fresh(FilePackageStore.layer), Layer.succeed(WriteRelease.Writer, ThreadedStore.writer(thread)))
  )
).pipe(Layer.provideMerge(TemporaryHome.layer))

PackageStoreSuite.suite("files that a thread writes", written)
ReservationSuite.suite("files that a thread writes", written)

describe("a thread that writes", { timeout: 30_000 }, () => {
  test("writes what it is given, and says where it could not put it", ({ root }) =>
    Effect.gen(function* () {
      const { bytes, stored } = Releases.before
      const places = {
        staging: Path.join(root, "staging"),
        directory: Path.join(root, "place"),
        packages: root
      }
      const task = { kind: "write", stored, bytes, places } as const
      const thread = yield* started
      assert.deepInclude(yield* thread.ask(task), { isInPlace: true })
      assert.sameMembers(Fs.readdirSync(places.directory), ["release", "manifest.json", stored.torrent.tarball.path])
      assert.deepInclude(yield* thread.ask(task), { isInPlace: false })
      Fs.writeFileSync(Path.join(root, "file"), "")
      const impossible = { ...task, places: { ...places, staging: Path.join(root, "file/staging") } }
      assert.isUndefined((yield* thread.ask(impossible)).isInPlace)
      const error = yield* Effect.flip(ThreadedStore.writer(thread)(stored, bytes, impossible.places))
      assert.include(error.message, "makeDirectory")
    }))
})

describe("a thread that unpacks", { timeout: 30_000 }, () => {
  test("unpacks what it is given, many at a time, and leaves nothing else", ({ root }) =>
    Effect.gen(function* () {
      const releases = yield* UnpackedReleases
      const names = Array.from({ length: 12 }, (_, i) => `package-${i}`)
      yield* Effect.forEach(
        names,
        Effect.fnUntraced(function* (name) {
          const source = writePackage(root, name, "1.0.0", { ...FILES, "name.txt": name })
          const { directory, index } = yield* releases.ensure(yield* fetchedFrom(source))
          assert.deepStrictEqual(tree(directory), tree(source))
          assert.lengthOf(index.files, 4)
        }),
        { concurrency: "unbounded", discard: true }
      )
      assert.lengthOf(Fs.readdirSync(releases.root), 2 * names.length)
      assert.lengthOf(yield* releases.list, names.length)
    }).pipe(Effect.provide(threaded)))

  test("does the work itself: what it has done is there without anything done here", ({ root }) =>
    Effect.gen(function* () {
      const { files } = yield* Home
      const source = writePackage(root, "a", "1.0.0", FILES)
      const fetched = yield* fetchedFrom(source)
      const { unpacked } = yield* (yield* started).ask({ kind: "unpack", fetched })
      assert.deepStrictEqual(unpacked?.facts, { name: "a", version: "1.0.0" })
      assert.deepStrictEqual(tree(Path.join(files, fetched.manifest.contentHash)), tree(source))
    }))

  test("says no more than that it could not, and who asked is told why", ({ root }) =>
    Effect.gen(function* () {
      const fetched = yield* fetchedFrom(writePackage(root, "a", "1.0.0", FILES))
      const { files } = fetched.manifest
      const other = { ...files["index.js"]!, sha256: Hex.encode(new Uint8Array(32)) }
      const lying = { ...fetched, manifest: { ...fetched.manifest, files: { ...files, "index.js": other } } }
      assert.isUndefined((yield* (yield* started).ask({ kind: "unpack", fetched: lying })).unpacked)
      const releases = yield* UnpackedReleases
      const error = yield* Effect.flip(releases.ensure(lying))
      assert.strictEqual(error._tag, "ContentMismatch")
      assert.include(error.message, "index.js has other content")
      assert.deepStrictEqual(Fs.readdirSync(releases.root), [])
    }).pipe(Effect.provide(threaded)))

  test("is waited for where it writes, even by who is interrupted", ({ root }) =>
    Effect.gen(function* () {
      const { bytes, stored } = Releases.before
      const places = { staging: Path.join(root, "staging"), directory: Path.join(root, "place"), packages: root }
      yield* Effect.scoped(
        Effect.gen(function* () {
          const thread = yield* started
          const asking = yield* Effect.forkChild(ThreadedStore.writer(thread)(stored, bytes, places))
          yield* Effect.yieldNow
          yield* Fiber.interrupt(asking)
          // Whoever reserves the torrent from now on finds nobody at work.
          assert.isFalse(Fs.existsSync(places.staging))
          assert.lengthOf(Fs.readdirSync(places.directory), 3)
        })
      )
    }))

  test("that ends in the midst of it is no reason to wait for the lock that it held", ({ root }) =>
    Effect.gen(function* () {
      const fetched = yield* fetchedFrom(writePackage(root, "a", "1.0.0", FILES))
      const cutOff: StoreThread.StoreThread = { ask: () => Effect.succeed({ isCutOff: true }) }
      const releases = yield* Effect.provide(UnpackedReleases, Layer.fresh(ThreadedStore.unpacked(cutOff)))
      const error = yield* Effect.flip(releases.ensure(fetched))
      assert.strictEqual(error._tag, "StorageFailed")
      assert.include(error.message, "has ended before its time")
    }))

  test("is left behind when who asked is interrupted, and ends with its scope", ({ root }) =>
    Effect.gen(function* () {
      const { files } = yield* Home
      const fetched = yield* fetchedFrom(writePackage(root, "a", "1.0.0", FILES))
      yield* Effect.scoped(
        Effect.gen(function* () {
          const asking = yield* Effect.forkChild((yield* started).ask({ kind: "unpack", fetched }))
          yield* Effect.yieldNow
          yield* Fiber.interrupt(asking)
        })
      )
      // Whether it came to it or not: nobody holds a lock, and nothing is half there.
      const left = Fs.existsSync(files) ? Fs.readdirSync(files).toSorted() : []
      const { contentHash } = fetched.manifest
      assert.deepInclude([[], [contentHash, `${contentHash}.json`]], left)
    }))

  test("that is gone does nothing, and everything goes on without it", ({ root }) =>
    Effect.gen(function* () {
      const thread = yield* Effect.scoped(started)
      const fetched = yield* fetchedFrom(writePackage(root, "a", "1.0.0", FILES))
      assert.deepStrictEqual(yield* thread.ask({ kind: "unpack", fetched }), {})
      const { directory } = yield* Effect.provide(
        Effect.flatMap(UnpackedReleases, (releases) => releases.ensure(fetched)),
        Layer.fresh(ThreadedStore.unpacked(thread))
      )
      assert.lengthOf(Fs.readdirSync(directory), 3)
    }))
})
