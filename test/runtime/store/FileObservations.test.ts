import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type { PublicKey } from "../../../src/protocol/core/PublicKey.ts"
import { Observations } from "../../../src/protocol/registry/Observations.ts"
import * as FileObservations from "../../../src/runtime/store/FileObservations.ts"
import { Home } from "../../../src/runtime/store/Home.ts"
import * as Fixtures from "../../protocol/registry/Fixtures.ts"
import * as TemporaryHome from "../TemporaryHome.ts"

const key = (fill: number) => new Uint8Array(32).fill(fill) as PublicKey
const name = Fixtures.name

const suite = (label: string, layer: Layer.Layer<Observations, unknown>) =>
  it.live(`${label}: keeps the first time that a publisher was seen under a name`, () =>
    Effect.gen(function* () {
      const observations = yield* Observations
      assert.strictEqual((yield* observations.of(name("a"))).size, 0)
      yield* observations.note(name("a"), [key(1)], 100)
      yield* observations.note(name("a"), [key(1), key(2)], 200)
      yield* observations.note(name("b"), [key(1)], 300)
      const seen = yield* observations.of(name("a"))
      assert.deepStrictEqual([...seen.values()], [100, 200])
      assert.deepStrictEqual([...(yield* observations.of(name("b"))).values()], [300])
    }).pipe(Effect.provide(layer, { local: true }))
  )

const files = FileObservations.layer.pipe(Layer.provideMerge(TemporaryHome.layer))

describe("Observations", () => {
  suite("memory", Observations.layerMemory)
  suite("files", files)

  it.live("files: says that the file is damaged, and leaves it alone", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const { observations: directory } = yield* Home
      const file = `${directory}/${FileObservations.fileOf(name("a"))}`
      const damaged = '{"name": "a", "publishers": {"00": "yesterday"}}'
      yield* fs.makeDirectory(directory, { recursive: true })
      yield* fs.writeFileString(file, damaged)
      const observations = yield* Observations
      const error = yield* Effect.flip(observations.note(name("a"), [key(1)], 1))
      assert.strictEqual(error._tag, "ObservationsError")
      assert.include(error.message, file)
      assert.strictEqual(yield* fs.readFileString(file), damaged)
      // What is known of other names is none the worse for it.
      assert.strictEqual((yield* observations.note(name("b"), [key(1)], 1)).size, 1)
    }).pipe(Effect.provide(files, { local: true }))
  )

  it.live("files: keeps every note when many are made at once", () =>
    Effect.gen(function* () {
      const observations = yield* Observations
      const names = Array.from({ length: 10 }, (_, i) => name(`p${i}`))
      yield* Effect.forEach(names, (each) => observations.note(each, [key(1)], 5), { concurrency: "unbounded" })
      const sizes = yield* Effect.forEach(names, (each) => Effect.map(observations.of(each), ({ size }) => size))
      assert.deepStrictEqual(
        sizes,
        names.map(() => 1)
      )
    }).pipe(Effect.provide(files, { local: true }))
  )

  it.live("files: keeps every note when two processes make them at once", () =>
    Effect.gen(function* () {
      const one = yield* Observations
      // A layer of its own shares nothing with the first but the files, as another process would.
      const other = Context.get(yield* Layer.build(Layer.fresh(FileObservations.layer)), Observations)
      const names = Array.from({ length: 20 }, (_, i) => name(`p${i}`))
      yield* Effect.forEach(names, (each, i) => (i % 2 === 0 ? one : other).note(each, [key(1)], 5), {
        concurrency: "unbounded"
      })
      const sizes = yield* Effect.forEach(names, (each) => Effect.map(one.of(each), ({ size }) => size))
      assert.deepStrictEqual(
        sizes,
        names.map(() => 1)
      )
    }).pipe(Effect.scoped, Effect.provide(files, { local: true }))
  )
})
