import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Pins from "../../../src/protocol/trust/Pins.ts"
import { TrustBook } from "../../../src/protocol/trust/TrustBook.ts"
import * as TrustedKeys from "../../../src/protocol/trust/TrustedKeys.ts"
import * as FileTrustBook from "../../../src/runtime/store/FileTrustBook.ts"
import { Home } from "../../../src/runtime/store/Home.ts"
import { keyPair, name } from "../../protocol/registry/Fixtures.ts"
import * as TrustBookSuite from "../../protocol/trust/TrustBookSuite.ts"
import * as TemporaryHome from "../TemporaryHome.ts"

const layer = FileTrustBook.layer.pipe(Layer.provideMerge(TemporaryHome.layer))

TrustBookSuite.suite("files", layer)

describe("FileTrustBook", () => {
  /** A layer of its own shares nothing with the first but the file, as another process would. */
  const another = Effect.map(Layer.build(Layer.fresh(FileTrustBook.layer)), (context) =>
    Context.get(context, TrustBook)
  )

  it.live("is the same after it was opened again", () =>
    Effect.gen(function* () {
      const { publicKey } = yield* keyPair("alice")
      yield* Pins.pin(name("a"), publicKey)
      yield* TrustedKeys.add(publicKey)
      const reopened = yield* another
      assert.deepStrictEqual(yield* reopened.read, yield* (yield* TrustBook).read)
    }).pipe(Effect.scoped, Effect.provide(layer, { local: true }))
  )

  it.live("keeps every pin when two processes pin at once, and one pin of a name that both use first", () =>
    Effect.gen(function* () {
      const other = yield* another
      const alice = yield* keyPair("alice")
      const bob = yield* keyPair("bob")
      const names = Array.from({ length: 10 }, (_, i) => name(`p${i}`))
      const uses = yield* Effect.forEach(
        names,
        (each) =>
          Effect.all(
            [
              Pins.firstUse(each, alice.publicKey),
              Effect.provideService(Pins.firstUse(each, bob.publicKey), TrustBook, other)
            ],
            { concurrency: 2 }
          ),
        { concurrency: 4 }
      )
      for (const [one, two] of uses) {
        assert.deepStrictEqual(one.pin, two.pin)
        assert.notStrictEqual(one.isNew, two.isNew)
      }
      assert.strictEqual((yield* Pins.list).length, names.length)
    }).pipe(Effect.scoped, Effect.provide(layer, { local: true }))
  )

  it.live("says that the file is damaged, leaves it alone, and pins nothing", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const { directory, trust: file } = yield* Home
      const { publicKey } = yield* keyPair("alice")
      yield* fs.makeDirectory(directory, { recursive: true })
      const works = [
        Effect.asVoid(Pins.list),
        Effect.asVoid(Pins.firstUse(name("a"), publicKey)),
        Effect.asVoid(TrustedKeys.add(publicKey))
      ]
      for (const text of ["", "{", '{"pins":[]}', '{"pins":[],"trusted":[],"witnesses":[]}', "[]"]) {
        yield* fs.writeFileString(file, text)
        for (const work of works) {
          const error = yield* Effect.flip(work)
          assert.strictEqual(error.reason._tag, "TrustUnavailable")
          assert.include(error.reason.message, `${file} cannot be used: it is damaged`)
        }
        assert.strictEqual(yield* fs.readFileString(file), text)
      }
    }).pipe(Effect.provide(layer, { local: true }))
  )

  it.live("is readable by its owner alone", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const { trust: file } = yield* Home
      yield* Pins.pin(name("a"), (yield* keyPair("alice")).publicKey)
      assert.strictEqual((yield* fs.stat(file)).mode & 0o777, 0o600)
    }).pipe(Effect.provide(layer, { local: true }))
  )
})
