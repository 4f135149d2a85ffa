/**
 * Makes a damaged release whole again: what is right of it is kept, the rest is fetched from the swarm, all
 * of it is checked as after a download, and takes the place of the damaged one in one step. Others who read
 * the release meanwhile see it as it was, or repaired.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Choice } from "../registry/DependencyGraph.ts"
import * as ContentInspection from "./ContentInspection.ts"
import { verifyContent } from "./FetchRelease.ts"
import { PackageStore, type StoredRelease } from "./PackageStore.ts"
import { type Progress, Swarm } from "./Swarm.ts"
import * as Torrent from "./Torrent.ts"

export interface Options {
  /** Overall limit for the download. */
  readonly timeout: Duration.Input
  readonly onProgress?: ((progress: Progress) => Effect.Effect<void>) | undefined
}

/** What came of it: `sound` where nothing was wrong (any more), `gone` where it is stored no longer. */
export type Outcome = "repaired" | "sound" | "gone"

/** Fetches what lacks of what is staged, checks all of it, and commits it. */
const complete = Effect.fnUntraced(function* (
  { publisher, release }: Choice,
  known: Torrent.Torrent | undefined,
  options: Options
) {
  const store = yield* PackageStore
  const swarm = yield* Swarm
  const torrent = yield* swarm.download({
    infohash: release.ih,
    torrent: known,
    hints: release.x,
    open: store.stage,
    timeout: options.timeout,
    onProgress: options.onProgress
  })
  const stored: StoredRelease = { publisher, release, torrent }
  yield* Effect.scoped(Effect.flatMap(store.stage(torrent), (content) => verifyContent(content, stored))).pipe(
    Effect.tapError(() => Effect.ignore(store.discard(torrent)))
  )
  yield* store.commit(stored)
})

/**
 * Waits while another process fetches or repairs the same torrent. Fails as a download does, with everything as it
 * was.
 */
export const repair = Effect.fn("RepairRelease.repair")(function* (damaged: StoredRelease, options: Options) {
  const { publisher, release } = damaged
  const store = yield* PackageStore
  yield* store.reserve(release.ih)
  const stored = Option.getOrUndefined(yield* store.find(publisher, release.n, release.v))
  if (stored === undefined) return "gone" satisfies Outcome as Outcome
  const inspection = yield* Effect.scoped(
    Effect.flatMap(store.open(stored), (content) => ContentInspection.inspect(content, stored))
  )
  if (ContentInspection.isSound(inspection)) return "sound" satisfies Outcome as Outcome
  yield* store.restage(stored)
  yield* complete(stored, stored.torrent, options)
  return "repaired" satisfies Outcome as Outcome
}, Effect.scoped)

/**
 * Has a release again of which the store knows no more than whose it was: its files may still be there, and are
 * taken where they are right.
 */
export const recover = Effect.fn("RepairRelease.recover")(function* (choice: Choice, options: Options) {
  const store = yield* PackageStore
  yield* store.reserve(choice.release.ih)
  const torrent = yield* Torrent.fromRelease(choice.release)
  if (torrent !== undefined) yield* store.restage({ ...choice, torrent })
  yield* complete(choice, torrent, options)
}, Effect.scoped)
