/**
 * How the directory of a stored release gets its place, and leaves it: by renames, so that whoever dies on the
 * way leaves what was there before, or what was to be. What replaces or removes a release does it under `<id>.lock`.
 *
 * What is replaced waits as `<id>.old` until the new one is in place; after a crash in between, whoever
 * looks for the release moves it back. What is removed is called `<id>.gone` first: from then on it is no
 * release, however much of it is still there.
 */
import * as Fs from "node:fs"
import type { SecureRandom } from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import * as QuickFile from "../QuickFile.ts"
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

/** Whether there is anything. Done at once: it takes the kernel a microsecond, and is asked several times a release. */
export const isThere = (location: string): Effect.Effect<boolean, PlatformError> =>
  QuickFile.attempt("stat", location, () => Fs.statSync(location, { throwIfNoEntry: false }) !== undefined)

/** Alone with the release, for all processes of this machine. */
export const underLock = <A, E, R>(
  directory: string,
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E | PlatformError, R | Services> => FileLock.withLock(directory + LOCK_EXTENSION, effect)

/** Undoes what a commit that was cut off left: with the lock held, nobody is in the middle of one. */
export const restore = Effect.fnUntraced(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  const aside = directory + ASIDE_EXTENSION
  if (!(yield* isThere(aside))) return
  if (yield* isThere(directory)) yield* fs.remove(aside, { recursive: true, force: true })
  else yield* fs.rename(aside, directory)
})

/** Makes sure that a release is in its place if there is one. */
export const settle = Effect.fnUntraced(function* (directory: string) {
  if (!(yield* isThere(directory + ASIDE_EXTENSION))) return
  if (!(yield* isThere(directory))) yield* underLock(directory, restore(directory))
})

/**
 * Puts `staging` in a place where there is no release, and succeeds with whether it is there now. That takes no lock:
 * of all who try it one alone succeeds, because a directory that has something in it gives way to none. Fails with it
 * in its place where only to flush that failed.
 */
export const claim = Effect.fnUntraced(function* (staging: string, directory: string, parent: string) {
  const fs = yield* FileSystem.FileSystem
  // A commit that is under way, or was cut off: what it comes to counts first.
  if (yield* isThere(directory + ASIDE_EXTENSION)) return false
  if (!(yield* Effect.isSuccess(fs.rename(staging, directory)))) return false
  yield* AtomicFile.syncDirectory(parent)
  return true
})

/** Puts `staging` in the place of a release, with the lock held. Fails with the old one there as before, or the new one where only to flush that failed. */
export const swap = Effect.fnUntraced(function* (staging: string, directory: string, parent: string) {
  const fs = yield* FileSystem.FileSystem
  const aside = directory + ASIDE_EXTENSION
  const put = Effect.gen(function* () {
    if (yield* isThere(directory)) yield* fs.rename(directory, aside)
    yield* fs.rename(staging, directory).pipe(Effect.onError(() => Effect.ignore(restore(directory))))
  })
  // Between the two somebody may have claimed the place: then theirs makes way as the old one did.
  yield* Effect.retry(put, { times: 1 })
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
  if (!(yield* isThere(directory))) return
  yield* fs.rename(directory, gone)
  yield* AtomicFile.syncDirectory(parent)
  // It is no release any more: what stays of it is removed by the next clearing.
  yield* Effect.ignore(fs.remove(gone, { recursive: true, force: true }))
})
