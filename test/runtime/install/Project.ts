/** A test with a project to install into, and a host that publishes and fetches what is installed. */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Testing from "../../../src/protocol/testing/index.ts"
import * as FilePackageStore from "../../../src/runtime/store/FilePackageStore.ts"
import { Home } from "../../../src/runtime/store/Home.ts"
import * as UnpackedReleases from "../../../src/runtime/store/UnpackedReleases.ts"
import * as TemporaryHome from "../TemporaryHome.ts"

const layerOn = (network: Testing.Network) =>
  UnpackedReleases.layer.pipe(
    Layer.provideMerge(FilePackageStore.layer),
    Layer.provideMerge(Testing.host(network, { host: "10.0.0.1" })),
    Layer.provideMerge(TemporaryHome.layer)
  )

/** A disk of a test's own, below what the test installs from as well. */
export const onDisk = <E, R>(disk: Layer.Layer<FileSystem.FileSystem, E, R>) =>
  Layer.provideMerge(Layer.fresh(UnpackedReleases.layer), disk)

type Services = Layer.Success<ReturnType<typeof layerOn>>

/** A test with a project directory, a store and a network of its own. */
export const test = (
  title: string,
  body: (world: {
    readonly root: string
    readonly project: string
    readonly network: Testing.Network
  }) => Effect.Effect<void, unknown, Services | Scope.Scope>
) =>
  it.live(title, () => {
    const network = Testing.network()
    return Effect.gen(function* () {
      const { directory } = yield* Home
      const project = Path.join(directory, "project")
      Fs.mkdirSync(project)
      yield* body({ root: directory, project, network })
    }).pipe(Effect.scoped, Effect.provide(layerOn(network), { local: true }))
  })
