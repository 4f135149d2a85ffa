import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { sha256 } from "../../../src/protocol/core/Digest.ts"
import * as KeyPair from "../../../src/protocol/core/KeyPair.ts"
import * as KeyString from "../../../src/protocol/dht/KeyString.ts"
import * as Record from "../../../src/protocol/dht/Record.ts"
import { RecordStore } from "../../../src/protocol/dht/RecordStore.ts"
import * as FileRecordStore from "../../../src/runtime/store/FileRecordStore.ts"
import { Home } from "../../../src/runtime/store/Home.ts"
import * as RecordStoreSuite from "../../protocol/dht/RecordStoreSuite.ts"
import * as TemporaryHome from "../TemporaryHome.ts"

const layer = FileRecordStore.layer.pipe(Layer.provideMerge(TemporaryHome.layer))

RecordStoreSuite.suite("files", layer)

describe("FileRecordStore", () => {
  it.live("believes no file whose signature does not hold", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const { records } = yield* Home
      const store = yield* RecordStore
      const pair = yield* KeyPair.fromSeed(sha256(new Uint8Array([1])))
      const salt = KeyString.saltOf("a")
      const record = Record.sign(pair, { salt, seq: 3, value: new Uint8Array([1, 2, 3]) })
      yield* store.remember(record)
      const [file] = yield* fs.readDirectory(records)
      const intact = yield* fs.readFile(`${records}/${file}`)
      for (let i = 0; i < intact.length; i += 5) {
        yield* fs.writeFile(
          `${records}/${file}`,
          intact.map((byte, at) => (at === i ? byte ^ 1 : byte))
        )
        assert.isTrue(Option.isNone(yield* store.find(pair.publicKey, salt)), `byte ${i}`)
        assert.deepStrictEqual(yield* store.all, [])
      }
      yield* store.remember(record)
      assert.isTrue(Option.isSome(yield* store.find(pair.publicKey, salt)))
    }).pipe(Effect.provide(layer, { local: true }))
  )

  it.live("keeps the newest record when two processes remember at once", () =>
    Effect.gen(function* () {
      const one = yield* RecordStore
      // A layer of its own shares nothing with the first but the files, as another process would.
      const other = Context.get(yield* Layer.build(Layer.fresh(FileRecordStore.layer)), RecordStore)
      const pair = yield* KeyPair.fromSeed(sha256(new Uint8Array([1])))
      for (const round of Array.from({ length: 10 }).keys()) {
        const salt = KeyString.saltOf(`p${round}`)
        const record = (seq: number) => Record.sign(pair, { salt, seq, value: new Uint8Array([seq]) })
        yield* Effect.all([one.remember(record(2)), other.remember(record(1)), other.remember(record(3))], {
          concurrency: "unbounded"
        })
        assert.strictEqual(Option.getOrThrow(yield* one.find(pair.publicKey, salt)).seq, 3)
      }
    }).pipe(Effect.scoped, Effect.provide(layer, { local: true }))
  )

  it.live("keeps what many remember at once, also where one of them is interrupted", () =>
    Effect.gen(function* () {
      const store = yield* RecordStore
      const pair = yield* KeyPair.fromSeed(sha256(new Uint8Array([1])))
      const record = (place: number, seq: number) =>
        Record.sign(pair, { salt: KeyString.saltOf(`p${place}`), seq, value: new Uint8Array([seq]) })
      const places = Array.from({ length: 30 }, (_, i) => i)
      const first = yield* Effect.forkChild(store.remember(record(99, 1)), { startImmediately: true })
      yield* Effect.all(
        [
          Effect.forEach(places, (place) => store.remember(record(place, 2)), { concurrency: "unbounded" }),
          Effect.forEach(places, (place) => store.remember(record(place, 1)), { concurrency: "unbounded" }),
          Fiber.interrupt(first)
        ],
        { concurrency: "unbounded" }
      )
      for (const place of places) {
        const found = yield* store.find(pair.publicKey, KeyString.saltOf(`p${place}`))
        assert.strictEqual(Option.getOrThrow(found).seq, 2)
      }
    }).pipe(Effect.scoped, Effect.provide(layer, { local: true }))
  )

  it.live("passes over files that are no records", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const { records } = yield* Home
      yield* fs.makeDirectory(`${records}/${"a".repeat(40)}.record`, { recursive: true })
      yield* fs.makeDirectory(`${records}/folder.record`, { recursive: true })
      yield* fs.writeFileString(`${records}/.DS_Store`, "")
      assert.deepStrictEqual(yield* (yield* RecordStore).all, [])
    }).pipe(Effect.provide(layer, { local: true }))
  )
})
