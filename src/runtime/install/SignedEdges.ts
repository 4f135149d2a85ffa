/**
 * Whether the packages of a plan see what their publishers signed: a lock file is believed on who
 * answers a dependency, not on what depends on what. Loads next to nothing, as `LockConsistency` does.
 */
import * as LockConsistency from "../../protocol/registry/LockConsistency.ts"
import type { LockFile } from "../../protocol/registry/LockFile.ts"
import type * as InstallPlan from "./InstallPlan.ts"

type Planned = Pick<InstallPlan.Plan, "instances" | "project">

/** The first thing in a lock that nobody signed; `undefined` where there is none. */
export const problemOf = (
  lock: LockFile,
  plan: Planned,
  signedOf: LockConsistency.SignedOf,
  admits: LockConsistency.Admits
): string | undefined => {
  const aliased = LockConsistency.aliasedIn(lock, plan.instances, signedOf)
  for (const [id, locked] of plan.instances) {
    const departure = LockConsistency.departureOf(lock, locked, signedOf(id) ?? {}, admits, aliased)
    if (departure !== undefined) return departure
  }
  return LockConsistency.uninvitedOf(lock, plan, signedOf, aliased)
}

/** Peers that do not fit, in sentences. */
export const conflictsOf = (
  lock: LockFile,
  { instances }: Planned,
  signedOf: LockConsistency.SignedOf,
  admits: LockConsistency.Admits
): ReadonlyArray<string> => [
  ...new Set(
    [...instances].flatMap(([id, locked]) => LockConsistency.peerConflicts(lock, locked, signedOf(id) ?? {}, admits))
  )
]
