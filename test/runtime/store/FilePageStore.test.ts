import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { PageStore } from "../../../src/protocol/dht/PageStore.ts"
import * as Record from "../../../src/protocol/dht/Record.ts"
import * as FilePageStore from "../../../src/runtime/store/FilePageStore.ts"
import { Home } from "../../../src/runtime/store/Home.ts"
import * as PageStoreSuite from "../../protocol/dht/PageStoreSuite.ts"
import * as TemporaryHome from "../TemporaryHome.ts"

const layer = FilePageStore.layer.pipe(Layer.provideMerge(TemporaryHome.layer))

const page = (label: number) => Uint8Array.from({ length: 64 }, (_, i) => (i * 7 + label) & 0xff)

const locationOf = (pages: string, target: Record.Target) => {
  const name = Hex.encode(target)
  return `${pages}/${name.slice(0, 2)}/${name}.page`
}

PageStoreSuite.suite("files", layer)

describe("FilePageStore", () => {
  const test = (title: string, body: Effect.Effect<void, unknown, Layer.Success<typeof layer> | Scope.Scope>) =>
    it.live(title, () => body.pipe(Effect.scoped, Effect.provide(layer, { local: true })))

  test(
    "finds no page that was changed on the disk, and writes it anew when it comes again",
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const { pages } = yield* Home
      const store = yield* PageStore
      const target = Record.immutableTargetOf(page(1))
      const location = locationOf(pages, target)
      yield* store.keep([page(1)])
      const intact = yield* fs.readFile(location)
      const damages: ReadonlyArray<Uint8Array> = [
        intact.map((byte, i) => (i === 30 ? byte ^ 1 : byte)),
        intact.subarray(0, 20),
        new Uint8Array(0),
        Uint8Array.from([...intact, 0]),
        new Uint8Array(100_000)
      ]
      for (const damaged of damages) {
        yield* fs.writeFile(location, damaged)
        assert.isTrue(Option.isNone(yield* store.find(target)), `${damaged.length} bytes`)
        yield* store.keep([page(1)])
        assert.deepStrictEqual(Uint8Array.from(Option.getOrThrow(yield* store.find(target))), page(1))
      }
    })
  )

  test(
    "passes over files and directories that are no pages",
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const { pages } = yield* Home
      const store = yield* PageStore
      const target = Record.immutableTargetOf(page(1))
      yield* store.keep([page(1)])
      const name = Hex.encode(target)
      const own = `${pages}/${name.slice(0, 2)}`
      const other = `${pages}/${name.startsWith("ff") ? "00" : "ff"}`
      yield* fs.writeFileString(`${own}/.DS_Store`, "")
      yield* fs.writeFileString(`${own}/${name}.page.0123456789ab.tmp`, "left by a crash")
      yield* fs.writeFileString(`${own}/${name.toUpperCase()}0.page`, "")
      yield* fs.makeDirectory(`${pages}/notes`)
      yield* fs.writeFileString(`${pages}/notes/${name}.page`, "")
      yield* fs.makeDirectory(other)
      yield* fs.writeFile(`${other}/${name}.page`, page(1))
      yield* fs.writeFileString(`${pages}/${name.startsWith("aa") ? "bb" : "aa"}`, "a file where a directory should be")
      assert.deepStrictEqual(
        (yield* store.targets).map((each) => Hex.encode(each)),
        [name]
      )
      yield* store.drop([target])
      assert.deepStrictEqual(yield* store.targets, [])
      assert.isTrue(yield* fs.exists(`${pages}/notes/${name}.page`))
    })
  )

  test(
    "keeps all pages when two processes keep and drop at once",
    Effect.gen(function* () {
      const one = yield* PageStore
      // A layer of its own shares nothing with the first but the files, as another process would.
      const other = Context.get(yield* Layer.build(Layer.fresh(FilePageStore.layer)), PageStore)
      const pages = Array.from({ length: 30 }, (_, i) => page(i))
      const dropped = [page(100), page(101)]
      yield* one.keep(dropped)
      yield* Effect.all(
        [
          one.keep(pages),
          other.keep(pages.toReversed()),
          one.drop(dropped.map(Record.immutableTargetOf)),
          other.drop(dropped.map(Record.immutableTargetOf))
        ],
        { concurrency: "unbounded" }
      )
      assert.strictEqual((yield* one.targets).length, 30)
      for (const each of pages) assert.isTrue(Option.isSome(yield* other.find(Record.immutableTargetOf(each))))
    })
  )

  test(
    "says which directory cannot be used",
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const { directory, pages } = yield* Home
      const store = yield* PageStore
      yield* fs.makeDirectory(directory, { recursive: true })
      yield* fs.writeFileString(pages, "a file")
      assert.deepStrictEqual(yield* store.targets, [])
      assert.isTrue(Option.isNone(yield* store.find(Record.immutableTargetOf(page(1)))))
      const error = yield* Effect.flip(store.keep([page(1)]))
      assert.strictEqual(error._tag, "PageStoreError")
      assert.include(error.message, pages)
    })
  )
})
