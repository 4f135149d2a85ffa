import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Schema from "effect/Schema"
import { Home } from "../../../src/runtime/store/Home.ts"
import * as JsonFile from "../../../src/runtime/store/JsonFile.ts"
import * as FaultyFileSystem from "../FaultyFileSystem.ts"
import * as TemporaryHome from "../TemporaryHome.ts"

const Counts = Schema.Record(Schema.String, Schema.Int)
type Counts = typeof Counts.Type

class Broken extends Schema.TaggedError<Broken>()("Broken", { problem: Schema.String }) {}

/** In a directory that is not there yet. */
const location = Effect.map(Home, ({ directory }) => `${directory}/deep/counts.json`)

const open = Effect.flatMap(location, (at) =>
  JsonFile.make({ location: at, schema: Counts, empty: {}, failed: (problem) => new Broken({ problem }) })
)

const increment = (key: string) => (counts: Counts) => {
  const next = (counts[key] ?? 0) + 1
  return [next, { ...counts, [key]: next }] as const
}

const test = (title: string, body: Effect.Effect<void, unknown, Home | Effect.Services<typeof open>>) =>
  it.live(title, () => Effect.provide(body, TemporaryHome.layer, { local: true }))

describe("JsonFile", () => {
  test(
    "reads a file that is not there as the empty document, and makes none",
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const file = yield* open
      assert.deepStrictEqual(yield* file.read, {})
      assert.strictEqual(yield* file.update((counts) => ["unchanged", counts]), "unchanged")
      assert.deepStrictEqual(yield* fs.readDirectory((yield* Home).directory), [])
    })
  )

  test(
    "gives back what was written, and what another wrote in between",
    Effect.gen(function* () {
      const [one, other] = [yield* open, yield* open]
      assert.strictEqual(yield* one.update(increment("a")), 1)
      assert.strictEqual(yield* other.update(increment("a")), 2)
      assert.strictEqual(yield* one.update(increment("a")), 3)
      assert.deepStrictEqual(yield* other.read, { a: 3 })
    })
  )

  test(
    "reads a file again only where it looks like another one",
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const at = yield* location
      let reads = 0
      const counting = FileSystem.make({
        ...fs,
        readFile: (path) => Effect.suspend(() => (reads++, fs.readFile(path)))
      })
      yield* (yield* open).update(increment("a"))
      const file = yield* Effect.provideService(open, FileSystem.FileSystem, counting)
      const readsFor = Effect.fnUntraced(function* (seconds: number, expected: Counts) {
        yield* fs.utimes(at, Date.now() / 1000 - seconds, Date.now() / 1000 - seconds)
        reads = 0
        for (const _ of [1, 2, 3]) assert.deepStrictEqual(yield* file.read, expected)
        return reads
      })
      assert.strictEqual(yield* readsFor(60, { a: 1 }), 1)
      yield* fs.writeFileString(at, '{"a":2}')
      assert.strictEqual(yield* readsFor(30, { a: 2 }), 1)
      // So lately that it may have changed twice within one step of the file system's clock.
      assert.strictEqual(yield* readsFor(0, { a: 2 }), 3)
    })
  )

  test(
    "loses no change when many are made at once by many",
    Effect.gen(function* () {
      const files = yield* Effect.forEach([1, 2, 3], () => open)
      yield* Effect.forEach(Array.from({ length: 30 }).keys(), (i) => files[i % files.length]!.update(increment("a")), {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(yield* files[0]!.read, { a: 30 })
    })
  )

  test(
    "does not write a document again that did not change",
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const file = yield* open
      yield* file.update(increment("a"))
      const spaced = '{   "a": 1 }'
      yield* fs.writeFileString(yield* location, spaced)
      yield* file.update((counts) => [undefined, counts])
      assert.strictEqual(yield* fs.readFileString(yield* location), spaced)
    })
  )

  test(
    "fails at a damaged document, says so, and leaves it alone",
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const file = yield* open
      yield* file.update(increment("a"))
      for (const text of ["", "{", '{"a":"b"}', "null", '{"a":1}x']) {
        yield* fs.writeFileString(yield* location, text)
        for (const work of [file.read, file.update(increment("a"))]) {
          const { problem } = yield* Effect.flip<unknown, Broken, never>(work)
          assert.include(problem, "it is damaged")
          assert.notInclude(problem, "valid JSON")
          assert.notInclude(problem, "\n")
        }
        assert.strictEqual(yield* fs.readFileString(yield* location), text)
      }
      yield* fs.remove(yield* location)
      assert.strictEqual(yield* file.update(increment("a")), 1)
    })
  )

  test(
    "refuses a field that it would lose",
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const at = yield* location
      const file = yield* JsonFile.make({
        location: at,
        schema: Schema.Struct({ a: Schema.Int }),
        empty: { a: 0 },
        failed: (problem) => new Broken({ problem })
      })
      yield* file.update(() => [undefined, { a: 1 }])
      yield* fs.writeFileString(at, '{"a":1,"b":2}')
      yield* Effect.flip(file.update(() => [undefined, { a: 2 }]))
      assert.strictEqual(yield* fs.readFileString(at), '{"a":1,"b":2}')
    })
  )

  test(
    "fails at something that is no file",
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      yield* fs.makeDirectory(yield* location, { recursive: true })
      const file = yield* open
      assert.include((yield* Effect.flip(file.read)).problem, "EISDIR")
      assert.include((yield* Effect.flip(file.update(increment("a")))).problem, "EISDIR")
    })
  )

  test(
    "keeps the old document and holds no lock wherever the disk fails",
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const file = yield* open
      yield* file.update(increment("a"))
      const directory = (yield* location).replace("/counts.json", "")
      for (let failAfterWrites = 0; ; failAfterWrites++) {
        const faulty = FaultyFileSystem.make(fs, { failAfterWrites, code: "ENOSPC" })
        const onFaulty = yield* Effect.provideService(open, FileSystem.FileSystem, faulty)
        const before = yield* file.read
        const outcome = yield* Effect.result(onFaulty.update(increment("a")))
        assert.deepStrictEqual(yield* fs.readDirectory(directory), ["counts.json"])
        if (outcome._tag === "Success") {
          assert.isAbove(failAfterWrites, 3)
          break
        }
        assert.include(outcome.failure.problem, "ENOSPC")
        const after = yield* file.read
        assert.include([before["a"], before["a"]! + 1], after["a"])
      }
    })
  )
})
