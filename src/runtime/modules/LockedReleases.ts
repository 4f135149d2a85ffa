/**
 * Sees to it that everything a lock file has locked for this machine lies unpacked in the store: what
 * programs then import from there without a look at it. Never changes the lock file.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { ExitCode, explain } from "../../protocol/core/Errors.ts"
import type * as LockFile from "../../protocol/registry/LockFile.ts"
import * as Acquire from "../install/Acquire.ts"
import { NeedsNetwork } from "../install/InstallError.ts"
import * as InstallPlan from "../install/InstallPlan.ts"
import * as UnpackedIndex from "../store/UnpackedIndex.ts"

/** Releases that are looked up and fetched at a time. */
const CONCURRENCY = 16

export interface Ensured {
  /** Releases that were fetched or unpacked. */
  readonly made: ReadonlyArray<string>
  /** Why something is left out, by id: it is for other systems, or optional and not to be had. */
  readonly left: ReadonlyMap<string, string>
}

/** The ways into the network, with what each fails with and needs. */
export const remote = <E, R, E2, R2>(ways: {
  readonly fetch: Acquire.Remote<E, R>["fetch"]
  readonly releaseOf: Acquire.Remote<E2, R2>["releaseOf"]
}): Acquire.Remote<E | E2, R | R2> => ways

/** What is nobody's lack of a package: the disk, or that somebody has to be asked and may not be. */
const isFatal = (error: unknown): boolean =>
  error instanceof NeedsNetwork || explain(error)?.exitCode === ExitCode.storage

/**
 * Unpacks what is locked for this machine among `absent`, ids of the lock, from the package store or by way of
 * `remote`. Fails with the first thing that the project cannot do without: an error of `remote`, `LockMismatch`,
 * `UnsupportedPlatform`, what unpacking fails with; without a `remote` with `NeedsNetwork`.
 */
export const ensure = Effect.fn("LockedReleases.ensure")(function* <E, R>(
  lock: LockFile.LockFile,
  absent: ReadonlyArray<string>,
  remote: Acquire.Remote<E, R> | undefined,
  platform: InstallPlan.Platform
) {
  const planOf = <F>(failed: ReadonlyMap<string, F>) =>
    Effect.fromResult(InstallPlan.make(lock, { platform, without: new Set(), failed }))
  const wanted = yield* planOf(new Map<string, never>())
  const releases = new Map<string, { readonly locked: LockFile.LockedPackage; readonly ids: Array<string> }>()
  for (const id of absent) {
    const locked = wanted.instances.get(id)
    if (locked === undefined) continue
    const known = releases.get(UnpackedIndex.vouchOf(locked))
    if (known === undefined) releases.set(UnpackedIndex.vouchOf(locked), { locked, ids: [id] })
    else known.ids.push(id)
  }
  const results = yield* Effect.forEach(
    releases.values(),
    Effect.fnUntraced(function* ({ ids, locked }) {
      const result = yield* Effect.result(Acquire.acquire(locked, remote))
      const isOptional = ids.every((id) => lock.packages[id]?.optional === true)
      if (Result.isFailure(result) && (!isOptional || isFatal(result.failure))) {
        return yield* Effect.fail(result.failure)
      }
      return { ids, result }
    }),
    { concurrency: CONCURRENCY }
  )
  const failed = new Map(
    results.flatMap(({ ids, result }) =>
      Result.isFailure(result) ? ids.map((id) => [id, result.failure] as const) : []
    )
  )
  const plan = yield* planOf(failed)
  return {
    made: results.flatMap(({ ids, result }) => (Result.isSuccess(result) ? ids : [])),
    left: plan.left
  } satisfies Ensured
})
