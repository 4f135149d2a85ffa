/**
 * An install from beginning to end, as the command line, the mirror and programs use it: from package.json
 * and lock file to a `node_modules`, and back into both. What the lock and the store suffice for is done
 * without the network; what has to be resolved is downloaded and unpacked while the rest is resolved.
 *
 * One install at a time works on a project. Whatever happens, the project has its old tree or the new one.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import type * as PackageSpec from "../../protocol/core/PackageSpec.ts"
import { aimOf, edgesOf } from "../../protocol/registry/DependencyGraph.ts"
import * as LockDifference from "../../protocol/registry/LockDifference.ts"
import * as KnownProjects from "../store/KnownProjects.ts"
import * as FollowLock from "./FollowLock.ts"
import { InvalidProject, LockOutdated, NotInstalled } from "./InstallError.ts"
import type * as InstallPlan from "./InstallPlan.ts"
import * as InstallSite from "./InstallSite.ts"
import * as ProjectFile from "./ProjectFile.ts"
import * as ProjectLock from "./ProjectLock.ts"
import * as Resolving from "./Resolving.ts"

export { type Remote, remote } from "./Resolving.ts"

/** What an install does one after the other: looking up what was named, and everything else. */
export type Phases = <A, E, R>(phase: "lookup" | "install", work: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

export interface Options {
  /** What is to be added, or taken in another range than before. */
  readonly add?: ReadonlyArray<PackageSpec.PackageSpec> | undefined
  /** Names of what is to be taken away. */
  readonly remove?: ReadonlyArray<string> | undefined
  /** Names for which the lock does not count, or all of them: they get the highest versions in range. */
  readonly update?: "all" | ReadonlySet<string> | undefined
  /** Installs what the lock file says or nothing: neither it nor package.json is changed. */
  readonly frozen?: boolean | undefined
  /** Leaves out what only development needs. */
  readonly production?: boolean | undefined
  /** A package that asks for another version of Node is an error. */
  readonly engineStrict?: boolean | undefined
  /** Where in package.json what is added is written; by default where it stands, else in `dependencies`. */
  readonly save?: ProjectFile.Section | "nowhere" | undefined
  /** Names of packages whose scripts may run, besides those that package.json allows already. */
  readonly allowScripts?: ReadonlyArray<string> | undefined
  /** Put around the work, for those who show how far it is. */
  readonly phase?: Phases | undefined
  /** Told how many packages are there by now. */
  readonly onAcquired?: ((count: number) => Effect.Effect<void>) | undefined
}

const platform: InstallPlan.Platform = { os: process.platform, cpu: process.arch }

/** What is there and no directory can be no project. */
const requireDirectory = Effect.fnUntraced(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  const info = yield* Effect.option(fs.stat(directory))
  if (Option.isNone(info) || info.value.type === "Directory") return
  return yield* new InvalidProject({ location: directory, problem: "it is not a directory" })
})

/** Fails where something is to be taken away or updated that the project does not have. */
const requireKnown = Effect.fnUntraced(function* (
  file: ProjectFile.ProjectFile,
  known: ProjectLock.ProjectLock | undefined,
  { add = [], remove = [], update }: Options
) {
  const isAsked = (name: string) => ProjectFile.sectionOf(file, name) !== undefined
  const gone = remove.filter((name) => !isAsked(name))
  if (gone.length > 0) {
    const hint = "ls-cli list shows what the project depends on; what others depend on goes when they go."
    return yield* new NotInstalled({ project: file.location, names: gone, hint })
  }
  const locked = new Set<string>([
    ...Object.values(known?.lock.packages ?? {}).map(({ name }) => name),
    // Aliases are names that no package has.
    ...Object.values(known?.lock.packages ?? {}).flatMap(({ dependencies }) => Object.keys(dependencies)),
    ...Object.keys(file.json.peerDependencies ?? {}),
    ...add.map(({ name }) => name)
  ])
  const strange = (update === "all" ? [] : [...(update ?? [])]).filter((name) => !isAsked(name) && !locked.has(name))
  if (strange.length > 0) {
    const hint = "ls-cli list --all shows what is in the tree; ls-cli install adds what is not."
    return yield* new NotInstalled({ project: file.location, names: strange, hint })
  }
})

