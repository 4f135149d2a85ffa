/** Removing, repairing and reading on a disk that fails, or under a process that dies: old or new, never torn. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as PlatformError from "effect/PlatformError"
import { Hasher } from "../../../src/protocol/core/Hasher.ts"
import * as ContentInspection from "../../../src/protocol/swarm/ContentInspection.ts"
import { PackageStore } from "../../../src/protocol/swarm/PackageStore.ts"
import * as FilePackageStore from "../../../src/runtime/store/FilePackageStore.ts"
import { Home } from "../../../src/runtime/store/Home.ts"
import * as FaultyFileSystem from "../FaultyFileSystem.ts"
import * as TemporaryHome from "../TemporaryHome.ts"
import * as Releases from "./Releases.ts"

const layer = FilePackageStore.layer.pipe(
  Layer.provideMerge(TemporaryHome.layer),
  Layer.provideMerge(Hasher.layerNoble)
)

/** A disk on which nothing changes any more after so many writes; removals count too. */
const dying = (writes: number) =>
  Layer.effect(
    FileSystem.FileSystem,
    Effect.map(FileSystem.FileSystem, (fs) => {
      let written = 0
      const counted = FaultyFileSystem.make(fs, {
        failAfterWrites: writes,
        code: "EIO",
        onWrite: () => Effect.sync(() => void written++)
      })
      return FileSystem.make({
        ...counted,
        remove: (path, options) =>
          Effect.suspend(() => {
            // Locks go, because those of a dead process count for nothing.
            if (path.includes(".lock")) return fs.remove(path, options)
            return written++ >= writes ? Effect.die(`dead before ${path}`) : fs.remove(path, options)
          })
      })
    })
  )

const withDying = <A, E>(writes: number, work: Effect.Effect<A, E, PackageStore>) =>
  Effect.exit(Effect.provide(work, FilePackageStore.layer.pipe(Layer.provide(dying(writes))), { local: true }))

const { stored } = Releases.after

const find = Effect.flatMap(PackageStore, (store) => store.find(stored.publisher, stored.release.n, stored.release.v))

const remove = Effect.flatMap(PackageStore, (store) => store.remove(stored))

/** As a repair does it, with the swarm's part written by hand. */
const repair = Effect.gen(function* () {
  const store = yield* PackageStore
  yield* Effect.scoped(
    Effect.gen(function* () {
      yield* store.reserve(stored.torrent.infohash)
      yield* store.restage(stored)
      yield* Effect.scoped(
        Effect.flatMap(store.stage(stored.torrent), (staged) => staged.write(0, Releases.after.bytes))
      )
      yield* store.commit(stored)
    })
  )
})

const damage = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const { packages } = yield* Home
  const id = (yield* fs.readDirectory(packages)).find((name) => !name.includes("."))
  const tarball = `${packages}/${id}/${stored.torrent.tarball.path}`
  yield* fs.writeFile(tarball, (yield* fs.readFile(tarball)).fill(9, 50, 60))
})

const POINTS = Array.from({ length: 40 }).keys()

describe("a store on a failing disk", () => {
  it.live("has a release wholly or not at all, whichever step of removing it is the last", () =>
    Effect.gen(function* () {
      const outcomes = yield* Effect.forEach(Array.from({ length: 14 }).keys(), (writes) =>
        Effect.gen(function* () {
          yield* Releases.keep(Releases.after)
          const outcome = yield* withDying(writes, remove)
          const found = yield* find
          if (Option.isSome(found)) assert.deepStrictEqual(yield* Releases.found, [2])
          assert.strictEqual((yield* (yield* PackageStore).list).length, Option.isSome(found) ? 1 : 0)
          if (outcome._tag === "Success") assert.isTrue(Option.isNone(found))
          // What was begun can be done again, and undone.
          yield* remove
          assert.isTrue(Option.isNone(yield* find))
          yield* Releases.keep(Releases.after)
          assert.deepStrictEqual(yield* Releases.found, [2])
          return `${outcome._tag} ${found._tag}`
        }).pipe(Effect.provide(layer, { local: true }))
      )
      assert.includeMembers(outcomes, ["Failure Some", "Failure None", "Success None"])
    })
  )

  it.live("has the damaged release or the repaired one, whichever step of a repair is the last", () =>
    Effect.gen(function* () {
      const outcomes = yield* Effect.forEach(POINTS, (writes) =>
        Effect.gen(function* () {
          yield* Releases.keep(Releases.after)
          yield* damage
          const outcome = yield* withDying(writes, repair)
          const fills = yield* Releases.found
          if (outcome._tag === "Success") assert.deepStrictEqual(fills, [2])
          else assert.include(["2", "2,9"], fills.join())
          yield* repair
          assert.deepStrictEqual(yield* Releases.found, [2])
          return outcome._tag
        }).pipe(Effect.provide(layer, { local: true }))
      )
      assert.include(outcomes, "Success")
      assert.include(outcomes, "Failure")
    })
  )

  it.live("says what failed when a removal or a repair cannot be written", () =>
    Effect.gen(function* () {
      yield* Releases.keep(Releases.after)
      const full = FilePackageStore.layer.pipe(
        Layer.provide(FaultyFileSystem.layer({ failAfterWrites: 0, code: "ENOSPC" }))
      )
      for (const work of [remove, repair]) {
        const error = yield* Effect.flip(Effect.provide(work, full, { local: true }))
        assert.strictEqual(error._tag, "StorageFailed")
        assert.include(error.message, "ENOSPC")
        assert.include(error.hint, "disk is full")
      }
      assert.deepStrictEqual(yield* Releases.found, [2])
    }).pipe(Effect.provide(layer, { local: true }))
  )

  it.live("finds the pieces that the disk cannot read (EIO), and keeps what can be read when it is staged anew", () =>
    Effect.gen(function* () {
      yield* Releases.keep(Releases.after)
      const failing = Layer.effect(
        FileSystem.FileSystem,
        Effect.map(FileSystem.FileSystem, (fs) => {
          const broken = (path: string) =>
            PlatformError.systemError({
              _tag: "Unknown",
              module: "FileSystem",
              method: "read",
              pathOrDescriptor: path,
              cause: Object.assign(new Error(`EIO: i/o error, read '${path}'`), { code: "EIO" })
            })
          return FileSystem.make({
            ...fs,
            copyFile: (from, to) => (from.endsWith(".tgz") ? Effect.fail(broken(from)) : fs.copyFile(from, to)),
            open: (path, options) =>
              Effect.map(fs.open(path, options), (file) =>
                path.endsWith(".tgz") && path.includes("/packages/")
                  ? { ...file, stat: file.stat, read: () => Effect.fail(broken(path)) }
                  : file
              )
          })
        })
      )
      const look = Effect.scoped(
        Effect.gen(function* () {
          const store = yield* PackageStore
          const inspection = yield* ContentInspection.inspect(yield* store.open(stored), stored)
          assert.deepStrictEqual(inspection.damagedPieces, [0])
          assert.include(inspection.problem, "EIO")
          yield* store.restage(stored)
          const staged = yield* store.stage(stored.torrent)
          assert.deepStrictEqual([...new Set(yield* staged.read(0, 100))], [2])
          assert.strictEqual((yield* Effect.flip(staged.read(100, 1)))._tag, "StorageFailed")
        })
      )
      yield* Effect.provide(look, FilePackageStore.layer.pipe(Layer.provide(failing)), { local: true })
    }).pipe(Effect.provide(layer, { local: true }))
  )
})
