/** How many files are open, whoever reads what. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import * as FileHandles from "../../../src/runtime/store/FileHandles.ts"
import { platform } from "../TemporaryHome.ts"

/** Counts what is opened and closed. */
const counting = (seen: { open: number; most: number; opened: number }) =>
  Layer.effect(
    FileSystem.FileSystem,
    Effect.map(FileSystem.FileSystem, (fs) =>
      FileSystem.make({
        ...fs,
        open: (path, options) =>
          Effect.acquireRelease(
            Effect.tap(fs.open(path, options), () =>
              Effect.sync(() => {
                seen.opened++
                seen.most = Math.max(seen.most, ++seen.open)
              })
            ),
            () => Effect.sync(() => void seen.open--)
          )
      })
    )
  ).pipe(Layer.provideMerge(platform))

const setUp = Effect.fnUntraced(function* (count: number) {
  const fs = yield* FileSystem.FileSystem
  const directory = yield* fs.makeTempDirectoryScoped({ prefix: "libreseed-handles-" })
  const files = Array.from({ length: count }, (_, i) => `${directory}/${i}`)
  for (const [i, file] of files.entries()) yield* fs.writeFile(file, new Uint8Array(100).fill(i))
  return { directory, files, fs }
})

const byteOf = Effect.fnUntraced(function* (handles: FileHandles.FileHandles, location: string) {
  const into = new Uint8Array(10)
  assert.strictEqual(yield* handles.read(location, 40, into), 10)
  return into[0]
})

const test = (
  title: string,
  body: (seen: {
    open: number
    most: number
    opened: number
  }) => Effect.Effect<void, unknown, FileSystem.FileSystem | import("effect/Scope").Scope>
) =>
  it.effect(title, () => {
    const seen = { open: 0, most: 0, opened: 0 }
    return Effect.scoped(body(seen)).pipe(Effect.provide(counting(seen), { local: true }))
  })

describe("FileHandles", () => {
  test("opens with the first read, and once for many", (seen) =>
    Effect.gen(function* () {
      const { files } = yield* setUp(1)
      seen.opened = 0
      const handles = yield* FileHandles.make()
      assert.strictEqual(handles.count(), 0)
      for (let i = 0; i < 20; i++) yield* byteOf(handles, files[0]!)
      assert.deepStrictEqual([handles.count(), seen.opened], [1, 1])
    }))

  test("keeps no more open than it may, whatever is read at once", (seen) =>
    Effect.gen(function* () {
      const { files } = yield* setUp(60)
      seen.most = 0
      const handles = yield* FileHandles.make({ openFilesMax: 4 })
      const all = Effect.forEach(files, (file) => byteOf(handles, file), { concurrency: "unbounded" })
      for (let round = 0; round < 3; round++) assert.deepStrictEqual(yield* all, [...files.keys()])
      assert.isAtMost(seen.most, 4)
      assert.isAtMost(handles.count(), 4)
    }))

  test("closes what nobody reads for a while, and has no timer when nothing is open", (seen) =>
    Effect.gen(function* () {
      const { files } = yield* setUp(3)
      seen.open = 0
      const handles = yield* FileHandles.make()
      for (const file of files) yield* byteOf(handles, file)
      assert.strictEqual(seen.open, 3)
      yield* TestClock.adjust("30 seconds")
      yield* byteOf(handles, files[0]!)
      yield* TestClock.adjust("15 seconds")
      assert.strictEqual(seen.open, 1)
      yield* TestClock.adjust("60 seconds")
      assert.deepStrictEqual([seen.open, handles.count()], [0, 0])
    }))

  test("reads what has taken a file's place", () =>
    Effect.gen(function* () {
      const { directory, files, fs } = yield* setUp(1)
      const handles = yield* FileHandles.make()
      assert.strictEqual(yield* byteOf(handles, files[0]!), 0)
      yield* fs.writeFile(`${directory}/new`, new Uint8Array(100).fill(7))
      yield* fs.rename(`${directory}/new`, files[0]!)
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* byteOf(handles, files[0]!), 7)
      assert.strictEqual(handles.count(), 1)
    }))

  test("closes what is below a directory when told, and opens it again", (seen) =>
    Effect.gen(function* () {
      const { directory, files } = yield* setUp(2)
      seen.open = 0
      const handles = yield* FileHandles.make()
      for (const file of files) yield* byteOf(handles, file)
      yield* handles.forget(`${directory}/`)
      assert.strictEqual(seen.open, 0)
      assert.strictEqual(yield* byteOf(handles, files[1]!), 1)
    }))

  test("says how much there was of a file that ends early, and fails where there is none", () =>
    Effect.gen(function* () {
      const { directory, files } = yield* setUp(1)
      const handles = yield* FileHandles.make()
      assert.strictEqual(yield* handles.read(files[0]!, 95, new Uint8Array(10)), 5)
      const error = yield* Effect.flip(handles.read(`${directory}/none`, 0, new Uint8Array(1)))
      assert.strictEqual(error.reason._tag, "NotFound")
      assert.strictEqual(handles.count(), 1)
    }))

  test("closes what is forgotten while it looks whether the file is still the one at its path", (seen) =>
    Effect.gen(function* () {
      const { directory, files, fs } = yield* setUp(1)
      seen.open = 0
      let onLook: Effect.Effect<void> = Effect.void
      const watched = FileSystem.make({ ...fs, stat: (path) => Effect.tap(fs.stat(path), () => onLook) })
      const handles = yield* FileHandles.make().pipe(Effect.provideService(FileSystem.FileSystem, watched))
      yield* byteOf(handles, files[0]!)
      onLook = handles.forget(`${directory}/`)
      handles.doubt(`${directory}/`)
      assert.strictEqual(yield* byteOf(handles, files[0]!), 0)
      onLook = Effect.void
      assert.deepStrictEqual([handles.count(), seen.open], [1, 1])
      yield* handles.forget(`${directory}/`)
      assert.strictEqual(seen.open, 0)
    }))
})
