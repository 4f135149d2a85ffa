/** The dependencies in a lock file, compared with the manifests that the publishers of its packages signed. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as PublicKey from "../../protocol/core/PublicKey.ts"
import { DependencyError, InvalidLockFile } from "../../protocol/registry/DependencyError.ts"
import type { Wishes } from "../../protocol/registry/DependencyGraph.ts"
import { wishesOf } from "../../protocol/registry/DependencyWalk.ts"
import * as LockConsistency from "../../protocol/registry/LockConsistency.ts"
import * as LockedRange from "../../protocol/registry/LockedRange.ts"
import type { LockedPackage, LockFile } from "../../protocol/registry/LockFile.ts"
import * as Acquire from "./Acquire.ts"
import type * as InstallPlan from "./InstallPlan.ts"
import * as SignedEdges from "./SignedEdges.ts"

/** Of a release in the store; `undefined` where there is none, or none that can be read. */
const manifestWishes = Effect.fnUntraced(function* ({ name, publisher, version }: LockedPackage) {
  const known = yield* Acquire.stored(Option.getOrThrow(PublicKey.parse(publisher)), name, version)
  const manifest = known === undefined ? undefined : yield* Acquire.manifestOf(known)
  return manifest === undefined ? undefined : wishesOf(manifest)
})

/**
 * Fails with `InvalidLockFile` where a package of the plan sees other packages than its publisher signed. Returns
 * sentences about peers that do not fit. package.json of the unpacked files is looked at first; where it and the
 * manifest differ, the manifest is what trees are resolved from.
 */
export const check = Effect.fn("LockedEdges.check")(function* (
  location: string,
  lock: LockFile,
  plan: InstallPlan.Plan,
  files: ReadonlyMap<string, Acquire.Files>
) {
  const { admits } = LockedRange
  const signed = new Map<string, Wishes>()
  for (const [id, locked] of plan.instances) {
    const told = files.get(id)?.index.facts.wishes ?? {}
    // Without a word on aliases: whoever shares what stands under another name is compared with the manifest.
    const fits = LockConsistency.departureOf(lock, locked, told, admits) === undefined
    signed.set(id, fits ? told : ((yield* manifestWishes(locked)) ?? told))
  }
  const signedOf = (id: string) => signed.get(id)
  const problem = SignedEdges.problemOf(lock, plan, signedOf, admits)
  if (problem !== undefined) {
    return yield* new DependencyError({ reason: new InvalidLockFile({ location, problem }) })
  }
  return SignedEdges.conflictsOf(lock, plan, signedOf, admits)
})
