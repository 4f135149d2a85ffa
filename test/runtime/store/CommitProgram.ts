/**
 * A process that replaces a stored release by another and kills itself on the way.
 * Arguments: home directory, and before which rename (1 for the first) it dies.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import { PackageStore } from "../../../src/protocol/swarm/PackageStore.ts"
import * as FilePackageStore from "../../../src/runtime/store/FilePackageStore.ts"
import * as Home from "../../../src/runtime/store/Home.ts"
import { platform } from "../TemporaryHome.ts"
import { after, keep } from "./Releases.ts"

const [home, fatal] = process.argv.slice(2) as [string, string]

const dying = Layer.effect(
  FileSystem.FileSystem,
  Effect.map(FileSystem.FileSystem, (fs) => {
    let renames = 0
    return FileSystem.make({
      ...fs,
      rename: (from, to) =>
        Effect.suspend(() => {
          if (++renames === Number(fatal)) process.kill(process.pid, "SIGKILL")
          return fs.rename(from, to)
        })
    })
  })
)

const store = FilePackageStore.layer.pipe(
  Layer.provide(Home.layer(home)),
  Layer.provide(dying),
  Layer.provideMerge(platform)
)

await Effect.runPromise(
  Effect.scoped(
    Effect.gen(function* () {
      yield* (yield* PackageStore).reserve(after.stored.torrent.infohash)
      yield* keep(after)
    })
  ).pipe(Effect.provide(store))
)
