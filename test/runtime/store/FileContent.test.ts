/** The files of a torrent as one run of bytes, on both file systems of Node. */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Path from "effect/Path"
import * as QuickFileSystem from "../../../src/runtime/QuickFileSystem.ts"
import * as FileContent from "../../../src/runtime/store/FileContent.ts"
import { sample } from "../../protocol/swarm/SwarmSuite.ts"

const LENGTH = 100_000
const { bytes, torrent } = sample(LENGTH)

const openIn = (directory: string, access: "read" | "write") => FileContent.open(directory, torrent, access)

for (const [name, layer] of Object.entries({ quick: QuickFileSystem.layer, slow: NodeFileSystem.layer })) {
  const test = <E>(
    title: string,
    body: (directory: string) => Effect.Effect<void, E, FileSystem.FileSystem | Path.Path>
  ) =>
    it.live(title, () =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        yield* body(yield* fs.makeTempDirectoryScoped({ prefix: "libreseed-content-" }))
      }).pipe(Effect.scoped, Effect.provide(Layer.merge(layer, Path.layer)))
    )

  describe(`FileContent, ${name}`, () => {
    test("keeps stretches apart that are written at once, over the border of the files, too", (directory) =>
      Effect.gen(function* () {
        const size = 9_001
        yield* Effect.scoped(
          Effect.gen(function* () {
            const content = yield* openIn(directory, "write")
            assert.isTrue(content.isNew)
            const offsets = Array.from({ length: Math.ceil(LENGTH / size) }, (_, i) => i * size).toReversed()
            yield* Effect.forEach(offsets, (at) => content.write(at, bytes.slice(at, at + size)), {
              concurrency: "unbounded"
            })
          })
        )
        const again = yield* Effect.scoped(openIn(directory, "write"))
        assert.isFalse(again.isNew)
        const content = yield* Effect.scoped(Effect.flatMap(openIn(directory, "read"), ({ read }) => read(0, LENGTH)))
        assert.deepStrictEqual(content, bytes)
      }))

    test("says which file ends early, or is not there", (directory) =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        const missing = yield* Effect.flip(Effect.scoped(openIn(directory, "read")))
        assert.deepStrictEqual([missing.operation, missing.location], ["open", `${directory}/${torrent.manifest.path}`])
        yield* fs.writeFile(`${directory}/${torrent.manifest.path}`, bytes.slice(0, torrent.manifest.length))
        yield* fs.writeFile(`${directory}/${torrent.tarball.path}`, bytes.slice(torrent.manifest.length, 50_000))
        const short = yield* Effect.flip(
          Effect.scoped(Effect.flatMap(openIn(directory, "read"), ({ read }) => read(0, LENGTH)))
        )
        assert.deepStrictEqual([short.operation, short.problem], ["read", "the file ends early"])
        assert.strictEqual(short.location, `${directory}/${torrent.tarball.path}`)
      }))
  })
}
