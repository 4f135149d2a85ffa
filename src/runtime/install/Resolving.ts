/**
 * From what a project asks for to the lock that an install follows: the lock file where it answers, else
 * a tree resolved anew, in which the lock file still answers what it can. Whatever is downloaded on the
 * way is unpacked while the rest is resolved.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Semaphore from "effect/Semaphore"
import * as Infohash from "../../protocol/core/Infohash.ts"
import * as PackageSpec from "../../protocol/core/PackageSpec.ts"
import * as PublicKey from "../../protocol/core/PublicKey.ts"
import type * as DependencyGraph from "../../protocol/registry/DependencyGraph.ts"
import { edgeOfSpec } from "../../protocol/registry/DependencyGraph.ts"
import * as DependencyTree from "../../protocol/registry/DependencyTree.ts"
import * as LockFile from "../../protocol/registry/LockFile.ts"
import type { Manifest } from "../../protocol/registry/Manifest.ts"
import { sameContent } from "../../protocol/registry/Release.ts"
import type { Fetched } from "../../protocol/swarm/FetchRelease.ts"
import * as Acquire from "./Acquire.ts"
import * as Install from "./Install.ts"
import { NeedsNetwork } from "./InstallError.ts"
import * as InstallPlan from "./InstallPlan.ts"
import * as ProjectFile from "./ProjectFile.ts"
import type * as ProjectLock from "./ProjectLock.ts"
import * as SavedRange from "./SavedRange.ts"

/** The ways into the network of a whole install. */
export interface Remote<E, R> extends Acquire.Remote<E, R> {
  readonly resolve: (spec: PackageSpec.PackageSpec) => Effect.Effect<DependencyGraph.Choice, E, R>
}

/** Ways that may fail, and need, each something else. */
export const remote = <E, R, E2, R2, E3, R3>(ways: {
  readonly resolve: (spec: PackageSpec.PackageSpec) => Effect.Effect<DependencyGraph.Choice, E, R>
  readonly releaseOf: LockFile.ReleaseOf<E2, R2>
  readonly fetch: (choice: DependencyGraph.Choice) => Effect.Effect<Fetched, E3, R3>
}): Remote<E | E2 | E3, R | R2 | R3> => ways

export interface Request {
  readonly add: ReadonlyArray<PackageSpec.PackageSpec>
  readonly remove: ReadonlyArray<string>
  readonly update: "all" | ReadonlySet<string>
  readonly save: ProjectFile.Section | "nowhere" | undefined
  readonly allowScripts: ReadonlyArray<string>
  readonly platform: InstallPlan.Platform
  readonly onAcquired: (count: number) => Effect.Effect<void>
}

export interface Resolved {
  /** package.json as it is to be. */
  readonly file: ProjectFile.ProjectFile
  readonly lock: LockFile.LockFile
  /** Of the lock. */
  readonly text: string
  /** What was asked for by name. */
  readonly named: ReadonlyArray<DependencyGraph.Choice>
  readonly warnings: ReadonlyArray<string>
}

/** Packages unpacked at a time, while others are still looked for. */
const UNPACKING = 4

export interface Named {
  readonly spec: PackageSpec.PackageSpec
  readonly choice: DependencyGraph.Choice
}

/** package.json with what was asked for by name, and what the project then wishes for. */
const withNamed = Effect.fnUntraced(function* (
  file: ProjectFile.ProjectFile,
  named: ReadonlyArray<Named>,
  save: Request["save"]
) {
  if (save === "nowhere") {
    const wishes = ProjectFile.wishesOf(file)
    const more = Object.fromEntries(named.map(({ spec }) => [spec.name, spec.range]))
    const ranges = new Map<string, string>(Object.entries(more))
    return { file, ranges, wishes: { ...wishes, dependencies: { ...wishes.dependencies, ...more } } }
  }
  const set = named.map(({ choice, spec: { name, range } }) => ({
    name,
    range: SavedRange.of(range, choice.release.v),
    section: save ?? ProjectFile.sectionOf(file, name) ?? "dependencies"
  }))
  const edited = yield* ProjectFile.edit(file, { remove: [], set })
  return {
    file: edited,
    ranges: new Map(set.map(({ name, range }) => [name, range])),
    wishes: ProjectFile.wishesOf(edited)
  }
})

