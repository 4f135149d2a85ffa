import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { explain } from "../../../src/protocol/core/Errors.ts"
import * as DhtOffline from "../../../src/protocol/dht/DhtOffline.ts"
import { TopicPeers } from "../../../src/protocol/dht/TopicPeers.ts"
import * as Resolve from "../../../src/protocol/registry/Resolve.ts"
import { fetchRelease } from "../../../src/protocol/swarm/FetchRelease.ts"
import { PackageStore } from "../../../src/protocol/swarm/PackageStore.ts"
import * as SwarmOffline from "../../../src/protocol/swarm/SwarmOffline.ts"
import * as Testing from "../../../src/protocol/testing/index.ts"
import * as Trust from "../../../src/protocol/trust/Trust.ts"
import * as BundleFile from "../../../src/runtime/bundle/BundleFile.ts"
import * as Stores from "../../../src/runtime/Stores.ts"
import * as Bundles from "../../protocol/swarm/Bundles.ts"
import * as Fixtures from "../../protocol/registry/Fixtures.ts"
import { platform } from "../TemporaryHome.ts"

const { name, range } = Fixtures

const temporary = Effect.flatMap(FileSystem.FileSystem, (fs) =>
  fs.makeTempDirectoryScoped({ prefix: "libreseed-test-" })
)

/** The stores of a home without a network. */
const home = (directory: string) =>
  Layer.mergeAll(SwarmOffline.layer, Trust.layer, TopicPeers.layerNone).pipe(
    Layer.provideMerge(DhtOffline.layer),
    Layer.provideMerge(Stores.layer({ home: directory }))
  )

/** Somebody in memory who publishes, and a bundle of that. */
const material = Effect.gen(function* () {
  const publisher = yield* Bundles.online(Testing.network())
  const key = yield* publisher.does(Bundles.keyPair("publisher"))
  yield* Bundles.publish(publisher, key, { name: "a", version: "1.0.0", bytes: 3_000_000 })
  return { publisher, material: yield* Bundles.bundleOf(publisher, ["a@*"]) }
})

describe("BundleFile", () => {
  const test = (title: string, body: Effect.Effect<void, unknown, Scope.Scope | Layer.Success<typeof platform>>) =>
    it.live(title, () => body.pipe(Effect.scoped, Effect.provide(platform)))

  test(
    "is written whole, and imported into the stores of another home",
    Effect.gen(function* () {
      const directory = yield* temporary
      const file = `${directory}/a.bundle`
      const made = yield* material
      const { length } = yield* Effect.provideContext(BundleFile.write(file, made.material), made.publisher.services)
      const fs = yield* FileSystem.FileSystem
      assert.strictEqual(Number((yield* fs.stat(file)).size), length)
      assert.deepStrictEqual(yield* fs.readDirectory(directory), ["a.bundle"])
      yield* Effect.gen(function* () {
        const { releases } = yield* BundleFile.importFile(file)
        assert.deepStrictEqual(
          releases.map(({ isNew, name }) => [name, isNew]),
          [["a", true]]
        )
        const found = yield* Resolve.resolveByName({ name: name("a"), range: range("*") })
        const fetched = yield* fetchRelease(found, { timeout: "1 second" })
        const store = yield* PackageStore
        const content = yield* store.open(fetched)
        const { offset } = fetched.torrent.tarball
        assert.deepStrictEqual(yield* content.read(offset, 3_000_000), Bundles.tarballOf("a@1.0.0", 3_000_000))
      }).pipe(Effect.scoped, Effect.provide(home(`${directory}/home`)))
    })
  )

  test(
    "leaves nothing in a home where it is refused",
    Effect.gen(function* () {
      const directory = yield* temporary
      const file = `${directory}/a.bundle`
      const made = yield* material
      yield* Effect.provideContext(BundleFile.write(file, made.material), made.publisher.services)
      const fs = yield* FileSystem.FileSystem
      const bytes = yield* fs.readFile(file)
      yield* fs.writeFile(file, bytes.subarray(0, -1))
      const error = yield* Effect.flip(BundleFile.importFile(file)).pipe(Effect.provide(home(`${directory}/home`)))
      assert.strictEqual(explain(error)?._tag, "BundleCut")
      assert.include(explain(error)?.message, file)
      for (const place of ["packages", "records", "downloads", "pages"]) {
        assert.isFalse(yield* fs.exists(`${directory}/home/${place}`), place)
      }
    })
  )

  test(
    "says which file cannot be read, and leaves an older one where a new one cannot be written",
    Effect.gen(function* () {
      const directory = yield* temporary
      const fs = yield* FileSystem.FileSystem
      const missing = yield* Effect.flip(BundleFile.importFile(`${directory}/none`)).pipe(
        Effect.provide(home(`${directory}/home`))
      )
      assert.strictEqual(explain(missing)?._tag, "StorageFailed")
      assert.include(explain(missing)?.message, `${directory}/none`)

      const file = `${directory}/a.bundle`
      yield* fs.writeFileString(file, "older")
      const made = yield* material
      const store = Context.get(made.publisher.services, PackageStore)
      const [stored] = yield* store.list
      const content = yield* store.open(stored!)
      yield* content.write(stored!.torrent.tarball.offset + 2_000_000, Uint8Array.of(1, 2, 3))
      const failed = yield* Effect.flip(
        Effect.provideContext(BundleFile.write(file, made.material), made.publisher.services)
      )
      assert.strictEqual(explain(failed)?._tag, "StorageFailed")
      assert.strictEqual(yield* fs.readFileString(file), "older")
      assert.deepStrictEqual(yield* fs.readDirectory(directory), ["a.bundle"])
    })
  )

  test(
    "removes what a killed process left of the same file, and nothing else",
    Effect.gen(function* () {
      const directory = yield* temporary
      const fs = yield* FileSystem.FileSystem
      const now = yield* Clock.currentTimeMillis
      const old = new Date(now - 11 * 60_000)
      const leftover = "a.bundle.0123456789ab.tmp"
      const others = ["a.bundle.ba9876543210.tmp", "a.bundle.old.tmp", "b.bundle.0123456789ab.tmp"]
      for (const name of [leftover, ...others]) {
        yield* fs.writeFileString(`${directory}/${name}`, "")
        if (name !== others[0]) yield* fs.utimes(`${directory}/${name}`, old, old)
      }
      const made = yield* material
      yield* Effect.provideContext(BundleFile.write(`${directory}/a.bundle`, made.material), made.publisher.services)
      assert.deepStrictEqual((yield* fs.readDirectory(directory)).toSorted(), ["a.bundle", ...others])
    })
  )
})
