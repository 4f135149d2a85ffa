/**
 * Makes a project's `node_modules` that of a given tree, under the lock that its caller holds: puts in
 * place the instances that are not there yet, runs the scripts that are allowed, and then gives the
 * project its new links in one transaction. The old tree is whole until that moment, the new one from
 * then on; instances of which neither speaks any more are removed at the end.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import { StorageFailed } from "../../protocol/swarm/Content.ts"
import { problemOf } from "../store/PlatformProblem.ts"
import type { UnpackedIndex } from "../store/UnpackedIndex.ts"
import * as Bins from "./Bins.ts"
import * as InstalledState from "./InstalledState.ts"
import * as InstanceNames from "./InstanceNames.ts"
import * as PlaceInstances from "./PlaceInstances.ts"
import * as SwitchTree from "./SwitchTree.ts"
import * as Waste from "./Waste.ts"

/** A package of a tree, its files unpacked. */
export interface TreePackage {
  readonly name: string
  readonly version: string
  /** Base64. */
  readonly publisher: string
  readonly integrity: string
  readonly contentHash: string
  /** Where its files lie unpacked. */
  readonly source: string
  readonly index: UnpackedIndex
  /** What it sees, by name: keys of the tree's packages. */
  readonly dependencies: ReadonlyMap<string, string>
  readonly isOptional: boolean
}

export interface Tree {
  readonly packages: ReadonlyMap<string, TreePackage>
  /** What the project sees, by name: keys of `packages`. */
  readonly project: ReadonlyMap<string, string>
  /** Digests, see `InstalledState.State`. */
  readonly lock: string
  readonly wishes: string
  readonly request: string
}

export interface Applied {
  readonly state: InstalledState.State
  /** Keys of packages whose directories were made. */
  readonly placed: ReadonlyArray<string>
  /** `name@version` of packages whose scripts ran. */
  readonly built: ReadonlyArray<string>
}

const failed = (location: string, operation: string) => (error: PlatformError) =>
  new StorageFailed({ location, operation, problem: problemOf(error) })

/** What is compiled for one Node does not run on another. */
const machine = `${process.platform} ${process.arch} ${process.versions.modules}`

const nodeOf =
  (isBuilt: (each: TreePackage) => boolean) =>
  (each: TreePackage): InstanceNames.Node => ({
    label: `${each.name}@${each.version}`,
    content: `${each.publisher} ${each.contentHash}${isBuilt(each) ? ` built for ${machine}` : ""}`,
    dependencies: each.dependencies
  })

/**
 * `allowed` are the names of packages whose scripts may run; `record` writes down what the tree comes from, and
 * is done together with the change. The tree's dependencies all lead to packages of the tree.
 */
export const apply = Effect.fn("ApplyTree.apply")(function* <R>(
  project: string,
  tree: Tree,
  allowed: ReadonlySet<string>,
  record: Effect.Effect<void, StorageFailed, R>
) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const modules = InstalledState.modulesOf(project)
  const before = InstalledState.read(project)
  const isBuilt = ({ index, name }: TreePackage) => index.facts.scripts !== undefined && allowed.has(name)
  const toNode = nodeOf(isBuilt)
  const { names, order } = InstanceNames.make(new Map([...tree.packages].map(([id, each]) => [id, toNode(each)])))
  const directoryOf = (id: string) => names.get(id)!
  const byDirectory = new Map([...tree.packages].map(([id, each]) => [directoryOf(id), each]))
  const dependenciesOf = ({ dependencies }: TreePackage) =>
    new Map([...dependencies].map(([name, id]) => [name, directoryOf(id)]))

  const virtual = path.join(modules, InstalledState.VIRTUAL)
  yield* fs.makeDirectory(virtual, { recursive: true }).pipe(Effect.mapError(failed(virtual, "make")))
  const there = new Set(yield* fs.readDirectory(virtual).pipe(Effect.orElseSucceed((): Array<string> => [])))
  const isThere = (directory: string) =>
    there.has(directory) && before !== undefined && Object.hasOwn(before.packages, directory)
  const missing = order.filter((id) => !isThere(directoryOf(id)))
  const instances = missing.map((id): PlaceInstances.Instance => {
    const each = tree.packages.get(id)!
    const { index, name, source } = each
    return {
      directory: directoryOf(id),
      isThere: there.has(directoryOf(id)),
      name,
      source,
      index,
      dependencies: dependenciesOf(each),
      isCopied: isBuilt(each)
    }
  })
  yield* PlaceInstances.place(modules, instances)
  const commandsOf = (directory: string): Bins.Commands => Bins.commandsOf(byDirectory.get(directory)!.index)
  yield* PlaceInstances.linkCommands(modules, instances, commandsOf)
  const built = missing.filter((id) => isBuilt(tree.packages.get(id)!))
  // Processes are for the few who let scripts run.
  const { run } = built.length === 0 ? { run: () => Effect.void } : yield* Effect.promise(() => import("./Scripts.ts"))
  for (const id of built) {
    const { index, name, version } = tree.packages.get(id)!
    yield* run(modules, { name, version, directory: directoryOf(id), facts: index.facts })
  }

  const packages = Object.fromEntries(
    [...tree.packages].map(([id, each]): [string, InstalledState.InstalledPackage] => [
      directoryOf(id),
      {
        id,
        name: each.name,
        version: each.version,
        publisher: each.publisher,
        integrity: each.integrity,
        contentHash: each.contentHash,
        dependencies: Object.fromEntries(dependenciesOf(each)),
        ...(each.isOptional ? { optional: true } : {}),
        ...(isBuilt(each) ? { built: true } : {}),
        ...(each.index.facts.scripts === undefined || isBuilt(each)
          ? {}
          : { notRun: Object.keys(each.index.facts.scripts) })
      }
    ])
  )
  const fields = {
    lock: tree.lock,
    wishes: tree.wishes,
    request: tree.request,
    packages,
    project: Object.fromEntries([...tree.project].map(([name, id]) => [name, directoryOf(id)])),
    bins: []
  }
  const state = yield* SwitchTree.switchTo(modules, before, { state: InstalledState.make(fields), commandsOf }, record)
  yield* Waste.remove(project)
  const labelOf = (id: string) => `${tree.packages.get(id)!.name}@${tree.packages.get(id)!.version}`
  return { state, placed: missing, built: built.map(labelOf) } satisfies Applied
})