/** Whether the lock has exactly what was chosen for what was asked for by name. */
const hasNamed = (lock: LockFile.LockFile, named: ReadonlyArray<Named>, ranges: ReadonlyMap<string, string>) =>
  named.every(({ choice, spec }) => {
    const locked = LockFile.find(lock, { name: spec.name, range: ranges.get(spec.name) ?? "" })
    return (
      locked !== undefined &&
      locked.infohash === Infohash.toHex(choice.release.ih) &&
      locked.publisher === PublicKey.toBase64(choice.publisher)
    )
  })

const isComplete = (lock: LockFile.LockFile): boolean =>
  Object.values(lock.packages).every(({ contentHash }) => contentHash !== undefined)

/** Manifests for the walk through the tree, while what they belong to is unpacked behind it. */
const manifests = Effect.fnUntraced(function* <E, R>(remote: Acquire.Remote<E, R>, request: Request) {
  const permits = yield* Semaphore.make(UNPACKING)
  const unpacking: Array<Fiber.Fiber<unknown, unknown>> = []
  let count = 0

  const unpackBehind = Effect.fnUntraced(function* (fetched: Fetched) {
    if (!InstallPlan.isFor(fetched.manifest, request.platform)) return
    // What fails here fails again, and is told, where the package is needed.
    const unpack = Effect.ignore(permits.withPermits(1)(Install.packageOf(fetched)))
    unpacking.push(yield* Effect.forkScoped(unpack))
  })

  const read = Effect.fnUntraced(function* (choice: DependencyGraph.Choice) {
    const { publisher, release } = choice
    const known = yield* Acquire.stored(publisher, release.n, release.v)
    if (known !== undefined && sameContent(known.release, release)) {
      const manifest = yield* Acquire.manifestOf(known)
      const isThere =
        manifest !== undefined &&
        (yield* Acquire.unpacked(manifest.contentHash, { ...manifest, integrity: manifest.tarball.sha512 }))
      if (manifest !== undefined && isThere) return manifest
    }
    const fetched = yield* remote.fetch(choice)
    yield* unpackBehind(fetched)
    yield* request.onAcquired(++count)
    return fetched.manifest
  })

  const done = new Map<string, Manifest>()
  const manifestOf = Effect.fnUntraced(function* (choice: DependencyGraph.Choice) {
    const key = Infohash.toHex(choice.release.ih)
    const manifest = done.get(key) ?? (yield* read(choice))
    done.set(key, manifest)
    return manifest
  })
  return { manifestOf, unpacked: Effect.suspend(() => Fiber.awaitAll(unpacking)) }
})

/** The release of a locked package, from the store where it has it. */
const storeFirst =
  <E, R>(remote: Acquire.Remote<E, R>) =>
  (...[publisher, name, version, infohash]: Parameters<LockFile.ReleaseOf<E, R>>) =>
    Effect.flatMap(Acquire.stored(publisher, name, version), (known) =>
      known === undefined
        ? remote.releaseOf(publisher, name, version, infohash)
        : Effect.succeed<DependencyGraph.Choice>(known)
    )

/** A way that leads nowhere: what the lock and the store do not answer fails, and is noted. */
const nobody = () => {
  let lacking: NeedsNetwork | undefined
  const fail = (needed: string) =>
    Effect.suspend(() => {
      lacking ??= new NeedsNetwork({ needed })
      return Effect.fail(lacking)
    })
  const remote = {
    resolve: (spec: PackageSpec.PackageSpec) => fail(PackageSpec.format(spec)),
    releaseOf: (_publisher: unknown, name: string, version: string) => fail(`${name}@${version}`),
    fetch: Effect.fnUntraced(function* (choice: DependencyGraph.Choice) {
      const { publisher, release } = choice
      const known = yield* Acquire.stored(publisher, release.n, release.v)
      const fetched = known === undefined ? undefined : yield* Acquire.intact(known)
      return fetched ?? (yield* fail(`${release.n}@${release.v}`))
    })
  }
  return { remote, lacking: () => lacking }
}

