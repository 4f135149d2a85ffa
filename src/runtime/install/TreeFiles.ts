/** The files of everything in a plan, and whether they can be used here: what is between a plan and a tree. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { ExitCode, explain } from "../../protocol/core/Errors.ts"
import type * as LockFile from "../../protocol/registry/LockFile.ts"
import type * as Acquire from "./Acquire.ts"
import type * as ApplyTree from "./ApplyTree.ts"
import * as Engines from "./Engines.ts"
import type { ScriptFailed, UnsupportedEngine } from "./InstallError.ts"
import type * as InstallPlan from "./InstallPlan.ts"

/** Packages unpacked or downloaded at a time where the lock says which. */
const CONCURRENCY = 16

/**
 * Whether it is about a package that nobody has. A disk that fails, a network that was not asked or does not answer,
 * and whatever was found and refused is no reason to go without an optional package.
 */
const isNowhere = (error: unknown): boolean => {
  const explained = explain(error)
  return explained?.exitCode === ExitCode.notFound || explained?._tag === "NoPeers"
}

const keyOf = ({ name, publisher, version }: LockFile.LockedPackage): string => `${name}@${version} ${publisher}`

export type Unusable<E> = E | ScriptFailed | UnsupportedEngine

/** The files of everything in a plan; what is optional, and may be left out since nobody has it, is noted in `failed`. */
export const acquireAll = Effect.fnUntraced(function* <E, R>(
  instances: InstallPlan.Plan["instances"],
  acquire: (locked: LockFile.LockedPackage) => Effect.Effect<Acquire.Files, E, R>,
  files: Map<string, Acquire.Files>,
  failed: Map<string, Unusable<E>>,
  { frozen, onAcquired }: { readonly frozen: boolean; readonly onAcquired: (count: number) => Effect.Effect<void> }
) {
  const byPackage = new Map<string, { readonly locked: LockFile.LockedPackage; readonly ids: Array<string> }>()
  for (const [id, locked] of instances) {
    if (files.has(id)) continue
    const known = byPackage.get(keyOf(locked))
    if (known === undefined) byPackage.set(keyOf(locked), { locked, ids: [id] })
    else known.ids.push(id)
  }
  const one = Effect.fnUntraced(function* ({
    ids,
    locked
  }: {
    readonly locked: LockFile.LockedPackage
    readonly ids: ReadonlyArray<string>
  }) {
    const result = yield* Effect.result(acquire(locked))
    if (Result.isSuccess(result)) {
      for (const id of ids) files.set(id, result.success)
      return yield* onAcquired(files.size)
    }
    const isOptional = ids.every((id) => instances.get(id)?.optional === true)
    if (frozen || !isOptional || !isNowhere(result.failure)) return yield* Effect.fail(result.failure)
    for (const id of ids) failed.set(id, result.failure)
  })
  yield* Effect.forEach(byPackage.values(), one, { concurrency: CONCURRENCY, discard: true })
})

/** Packages that ask for another Node: warned of, or noted in `failed` where the project is strict. */
export const checkEngines = Effect.fnUntraced(function* <E>(
  instances: InstallPlan.Plan["instances"],
  files: ReadonlyMap<string, Acquire.Files>,
  failed: Map<string, Unusable<E>>,
  isStrict: boolean
) {
  const warnings = new Set<string>()
  for (const [id, { optional }] of instances) {
    const facts = files.get(id)?.index.facts
    const problem = facts === undefined ? undefined : Engines.problemOf(facts)
    if (problem === undefined) continue
    if (!isStrict) warnings.add(problem.message)
    else if (optional === true) failed.set(id, problem)
    else return yield* problem
  }
  return [...warnings]
})

export const treeOf = (
  { instances, project }: InstallPlan.Plan,
  files: ReadonlyMap<string, Acquire.Files>,
  digests: Pick<ApplyTree.Tree, "lock" | "wishes" | "request">
): ApplyTree.Tree => ({
  packages: new Map(
    [...instances].map(([id, locked]) => [
      id,
      {
        ...files.get(id)!,
        name: locked.name,
        version: locked.version,
        publisher: locked.publisher,
        integrity: locked.integrity,
        dependencies: new Map(Object.entries(locked.dependencies).filter(([, target]) => instances.has(target))),
        isOptional: locked.optional === true
      }
    ])
  ),
  project,
  ...digests
})
