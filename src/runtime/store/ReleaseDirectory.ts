/**
 * How the directory of a stored release gets its place, and leaves it: by renames, under `<id>.lock`, so
 * that whoever dies on the way leaves what was there before, or what was to be.
 *
 * What is replaced waits as `<id>.old` until the new one is in place; after a crash in between, whoever
 * looks for the release moves it back. What is removed is called `<id>.gone` first: from then on it is no
 * release, however much of it is still there.
 */
import type { SecureRandom } from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import * as AtomicFile from "./AtomicFile.ts"
import * as FileLock from "./FileLock.ts"

const ASIDE_EXTENSION = ".old"
const GONE_EXTENSION = ".gone"
const LOCK_EXTENSION = ".lock"

/** A release's directory, in place or aside; other names in `packages` are nobody's business. */
const DIRECTORY_NAME = /^([0-9a-f]{64})(?:\.old)?$/

const GONE_NAME = /^[0-9a-f]{64}\.gone$/

type Services = FileSystem.FileSystem | Path.Path | SecureRandom

/** The ids of all releases that are in their place, or can be put back there. */
export const idsIn = (entries: ReadonlyArray<string>): ReadonlyArray<string> => [
  ...new Set(entries.flatMap((entry) => DIRECTORY_NAME.exec(entry)?.[1] ?? []))
]

/** Whether it is what a removal that was cut off has left. */
export const isGone = (entry: string): boolean => GONE_NAME.test(entry)

/** Alone with the release, for all processes of this machine. */
export const underLock = <A, E, R>(
  directory: string,
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E | PlatformError, R | Services> => FileLock.withLock(directory + LOCK_EXTENSION, effect)

/** Undoes what a commit that was cut off left: with the lock held, nobody is in the middle of one. */
export const restore = Effect.fnUntraced(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  const aside = directory + ASIDE_EXTENSION
  if (!(yield* fs.exists(aside))) return
  if (yield* fs.exists(directory)) yield* fs.remove(aside, { recursive: true, force: true })
  else yield* fs.rename(aside, directory)
})

/** Makes sure that a release is in its place if there is one. */
export const settle = Effect.fnUntraced(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  if (yield* fs.exists(directory)) return
  if (yield* fs.exists(directory + ASIDE_EXTENSION)) yield* underLock(directory, restore(directory))
})

/** Puts `staging` in the place of a release, with the lock held. Fails with the old one there as before, or the new one where only to flush that failed. */
export const swap = Effect.fnUntraced(function* (staging: string, directory: string, parent: string) {
  const fs = yield* FileSystem.FileSystem
  const aside = directory + ASIDE_EXTENSION
  if (yield* fs.exists(directory)) yield* fs.rename(directory, aside)
  yield* fs.rename(staging, directory).pipe(Effect.onError(() => Effect.ignore(restore(directory))))
  yield* AtomicFile.syncDirectory(parent)
  // What stays of it is removed by the next commit.
  yield* Effect.ignore(fs.remove(aside, { recursive: true, force: true }))
})

/** Removes a release, with the lock held. Fails with it there as before, or gone where only to flush that failed. */
export const remove = Effect.fnUntraced(function* (directory: string, parent: string) {
  const fs = yield* FileSystem.FileSystem
  const gone = directory + GONE_EXTENSION
  yield* restore(directory)
  yield* fs.remove(gone, { recursive: true, force: true })
  if (!(yield* fs.exists(directory))) return
  yield* fs.rename(directory, gone)
  yield* AtomicFile.syncDirectory(parent)
  // It is no release any more: what stays of it is removed by the next clearing.
  yield* Effect.ignore(fs.remove(gone, { recursive: true, force: true }))
})
