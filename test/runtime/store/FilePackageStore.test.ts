import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { PackageStore } from "../../../src/protocol/swarm/PackageStore.ts"
import * as FilePackageStore from "../../../src/runtime/store/FilePackageStore.ts"
import { Home } from "../../../src/runtime/store/Home.ts"
import * as PackageStoreSuite from "../../protocol/swarm/PackageStoreSuite.ts"
import * as FaultyFileSystem from "../FaultyFileSystem.ts"
import * as TemporaryHome from "../TemporaryHome.ts"

const layer = FilePackageStore.layer.pipe(Layer.provideMerge(TemporaryHome.layer))

PackageStoreSuite.suite("files", layer)

describe("FilePackageStore", () => {
  it.live("stands as it was, or as it should be, whichever write fails", () =>
    Effect.gen(function* () {
      const { bytes, stored } = PackageStoreSuite.sample("a", "1.0.0", 3)
      const keep = Effect.gen(function* () {
        const store = yield* PackageStore
        yield* Effect.scoped(Effect.flatMap(store.stage(stored.torrent), (staged) => staged.write(0, bytes)))
        yield* store.commit(stored)
      })
      const tryWith = (writes: number) =>
        Effect.gen(function* () {
          const faulty = FilePackageStore.layer.pipe(
            Layer.provide(FaultyFileSystem.layer({ failAfterWrites: writes, code: "ENOSPC" }))
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
          assert.isTrue(Option.isNone(found), `something is stored after ${writes} writes`)
          // With space again, the same thing succeeds.
          yield* keep
          assert.isTrue(Option.isSome(yield* store.find(stored.publisher, stored.release.n, stored.release.v)))
          return false
        }).pipe(Effect.provide(layer, { local: true }))
      const outcomes = yield* Effect.forEach(Array.from({ length: 20 }).keys(), tryWith)
      assert.include(outcomes, true)
      assert.include(outcomes, false)
    })
  )

  it.live("passes over what is not a stored release", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const { packages } = yield* Home
      yield* fs.makeDirectory(`${packages}/junk`, { recursive: true })
      yield* fs.makeDirectory(`${packages}/damaged`, { recursive: true })
      yield* fs.writeFileString(`${packages}/damaged/release`, "d1:i3:xyze")
      const store = yield* PackageStore
      assert.deepStrictEqual(yield* store.list, [])
    }).pipe(Effect.provide(layer, { local: true }))
  )
})
