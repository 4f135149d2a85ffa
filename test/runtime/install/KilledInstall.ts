/**
 * A program to be killed: installs new versions into the project `argv[2]` from a home `argv[3]`, and
 * stops for good before the rename whose target ends with `argv[4]`, after saying so on its output.
 */
import * as Path from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Testing from "../../../src/protocol/testing/index.ts"
import { install } from "../../../src/runtime/install/Install.ts"
import * as FilePackageStore from "../../../src/runtime/store/FilePackageStore.ts"
import * as Home from "../../../src/runtime/store/Home.ts"
import * as UnpackedReleases from "../../../src/runtime/store/UnpackedReleases.ts"
import * as FaultyFileSystem from "../FaultyFileSystem.ts"
import * as TemporaryHome from "../TemporaryHome.ts"
import { fetchedFrom, writePackage } from "./Packages.ts"

const [project = "", home = "", target = ""] = process.argv.slice(2)

const stopping = FaultyFileSystem.layer({
  failAfterWrites: Number.POSITIVE_INFINITY,
  code: "EIO",
  onWrite: (method, path) =>
    method === "rename" && path.endsWith(target)
      ? Effect.andThen(
          Effect.sync(() => process.stdout.write("stopped\n")),
          Effect.never
        )
      : Effect.void
})

const host = UnpackedReleases.layer.pipe(
  Layer.provideMerge(FilePackageStore.layer),
  Layer.provideMerge(Testing.host(Testing.network(), { host: "10.0.0.1" })),
  Layer.provideMerge(Home.layer(home)),
  Layer.provideMerge(TemporaryHome.platform)
)

// Nothing but a timer keeps a process alive that waits for ever.
setInterval(() => undefined, 1000)

await Effect.gen(function* () {
  const a = yield* fetchedFrom(writePackage(Path.resolve(home), "a", "2.0.0", { "index.js": "new" }))
  yield* install(project, [a]).pipe(Effect.provide(stopping, { local: true }))
}).pipe(Effect.scoped, Effect.provide(host), Effect.runPromise)
