/**
 * From a lock to a tree in place: gets the files of what the plan has, leaves out what is optional and
 * cannot be had or built here, gives the project its tree, and writes down what it comes from.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as PublicKey from "../../protocol/core/PublicKey.ts"
import type * as DependencyGraph from "../../protocol/registry/DependencyGraph.ts"
import type * as LockFile from "../../protocol/registry/LockFile.ts"
import * as KnownProjects from "../store/KnownProjects.ts"
import * as Acquire from "./Acquire.ts"
import * as ApplyTree from "./ApplyTree.ts"
import * as ForeignContent from "./ForeignContent.ts"
import * as InstalledState from "./InstalledState.ts"
import * as InstallPlan from "./InstallPlan.ts"
import * as InstallReport from "./InstallReport.ts"
import * as LockedEdges from "./LockedEdges.ts"
import * as ProjectFile from "./ProjectFile.ts"
import * as ProjectLock from "./ProjectLock.ts"
import type * as Resolving from "./Resolving.ts"
import * as TreeFiles from "./TreeFiles.ts"
import * as TrustCheck from "./TrustCheck.ts"

export interface Start {
  readonly directory: string
  /** As they were found. */
  readonly file: ProjectFile.ProjectFile
  readonly known: ProjectLock.ProjectLock | undefined
  readonly resolved: Resolving.Resolved
}

export interface Manner extends InstalledState.Request {
  readonly platform: InstallPlan.Platform
  /** Names of packages whose scripts may run. */
  readonly allowed: ReadonlySet<string>
  /** Whether what the lock has must be had, all that is for this machine. */
  readonly frozen: boolean
  /** Whether package.json and lock file are written. */
  readonly isSaved: boolean
  readonly onAcquired: (count: number) => Effect.Effect<void>
}

const namedOf = (choices: ReadonlyArray<DependencyGraph.Choice>): ReadonlyArray<InstallReport.NamedPackage> =>
  choices.map(({ publisher, release }) => ({
    name: release.n,
    version: release.v,
    publisher: PublicKey.toBase64(publisher)
  }))

const pinnedOf = (
  packages: Iterable<LockFile.LockedPackage>,
  names: Set<string>
): ReadonlyArray<InstallReport.NamedPackage> =>
  [...packages].flatMap(({ name, publisher, version }) => (names.delete(name) ? [{ name, version, publisher }] : []))

/** Fails with `NeedsNetwork` without a `remote`, where what lies on this machine does not suffice. */
export const follow = Effect.fn("FollowLock.follow")(function* <E, R>(
  { directory, file, known, resolved }: Start,
  { allowed, engineStrict, frozen, isSaved, onAcquired, platform, production }: Manner,
  remote: Acquire.Remote<E, R> | undefined
) {
  const { file: edited, lock, named, text, warnings } = resolved
  const before = InstalledState.read(directory)
  const without = production ? ProjectFile.developmentOnly(edited) : new Set<string>()
  const record = Effect.gen(function* () {
    if (!isSaved) return
    if (text !== known?.text) yield* ProjectLock.write(directory, text)
    // A new lock beside an old package.json would be neither what was there nor what was asked for.
    const takeBack = text === known?.text ? Effect.void : Effect.ignore(ProjectLock.restore(directory, known))
    if (edited.text !== file.text) yield* ProjectFile.write(edited).pipe(Effect.tapError(() => takeBack))
  })
  const location = yield* ProjectLock.locationOf(directory)
  const progress = ApplyTree.progress()
  const files = new Map<string, Acquire.Files>()
  const acquire = (locked: LockFile.LockedPackage) => Acquire.acquire(locked, remote)
  const failed = new Map<string, TreeFiles.Unusable<Effect.Error<ReturnType<typeof acquire>>>>()
  for (;;) {
    const failures = failed.size
    const plan = yield* Effect.fromResult(InstallPlan.make(lock, { platform, without, failed }))
    yield* TreeFiles.acquireAll(plan.instances, acquire, files, failed, { frozen, onAcquired })
    const engines = yield* TreeFiles.checkEngines(plan.instances, files, failed, engineStrict)
    if (failed.size > failures) continue
    // What was resolved just now comes from the manifests; what was found may be anybody's.
    const conflicts = text === known?.text ? yield* LockedEdges.check(location, lock, plan, files) : []
    yield* TrustCheck.requireTrusted(plan.instances.values())
    const digests = {
      // What could not be had today is tried again, and what is in no file is not what the file says.
      lock: (isSaved || text === known?.text) && failures === 0 ? InstalledState.digest(text) : "",
      wishes: ProjectFile.digestOf(edited),
      request: InstalledState.requestDigest({ production, engineStrict })
    }
    const tree = TreeFiles.treeOf(plan, files, digests)
    const applied = yield* Effect.result(ApplyTree.apply(directory, tree, allowed, record, progress))
    if (Result.isFailure(applied)) {
      const error = applied.failure
      const ids = [...plan.instances].flatMap(([id, { name, optional, version }]) =>
        error._tag === "ScriptFailed" && optional === true && `${name}@${version}` === error.package ? [id] : []
      )
      if (error._tag !== "ScriptFailed" || ids.length === 0) return yield* Effect.fail(error)
      for (const id of ids) failed.set(id, error)
      continue
    }
    const { state } = applied.success
    yield* KnownProjects.noteInstall(directory, lock)
    const pinned = new Set<string>(yield* TrustCheck.pin(plan.instances.values()))
    return InstallReport.make({
      directory,
      before,
      applied: applied.success,
      named: namedOf(named),
      left: [...plan.left].map(([id, why]) => `${id} is left out: ${why}`),
      warnings: [...new Set([...ProjectFile.warningsOf(edited), ...warnings, ...conflicts, ...engines])],
      pinned: pinnedOf(plan.instances.values(), pinned),
      foreign: yield* ForeignContent.packagesOf(
        InstalledState.modulesOf(directory),
        new Set(Object.keys(state.project))
      )
    })
  }
})
