import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Infohash from "../../../src/protocol/core/Infohash.ts"
import { PackageStore } from "../../../src/protocol/swarm/PackageStore.ts"
import * as FilePackageStore from "../../../src/runtime/store/FilePackageStore.ts"
import { Home } from "../../../src/runtime/store/Home.ts"
import * as PackageStoreSuite from "../../protocol/swarm/PackageStoreSuite.ts"
import * as ReservationSuite from "../../protocol/swarm/ReservationSuite.ts"
import * as FaultyFileSystem from "../FaultyFileSystem.ts"
import * as TemporaryHome from "../TemporaryHome.ts"
import * as Releases from "./Releases.ts"
import { run } from "./Run.ts"

const layer = FilePackageStore.layer.pipe(Layer.provideMerge(TemporaryHome.layer))

PackageStoreSuite.suite("files", layer)
ReservationSuite.suite("files", layer)

/** A disk that stays as it was after so many writes. Locks go, because those of a dead process count for nothing. */
const dying = (writes: number) =>
  Layer.effect(
    FileSystem.FileSystem,
    Effect.map(FileSystem.FileSystem, (fs) => {
      let written = 0
      const faulty = FaultyFileSystem.make(fs, {
        failAfterWrites: writes,
        code: "EIO",
        onWrite: () => Effect.sync(() => void written++)
      })
      return FileSystem.make({
        ...faulty,
        remove: (path, options) =>
          written > writes && !path.includes(".lock") ? Effect.die(`dead before ${path}`) : fs.remove(path, options)
      })
    })
  )

/** In memory it is staged for who has reserved it. */
const WAYS = { "on the disk": Releases.keep, "in memory": Releases.keepReserved }

describe.each(Object.entries(WAYS))("FilePackageStore, staging %s", (way, keepAs) => {
  it.live("stands as it was, or as it should be, whichever write fails", () =>
    Effect.gen(function* () {
      const { stored } = Releases.after
      const keep = keepAs(Releases.after)
      const tryWith = (writes: number, isFresh: boolean) =>
        Effect.gen(function* () {
          const { downloads, packages } = yield* Home
          const fs = yield* FileSystem.FileSystem
          if (!isFresh) yield* fs.makeDirectory(packages, { recursive: true })
          const methods: Array<string> = []
          const faulty = FilePackageStore.layer.pipe(
            Layer.provide(
              FaultyFileSystem.layer({
                failAfterWrites: writes,
                code: "ENOSPC",
                onWrite: (method) => Effect.sync(() => void methods.push(method))
              })
            )
          )
          const outcome = yield* Effect.result(Effect.provide(keep, faulty, { local: true }))
          const store = yield* PackageStore
          const found = yield* store.find(stored.publisher, stored.release.n, stored.release.v)
          if (outcome._tag === "Success") {
            assert.isTrue(Option.isSome(found))
            return true
          }
          assert.strictEqual(outcome.failure._tag, "StorageFailed")
          assert.include(outcome.failure.message, "ENOSPC")
          assert.include(outcome.failure.hint, "disk is full")
          if (Option.isSome(found)) {
            // It is in its place, and only to flush that failed.
            assert.strictEqual(methods[writes], "sync", `something is stored after ${writes} writes`)
            assert.strictEqual(methods[writes - 1], "rename")
          }
          // What is left in memory's stead is whole: it could not be moved, or only to flush that failed.
          const staged = `${downloads}/${Infohash.toHex(stored.torrent.infohash)}`
          if (way === "in memory" && (yield* fs.exists(staged))) {
            for (const { length, path } of [stored.torrent.manifest, stored.torrent.tarball]) {
              assert.strictEqual((yield* fs.readFile(`${staged}/${path}`)).filter((byte) => byte === 2).length, length)
            }
          }
          // With space again, the same thing succeeds.
          yield* keep
          assert.isTrue(Option.isSome(yield* store.find(stored.publisher, stored.release.n, stored.release.v)))
          return false
        }).pipe(Effect.provide(layer, { local: true }))
      for (const isFresh of [true, false]) {
        const outcomes = yield* Effect.forEach(Array.from({ length: 40 }).keys(), (writes) => tryWith(writes, isFresh))
        assert.include(outcomes, true)
        assert.include(outcomes, false)
      }
    })
  )

  it.live("has the old release or the new one, whichever step of a commit is the last", () =>
    Effect.gen(function* () {
      /** Commits over a release and dies after so many writes: nothing changes on the disk any more. */
      const dieAfter = (writes: number) =>
        Effect.gen(function* () {
          yield* Releases.keep(Releases.before)
          const outcome = yield* Effect.exit(
            Effect.provide(keepAs(Releases.after), FilePackageStore.layer.pipe(Layer.provide(dying(writes))), {
              local: true
            })
          )
          const store = yield* PackageStore
          // Each way of looking comes first in turn, and has to find its own way out.
          const looks = [
            Effect.asVoid(store.list),
            Effect.void,
            Effect.scoped(Effect.asVoid(Effect.option(store.open(Releases.before.stored))))
          ]
          yield* looks[writes % looks.length]!
          const [fill, ...mixed] = yield* Releases.found
          assert.deepStrictEqual(mixed, [])
          assert.strictEqual((yield* store.list).length, 1)
          if (outcome._tag === "Success") assert.strictEqual(fill, 2)
          yield* keepAs(Releases.after)
          assert.deepStrictEqual(yield* Releases.found, [2])
          const { packages } = yield* Home
          assert.deepStrictEqual(
            (yield* (yield* FileSystem.FileSystem).readDirectory(packages)).slice(1),
            [],
            `after ${writes} writes`
          )
          return outcome._tag
        }).pipe(Effect.provide(layer, { local: true }))
      const outcomes = yield* Effect.forEach(Array.from({ length: 40 }).keys(), dieAfter)
      assert.include(outcomes, "Success")
      assert.include(outcomes, "Failure")
    })
  )
})

