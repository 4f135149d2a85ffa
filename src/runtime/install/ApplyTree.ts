/**
 * Makes a project's `node_modules` that of a given tree, under the lock that its caller holds: puts in
 * place the instances that are not there yet or are not whole, runs the scripts that are allowed, and then gives the
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
import * as InstanceCheck from "./InstanceCheck.ts"
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

/**
 * What was made and can be used, of a tree that is applied in several attempts under one lock: an optional package
 * whose script fails is left out of the next one, and the scripts of the others do not run again.
 */
export interface Progress {
  /** Directories of instances. */
  readonly ready: Set<string>
  /** `name@version` of packages whose scripts ran. */
  readonly built: Set<string>
}

export const progress = (): Progress => ({ ready: new Set(), built: new Set() })

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

const packageJsonOf = ({ files }: UnpackedIndex): Pick<InstalledState.InstalledPackage, "packageJson"> => {
  const size = files.find(([path]) => path === InstalledState.PACKAGE_JSON)?.[1]
  return size === undefined ? {} : { packageJson: size }
}

/**
 * `allowed` are the names of packages whose scripts may run; `record` writes down what the tree comes from, and
 * is done together with the change. The tree's dependencies all lead to packages of the tree.
 */
export const apply = Effect.fn("ApplyTree.apply")(function* <R>(
  project: string,
  tree: Tree,
  allowed: ReadonlySet<string>,
  record: Effect.Effect<void, StorageFailed, R>,
  { built, ready }: Progress = progress()
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
    new Map(
      [...dependencies].map(([name, id]): [string, PlaceInstances.Target] => [
        name,
        { directory: directoryOf(id), name: tree.packages.get(id)!.name }
      ])
    )

  const virtual = path.join(modules, InstalledState.VIRTUAL)
  yield* fs.makeDirectory(virtual, { recursive: true }).pipe(Effect.mapError(failed(virtual, "make")))
  const there = new Set(yield* fs.readDirectory(virtual).pipe(Effect.orElseSucceed((): Array<string> => [])))
  const isThere = (directory: string) =>
    ready.has(directory) || (there.has(directory) && before !== undefined && Object.hasOwn(before.packages, directory))
  const commandsOf = (directory: string): Bins.Commands => Bins.commandsOf(byDirectory.get(directory)!.index)
  const instanceOf = (id: string): PlaceInstances.Instance => {
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
  }
  const isInPlace = (id: string) =>
    isThere(directoryOf(id)) && InstanceCheck.isWhole(modules, instanceOf(id), commandsOf)
  const missing = order.filter((id) => !isInPlace(id))
  const instances = missing.map(instanceOf)
  yield* PlaceInstances.place(modules, instances)
  yield* PlaceInstances.linkCommands(modules, instances, commandsOf)
  // A first install that a power cut tears is made anew: nothing of it is flushed, and its links are not either.
  if (before !== undefined) yield* PlaceInstances.flush(modules, instances)
  const toBuild = missing.filter((id) => isBuilt(tree.packages.get(id)!))
  for (const id of missing) if (!isBuilt(tree.packages.get(id)!)) ready.add(directoryOf(id))
  // Processes are for the few who let scripts run.
  const { run } =
    toBuild.length === 0 ? { run: () => Effect.void } : yield* Effect.promise(() => import("./Scripts.ts"))
  for (const id of toBuild) {
    const { index, name, version } = tree.packages.get(id)!
    yield* run(modules, { name, version, directory: directoryOf(id), facts: index.facts })
    ready.add(directoryOf(id))
    built.add(`${name}@${version}`)
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
        dependencies: Object.fromEntries([...each.dependencies].map(([name, target]) => [name, directoryOf(target)])),
        ...(isBuilt(each) ? {} : packageJsonOf(each.index)),
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
  return { state, placed: missing, built: [...built] } satisfies Applied
})