/** Whether a name is asked for anew, whatever the lock file has. */
const isAnew = ({ update }: Request, name: string): boolean => update === "all" || update.has(name)

/** What was asked for by name: as it is locked for the very range, else as it is to be had. */
export const lookUp = Effect.fn("Resolving.lookUp")(function* <E, R>(
  known: ProjectLock.ProjectLock | undefined,
  request: Request,
  remote: Remote<E, R>
) {
  const choose = Effect.fnUntraced(function* (spec: PackageSpec.PackageSpec) {
    const locked = known === undefined || isAnew(request, spec.name) ? undefined : LockFile.find(known.lock, spec)
    const choice: DependencyGraph.Choice =
      locked === undefined ? yield* remote.resolve(spec) : yield* LockFile.releaseOfLocked(locked, storeFirst(remote))
    return { spec, choice } satisfies Named
  })
  return yield* Effect.forEach(request.add, choose, { concurrency: "unbounded" })
})

/**
 * As {@link resolveWith}, with what lies on this machine alone. What would have to be asked for is `NeedsNetwork`,
 * whatever the failure is that it leads to.
 */
export const resolveLocally = Effect.fnUntraced(function* (
  before: ProjectFile.ProjectFile,
  known: ProjectLock.ProjectLock | undefined,
  request: Request
) {
  const { lacking, remote } = nobody()
  return yield* Effect.gen(function* () {
    return yield* resolveWith(before, known, request, yield* lookUp(known, request, remote), remote)
  }).pipe(Effect.mapError((error) => lacking() ?? error))
})

/** Everything that an install needs to know. Changes nothing but the store. */
export const resolveWith = Effect.fn("Resolving.resolveWith")(function* <E, R>(
  before: ProjectFile.ProjectFile,
  known: ProjectLock.ProjectLock | undefined,
  request: Request,
  named: ReadonlyArray<Named>,
  remote: Remote<E, R>
) {
  const { allowScripts, remove, save, update } = request
  const file = yield* ProjectFile.edit(before, {
    remove,
    set: [],
    ...(save === "nowhere" ? {} : { allowScripts })
  })
  const { file: edited, ranges, wishes } = yield* withNamed(file, named, save)
  const choices = named.map(({ choice }) => choice)
  if (
    known !== undefined &&
    update !== "all" &&
    update.size === 0 &&
    LockFile.answers(known.lock, wishes) &&
    isComplete(known.lock) &&
    hasNamed(known.lock, named, ranges)
  ) {
    return { file: edited, ...known, named: choices, warnings: [] } satisfies Resolved
  }
  const overrides = new Map(named.map(({ choice, spec }) => [`${spec.name}@${ranges.get(spec.name)}`, choice]))
  const { manifestOf, unpacked } = yield* manifests(remote, request)
  // What was named and cannot be had is told as it is, and not as somebody's dependency.
  yield* Effect.forEach(choices, manifestOf, { concurrency: "unbounded", discard: true })
  const source = {
    resolve: (spec: PackageSpec.PackageSpec, text: string) => {
      const choice = overrides.get(text)
      return choice === undefined ? remote.resolve(spec) : Effect.succeed(choice)
    },
    manifestOf
  }
  const tree =
    known === undefined || update === "all"
      ? yield* DependencyTree.resolveTree(wishes, source)
      : yield* DependencyTree.resolveTree(
          wishes,
          LockFile.prefer(
            known.lock,
            source,
            storeFirst(remote),
            (spec, text) =>
              isAnew(request, spec.name) || isAnew(request, edgeOfSpec(text)?.name ?? spec.name) || overrides.has(text)
          )
        )
  yield* unpacked
  const lock = LockFile.make(wishes, tree)
  return { file: edited, lock, text: LockFile.toText(lock), named: choices, warnings: tree.warnings } satisfies Resolved
})
