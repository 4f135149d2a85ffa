import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { Blacklist } from "../../../src/protocol/swarm/Blacklist.ts"
import * as FileBlacklist from "../../../src/runtime/store/FileBlacklist.ts"
import { Home } from "../../../src/runtime/store/Home.ts"
import * as BlacklistSuite from "../../protocol/swarm/BlacklistSuite.ts"
import * as TemporaryHome from "../TemporaryHome.ts"

const layer = FileBlacklist.layer.pipe(Layer.provideMerge(TemporaryHome.layer))

BlacklistSuite.suite("files", layer)

describe("FileBlacklist", () => {
  const test = (title: string, body: Effect.Effect<void, unknown, Layer.Success<typeof layer> | Scope.Scope>) =>
    it.live(title, () => body.pipe(Effect.scoped, Effect.provide(layer, { local: true })))

  /** A layer of its own shares nothing with the first but the file, as another process would. */
  const another = Effect.map(Layer.build(Layer.fresh(FileBlacklist.layer)), (context) =>
    Context.get(context, Blacklist)
  )

  test(
    "remembers over a restart",
    Effect.gen(function* () {
      const entry = yield* BlacklistSuite.entryOf("a", Number.MAX_SAFE_INTEGER)
      yield* (yield* Blacklist).add(entry)
      assert.deepStrictEqual(yield* (yield* another).all, [entry])
    })
  )

  test(
    "keeps every entry when two processes add at once",
    Effect.gen(function* () {
      const [one, other] = [yield* Blacklist, yield* another]
      const entries = yield* Effect.forEach(
        Array.from({ length: 12 }, (_, i) => `${i}`),
        (label) => BlacklistSuite.entryOf(label, Number.MAX_SAFE_INTEGER)
      )
      yield* Effect.forEach(entries, (entry, i) => (i % 2 === 0 ? one : other).add(entry), { concurrency: "unbounded" })
      assert.strictEqual((yield* one.all).length, 12)
    })
  )

  test(
    "says that the file is damaged, and leaves it alone",
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const { blacklist: location, directory } = yield* Home
      yield* fs.makeDirectory(directory, { recursive: true })
      yield* fs.writeFileString(location, '[{"infohash": "00"}]')
      const error = yield* Effect.flip((yield* Blacklist).all)
      assert.strictEqual(error._tag, "BlacklistError")
      assert.include(error.message, location)
      assert.strictEqual(yield* fs.readFileString(location), '[{"infohash": "00"}]')
    })
  )
})