describe("FilePackageStore", () => {
  it.live("reads what another process has put in the place of what was read a moment ago", () =>
    Effect.gen(function* () {
      yield* Releases.keep(Releases.before)
      assert.deepStrictEqual(yield* Releases.found, [1])
      yield* Effect.provide(Releases.keep(Releases.after), Layer.fresh(FilePackageStore.layer), { local: true })
      assert.deepStrictEqual(yield* Releases.found, [2])
    }).pipe(Effect.provide(layer, { local: true }))
  )

  it.live("has the old release or the new one when the process is killed before any of its renames", () =>
    Effect.gen(function* () {
      const { directory } = yield* Home
      yield* Releases.keep(Releases.before)
      for (const [rename, end, fill] of [
        [1, "SIGKILL", 1],
        [2, "SIGKILL", 1],
        [3, "0", 2]
      ] as const) {
        assert.deepStrictEqual(yield* run("CommitProgram.ts", directory, String(rename)), { end, stderr: "" })
        assert.deepStrictEqual(yield* Releases.found, [fill])
      }
    }).pipe(Effect.provide(layer, { local: true }))
  )

  it.live("never lacks a release while another process replaces it", () =>
    Effect.gen(function* () {
      const store = yield* PackageStore
      // A layer of its own shares nothing with the first but the files, as another process would.
      const other = Context.get(yield* Layer.build(Layer.fresh(FilePackageStore.layer)), PackageStore)
      yield* Releases.keep(Releases.before)
      const replacing = yield* Effect.forkChild(
        Effect.forEach(
          Array.from({ length: 20 }).keys(),
          (round) => Releases.keep(round % 2 === 0 ? Releases.after : Releases.before),
          { discard: true }
        ).pipe(Effect.provideService(PackageStore, other))
      )
      const { publisher, release } = Releases.before.stored
      while (replacing.pollUnsafe() === undefined) {
        assert.isTrue(Option.isSome(yield* store.find(publisher, release.n, release.v)))
        assert.strictEqual((yield* store.list).length, 1)
      }
      yield* Fiber.join(replacing)
    }).pipe(Effect.scoped, Effect.provide(layer, { local: true }))
  )

  it.live("puts a sound copy in the place of a damaged one", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const { packages } = yield* Home
      yield* Releases.keep(Releases.after)
      const [id] = yield* fs.readDirectory(packages)
      const tarball = `${packages}/${id}/${Releases.after.stored.torrent.tarball.path}`
      yield* fs.writeFile(tarball, (yield* fs.readFile(tarball)).fill(9, 50, 60))
      assert.deepStrictEqual(yield* Releases.found, [2, 9])
      yield* Releases.keep(Releases.after)
      assert.deepStrictEqual(yield* Releases.found, [2])
    }).pipe(Effect.provide(layer, { local: true }))
  )

  it.live("closes a release's files with the scope that they were opened in", () =>
    Effect.gen(function* () {
      const store = yield* PackageStore
      yield* Releases.keep(Releases.after)
      const content = yield* Effect.scoped(store.open(Releases.after.stored))
      assert.strictEqual((yield* Effect.flip(content.read(0, 1)))._tag, "StorageFailed")
    }).pipe(Effect.provide(layer, { local: true }))
  )

  it.live("passes over what is not a stored release", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const { packages } = yield* Home
      yield* fs.makeDirectory(`${packages}/junk`, { recursive: true })
      yield* fs.makeDirectory(`${packages}/damaged`, { recursive: true })
      yield* fs.writeFileString(`${packages}/damaged/release`, "d1:i3:xyze")
      const hex = (digit: string) => `${packages}/${digit.repeat(64)}`
      yield* fs.makeDirectory(hex("a"), { recursive: true })
      yield* fs.writeFileString(`${hex("a")}/release`, "d1:i3:xyze")
      yield* fs.makeDirectory(`${hex("b")}/release`, { recursive: true })
      yield* fs.writeFileString(hex("c"), "")
      yield* fs.writeFileString(`${packages}/.DS_Store`, "")
      const store = yield* PackageStore
      assert.deepStrictEqual(yield* store.list, [])
    }).pipe(Effect.provide(layer, { local: true }))
  )
})
