/**
 * Puts fetched releases into a project's `node_modules` as they are given, without package.json and without
 * a lock file: all of them or none. Each sees those of the others that it depends on. What an earlier
 * install put there, and these do not include, is taken away. Lifecycle scripts are never run.
 */
import * as Effect from "effect/Effect"
import * as Path from "effect/Path"
import type { Fetched } from "../../protocol/swarm/FetchRelease.ts"
import { UnpackedReleases } from "../store/UnpackedReleases.ts"
import * as ApplyTree from "./ApplyTree.ts"
import * as InstallSite from "./InstallSite.ts"

/** Packages unpacked at a time. */
const CONCURRENCY = 4

/** The release as a package of a tree, unpacked if need be. */
export const packageOf = Effect.fnUntraced(function* (fetched: Fetched) {
  const unpacked = yield* UnpackedReleases
  const { manifest } = fetched
  const { directory: source, index } = yield* unpacked.ensure(fetched)
  return {
    name: manifest.name,
    version: manifest.version,
    publisher: manifest.publisher,
    integrity: manifest.tarball.sha512,
    contentHash: manifest.contentHash,
    source,
    index
  }
})

/**
 * Installs into `<project>/node_modules`, which is made where it is missing; of several releases of one name
 * the last one stays. Waits while another install changes the same project. What an earlier install left
 * behind, killed or failed, is undone first, even if there is nothing to install.
 */
export const install = Effect.fn("Install.install")(function* (project: string, releases: ReadonlyArray<Fetched>) {
  const path = yield* Path.Path
  const directory = path.resolve(project)
  yield* InstallSite.hold(directory)
  const byName = new Map<string, Fetched>(releases.map((fetched) => [fetched.release.n, fetched]))
  if (byName.size === 0) return
  const packages = yield* Effect.forEach(byName.values(), packageOf, { concurrency: CONCURRENCY })
  const dependenciesOf = (name: string) =>
    new Map(
      Object.keys(byName.get(name)?.manifest.dependencies ?? {}).flatMap((each) =>
        byName.has(each) ? [[each, each] as const] : []
      )
    )
  const tree: ApplyTree.Tree = {
    packages: new Map(
      packages.map((each) => [each.name, { ...each, dependencies: dependenciesOf(each.name), isOptional: false }])
    ),
    project: new Map(packages.map(({ name }) => [name, name])),
    lock: "",
    wishes: "",
    request: ""
  }
  yield* ApplyTree.apply(directory, tree, new Set(), Effect.void)
}, Effect.scoped)