/** Names that are taken away: of aliases that of the package behind them too, where nothing else of the project leads to it. */
const removedFrom = (file: ProjectFile.ProjectFile, { remove = [] }: Options): ReadonlySet<string> => {
  const names = new Set(remove)
  const edges = edgesOf(ProjectFile.wishesOf(file))
  const kept = new Set(edges.flatMap((edge) => (names.has(edge.name) ? [] : [aimOf(edge).name])))
  const gone = edges.flatMap((edge) => (names.has(edge.name) ? [aimOf(edge).name] : []))
  return new Set([...names, ...gone.filter((name) => !kept.has(name))])
}

/** Fails where a frozen install has nothing to go by. */
const requireFrozen = Effect.fnUntraced(function* (
  directory: string,
  file: ProjectFile.ProjectFile,
  known: ProjectLock.ProjectLock | undefined
) {
  const location = yield* ProjectLock.locationOf(directory)
  if (known === undefined) {
    return yield* new LockOutdated({ location, problem: "does not exist, and --frozen needs it" })
  }
  const difference = file.text === undefined ? undefined : LockDifference.of(known.lock, ProjectFile.wishesOf(file))
  if (difference !== undefined) {
    return yield* new LockOutdated({ location, problem: `is not up to date: ${difference}` })
  }
  return { file, ...known, named: [], warnings: [] } satisfies Resolving.Resolved
})

/**
 * Installs into `project`, which is made where it is missing. Without a `remote` nothing is asked of anybody: what does
 * not lie on this machine is `NeedsNetwork`, before anything is changed.
 */
export const install = Effect.fn("InstallTree.install")(function* <E, R>(
  project: string,
  options: Options,
  remote: Resolving.Remote<E, R> | undefined
) {
  const directory = (yield* Path.Path).resolve(project)
  yield* requireDirectory(directory)
  yield* InstallSite.hold(directory)
  const { engineStrict = false, frozen = false, onAcquired = () => Effect.void, production = false } = options
  const phase: Phases = options.phase ?? ((_, work) => work)
  const file = yield* ProjectFile.read(directory)
  const known = yield* ProjectLock.read(directory)
  // What the project locks is in use from now on, not first when it is installed.
  yield* Effect.ignore(KnownProjects.note(directory))
  yield* requireKnown(file, known, options)
  const removed = removedFrom(file, options)
  // Whoever publishes the name next was not meant.
  const allowedBefore = ProjectFile.allowedOf(file).filter((name) => !removed.has(name))
  const allowed = [...new Set([...allowedBefore, ...(options.allowScripts ?? [])])].toSorted()
  const request: Resolving.Request = {
    add: options.add ?? [],
    remove: options.remove ?? [],
    update: options.update ?? new Set(),
    save: options.save,
    allowScripts: options.allowScripts === undefined ? allowedBefore : allowed,
    platform,
    onAcquired
  }
  const asks = !frozen && remote !== undefined && request.add.length > 0
  const named = asks ? yield* phase("lookup", Resolving.lookUp(known, request, remote)) : []
  const resolving = Effect.gen(function* () {
    if (frozen) return yield* requireFrozen(directory, file, known)
    if (remote === undefined) return yield* Resolving.resolveLocally(file, known, request)
    return yield* Resolving.resolveWith(file, known, request, named, remote)
  })
  const manner: FollowLock.Manner = {
    platform,
    production,
    engineStrict,
    onAcquired,
    frozen,
    allowed: new Set(allowed),
    isSaved: !frozen && options.save !== "nowhere"
  }
  const installing = Effect.flatMap(resolving, (resolved) =>
    FollowLock.follow({ directory, file, known, resolved }, manner, remote)
  )
  return yield* phase("install", installing)
}, Effect.scoped)
