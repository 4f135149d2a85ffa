import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { explain } from "../../../src/protocol/core/Errors.ts"
import { PublicationLog } from "../../../src/protocol/registry/PublicationLog.ts"
import * as FilePublicationLog from "../../../src/runtime/store/FilePublicationLog.ts"
import { Home } from "../../../src/runtime/store/Home.ts"
import { name, version } from "../../protocol/registry/Fixtures.ts"
import { alice, draft, suite } from "../../protocol/registry/PublicationLogSuite.ts"
import * as TemporaryHome from "../TemporaryHome.ts"

const layer = FilePublicationLog.layer.pipe(Layer.provideMerge(TemporaryHome.layer))

suite("files", layer)

describe("FilePublicationLog", () => {
  it.live("is there again after the program ended, and leaves nothing behind when all is done", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const { publications } = yield* Home
      const another = Effect.provide(PublicationLog, Layer.fresh(FilePublicationLog.layer))
      yield* (yield* PublicationLog).note(draft("a", "1.0.0"))
      const found = yield* (yield* another).find(alice, name("a"), version("1.0.0"))
      assert.deepStrictEqual(found, Option.some(draft("a", "1.0.0")))
      yield* (yield* another).finish(alice, name("a"), version("1.0.0"))
      assert.deepStrictEqual(yield* fs.readDirectory(publications), [])
    }).pipe(Effect.provide(Layer.fresh(layer)))
  )

  it.live("fails on a damaged file, or one in another's place, rather than begin anew", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const { publications } = yield* Home
      const log = yield* PublicationLog
      yield* log.note(draft("a", "1.0.0"))
      const [file = ""] = yield* fs.readDirectory(publications)
      const path = `${publications}/${file}`
      const intact = yield* fs.readFileString(path)
      yield* log.note(draft("a", "1.0.1"))
      const other = (yield* fs.readDirectory(publications)).find((each) => each !== file)
      const swapped = yield* fs.readFileString(`${publications}/${other}`)
      for (const text of ["", intact.slice(0, -1), intact.replace('"format":1', '"format":2'), "{}", swapped]) {
        yield* fs.writeFileString(path, text)
        const error = yield* Effect.flip(log.find(alice, name("a"), version("1.0.0")))
        assert.strictEqual(explain(error)?._tag, "PublicationLogUnavailable")
        assert.include(error.message, file)
        yield* Effect.flip(log.all)
      }
      yield* fs.writeFileString(path, intact)
      assert.strictEqual((yield* log.all).length, 2)
    }).pipe(Effect.provide(Layer.fresh(layer)))
  )

  it.live("passes over files that are no drafts", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const { publications } = yield* Home
      const log = yield* PublicationLog
      yield* log.note(draft("a", "1.0.0"))
      yield* fs.writeFileString(`${publications}/notes.txt`, "mine")
      assert.strictEqual((yield* log.all).length, 1)
    }).pipe(Effect.provide(Layer.fresh(layer)))
  )
})
