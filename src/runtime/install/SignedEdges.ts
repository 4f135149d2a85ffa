/**
 * Whether the packages of a plan see what their publishers signed: a lock file is believed on who
 * answers a dependency, not on what depends on what. Loads next to nothing, as `LockConsistency` does.
 */
import type { Wishes } from "../../protocol/registry/DependencyGraph.ts"
import * as LockConsistency from "../../protocol/registry/LockConsistency.ts"
import type { LockFile } from "../../protocol/registry/LockFile.ts"
import type * as InstallPlan from "./InstallPlan.ts"

type Planned = Pick<InstallPlan.Plan, "instances" | "project">

/** What the publisher of an instance's package signed; `undefined` where it asks for nothing. */
export type SignedOf = (id: string) => Wishes | undefined

/** The first thing in a lock that nobody signed; `undefined` where there is none. */
export const problemOf = (
  lock: LockFile,
  plan: Planned,
  signedOf: SignedOf,
  admits: LockConsistency.Admits
): string | undefined => {
  for (const [id, locked] of plan.instances) {
    const departure = LockConsistency.departureOf(lock, locked, signedOf(id) ?? {}, admits)
    if (departure !== undefined) return departure
  }
  return LockConsistency.uninvitedOf(lock, plan, signedOf)
}

/** Peers that do not fit, in sentences. */
export const conflictsOf = (
  lock: LockFile,
  { instances }: Planned,
  signedOf: SignedOf,
  admits: LockConsistency.Admits
): ReadonlyArray<string> => [
  ...new Set(
    [...instances].flatMap(([id, locked]) => LockConsistency.peerConflicts(lock, locked, signedOf(id) ?? {}, admits))
  )
]
