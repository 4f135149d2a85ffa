/**
 * Which packages of a lock file belong into a project on this machine: those that the project can reach,
 * without what is for other systems, what could not be had, and what only development needs. What
 * requires something that is left out is left out as well; where that ends at the project it is an error.
 */
import * as Result from "effect/Result"
import { explain } from "../../protocol/core/Errors.ts"
import type { PackageName } from "../../protocol/core/PackageName.ts"
import type { LockedPackage, LockFile } from "../../protocol/registry/LockFile.ts"
import { ScriptFailed, UnsupportedPlatform } from "./InstallError.ts"

/** As Node names them: `process.platform`, `process.arch`. */
export interface Platform {
  readonly os: string
  readonly cpu: string
}

export interface Plan {
  /** Keys of the lock's `packages`, in its order. */
  readonly instances: ReadonlyMap<string, LockedPackage>
  /** What the project sees, by name. */
  readonly project: ReadonlyMap<PackageName, string>
  /** Why something is left out, by instance; other instances that are left out with it have the same reason. */
  readonly left: ReadonlyMap<string, string>
}

export interface Options<E> {
  readonly platform: Platform
  /** Names of `lock.project` that only development needs and that are not wanted. */
  readonly without: ReadonlySet<string>
  /** What could not be had, by instance. */
  readonly failed: ReadonlyMap<string, E>
}

/** npm's meaning of `os` and `cpu`: any of those named, or none of those with a `!`. */
const admits = (list: ReadonlyArray<string> | undefined, value: string): boolean => {
  if (list === undefined || list.length === 0 || (list.length === 1 && list[0] === "any")) return true
  if (list.includes(`!${value}`)) return false
  return list.includes(value) || list.every((each) => each.startsWith("!"))
}

export const isFor = ({ cpu, os }: Pick<LockedPackage, "os" | "cpu">, platform: Platform): boolean =>
  admits(os, platform.os) && admits(cpu, platform.cpu)

const platformText = ({ cpu, os }: Pick<LockedPackage, "os" | "cpu">): string =>
  [...(os === undefined ? [] : [os.join(", ")]), ...(cpu === undefined ? [] : [cpu.join(", ")])].join(" on ")

const ownPlatform = ({ cpu, os }: Platform): string => `${os} on ${cpu}`

/** Why a package is left out, in the middle of a sentence about it. */
const reasonOf = (failure: unknown): string => {
  if (failure instanceof ScriptFailed) return `its ${failure.script} script ${failure.problem}`
  return explain(failure)?.message ?? "it could not be had"
}

/** Everything that requires one of `bad`, directly or not, with what it goes back to. */
const spread = <A>(lock: LockFile, bad: ReadonlyMap<string, A>): ReadonlyMap<string, A> => {
  if (bad.size === 0) return bad
  const dependents = new Map<string, Array<string>>()
  for (const [id, { dependencies, optionalDependencies = [] }] of Object.entries(lock.packages)) {
    const optional = new Set<string>(optionalDependencies)
    for (const [name, target] of Object.entries(dependencies)) {
      if (optional.has(name)) continue
      const known = dependents.get(target)
      if (known === undefined) dependents.set(target, [id])
      else known.push(id)
    }
  }
  const all = new Map(bad)
  const queue = [...bad.keys()]
  for (let at = 0; at < queue.length; at++) {
    const reason = all.get(queue[at]!)!
    for (const dependent of dependents.get(queue[at]!) ?? []) {
      if (all.has(dependent)) continue
      all.set(dependent, reason)
      queue.push(dependent)
    }
  }
  return all
}

/** Fails with what is behind the first thing that the project cannot do without. */
export const make = <E>(
  lock: LockFile,
  { failed, platform, without }: Options<E>
): Result.Result<Plan, E | UnsupportedPlatform> => {
  type Reason = { readonly text: string; readonly error: () => E | UnsupportedPlatform }
  const bad = new Map<string, Reason>()
  for (const [id, locked] of Object.entries(lock.packages)) {
    const failure = failed.get(id)
    if (failure !== undefined) bad.set(id, { text: reasonOf(failure), error: () => failure })
    if (isFor(locked, platform)) continue
    const wanted = platformText(locked)
    const mismatch = { package: `${locked.name}@${locked.version}`, wanted, found: ownPlatform(platform) }
    bad.set(id, { text: `it is made for ${wanted}`, error: () => new UnsupportedPlatform(mismatch) })
  }
  const unusable = spread(lock, bad)
  const optional = new Set(Object.keys(lock.wishes.optionalDependencies ?? {}))
  const asked = new Set([
    ...Object.keys(lock.wishes.dependencies ?? {}),
    ...Object.keys(lock.wishes.peerDependencies ?? {})
  ])
  const roots: Array<string> = []
  const left = new Map<string, string>()
  for (const [name, id] of Object.entries(lock.project)) {
    if (without.has(name)) continue
    const reason = unusable.get(id)
    if (reason === undefined) {
      // Peers that were added for others come with those, where only some are wanted.
      if (without.size === 0 || asked.has(name) || optional.has(name)) roots.push(id)
      continue
    }
    if (asked.has(name) && !optional.has(name)) return Result.fail(reason.error())
    left.set(id, reason.text)
  }
  const reached = new Set(roots)
  const queue = [...roots]
  for (let at = 0; at < queue.length; at++) {
    for (const target of Object.values(lock.packages[queue[at]!]!.dependencies)) {
      const reason = unusable.get(target)
      if (reason !== undefined) left.set(target, reason.text)
      else if (!reached.has(target)) {
        reached.add(target)
        queue.push(target)
      }
    }
  }
  return Result.succeed({
    instances: new Map(Object.entries(lock.packages).filter(([id]) => reached.has(id))),
    project: new Map(
      Object.entries(lock.project).filter((entry): entry is [PackageName, string] => {
        const [name, id] = entry
        return reached.has(id) && !without.has(name)
      })
    ),
    left
  })
}
