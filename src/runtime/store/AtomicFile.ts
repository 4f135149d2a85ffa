/**
 * Files that are seen old or new, never torn: written beside their place, flushed, then moved there
 * in one step. A crash leaves at most a temporary file, `<file>.<12 hex digits>.tmp`; one of the next writes
 * of the same file removes it once it is too old to be anybody's work in progress.
 */
import * as Clock from "effect/Clock"
import { SecureRandom } from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import { codeOf, isAlreadyThere } from "./PlatformProblem.ts"

/** Readable and writable by its owner alone. */
export const PRIVATE_MODE = 0o600
export const PRIVATE_DIRECTORY_MODE = 0o700

/** A temporary file older than this was left by a crash: writing one takes seconds at most. */
const LEFTOVER_AGE_MS = 10 * 60_000

/** One write of so many looks for leftovers: to list a directory of thousands takes longer than to write a file. */
export const LOOKS_ONE_IN = 16

const TEMPORARY_SUFFIX = /^\.[0-9a-f]{12}\.tmp$/

/** What `link` fails with where the file system has no hard links (exFAT, some network shares). */
const LINKLESS_CODES = new Set(["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EISDIR"])

/** Whether bytes are flushed to the disk before the file takes its place. */
type Durability = "flushed" | "unflushed"

/** Makes the file, which must not be there; where that fails half-way nothing is left of it. */
const writeNew = (path: string, bytes: Uint8Array, mode: number, durability: Durability) =>
  Effect.flatMap(FileSystem.FileSystem, (fs) => {
    const remove = Effect.ignore(fs.remove(path, { force: true }))
    const unlessThere = (error: PlatformError) => (isAlreadyThere(error) ? Effect.void : remove)
    if (durability === "unflushed") {
      return Effect.tapError(fs.writeFile(path, bytes, { flag: "wx", mode }), unlessThere)
    }
    return Effect.scoped(
      Effect.flatMap(fs.open(path, { flag: "wx", mode }), (file) =>
        Effect.onError(Effect.andThen(file.writeAll(bytes), file.sync), () => remove)
      )
    )
  })

/** What `open` fails with where a directory is not opened as a file is: on Windows, or where it may not be listed. */
const UNOPENED_CODES = new Set(["EISDIR", "EPERM", "EACCES"])

/** What `fsync` fails with where directories are not flushed: some network shares, Windows. */
const UNFLUSHED_CODES = new Set(["EINVAL", "ENOTSUP", "EOPNOTSUPP", "EPERM", "EBADF"])

const hasCode =
  (codes: ReadonlySet<string>) =>
  (error: PlatformError): boolean =>
    codes.has(codeOf(error) ?? "")

/**
 * Makes a rename in the directory durable. Where directories are not flushed the rename itself has to do; a disk that
 * fails to is a failure.
 */
export const syncDirectory = (path: string) =>
  Effect.scoped(
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const opened = yield* fs.open(path, { flag: "r" }).pipe(
        Effect.asSome,
        Effect.catchIf(hasCode(UNOPENED_CODES), () => Effect.succeedNone)
      )
      if (Option.isNone(opened)) return
      yield* opened.value.sync.pipe(Effect.catchIf(hasCode(UNFLUSHED_CODES), () => Effect.void))
    })
  )

/** Removes what a crash left of earlier writes of `path`. Only tidying: a failure is passed over. */
export const removeLeftovers = (path: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const paths = yield* Path.Path
    const directory = paths.dirname(path)
    const target = paths.basename(path)
    const now = yield* Clock.currentTimeMillis
    for (const name of yield* fs.readDirectory(directory)) {
      if (!name.startsWith(target) || !TEMPORARY_SUFFIX.test(name.slice(target.length))) continue
      const leftover = paths.join(directory, name)
      const { mtime } = yield* fs.stat(leftover)
      if (Option.isSome(mtime) && now - mtime.value.getTime() > LEFTOVER_AGE_MS) {
        yield* fs.remove(leftover, { force: true })
      }
    }
  }).pipe(Effect.ignore)

/**
 * Writes beside `path` and hands the temporary file's path to `place`, which leaves nothing there; where that fails it
 * is removed.
 */
const beside = <E, R>(
  path: string,
  bytes: Uint8Array,
  mode: number,
  durability: Durability,
  place: (temporary: string) => Effect.Effect<void, E, R>
) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const paths = yield* Path.Path
    const random = yield* SecureRandom
    const drawn = yield* random.randomBytes(6)
    const temporary = `${path}.${Hex.encode(drawn)}.tmp`
    if (drawn[0]! % LOOKS_ONE_IN === 0) yield* removeLeftovers(path)
    yield* writeNew(temporary, bytes, mode, durability).pipe(
      Effect.andThen(place(temporary)),
      Effect.onError(() => Effect.ignore(fs.remove(temporary, { force: true })))
    )
    if (durability === "flushed") yield* syncDirectory(paths.dirname(path))
  })

const createWith = Effect.fnUntraced(function* (path: string, bytes: Uint8Array, mode: number, durability: Durability) {
  const fs = yield* FileSystem.FileSystem
  const linkless = (error: PlatformError) => !isAlreadyThere(error) && LINKLESS_CODES.has(codeOf(error) ?? "")
  yield* beside(path, bytes, mode, durability, (temporary) =>
    fs.link(temporary, path).pipe(
      // In place it is still made by one alone, but a crash can leave it torn.
      Effect.catchIf(linkless, () => writeNew(path, bytes, mode, durability)),
      Effect.andThen(Effect.ignore(fs.remove(temporary, { force: true })))
    )
  )
})

/** Replaces the file. */
export const replace = Effect.fnUntraced(function* (path: string, bytes: Uint8Array, mode: number = PRIVATE_MODE) {
  const fs = yield* FileSystem.FileSystem
  yield* beside(path, bytes, mode, "flushed", (temporary) => fs.rename(temporary, path))
})

/** Makes the file; fails with `AlreadyExists` where there is one, whoever made it in the meantime. */
export const create = (path: string, bytes: Uint8Array, mode: number = PRIVATE_MODE) =>
  createWith(path, bytes, mode, "flushed")

/** As {@link create}, for files that mean nothing after the machine went down. */
export const createUnflushed = (path: string, bytes: Uint8Array, mode: number = PRIVATE_MODE) =>
  createWith(path, bytes, mode, "unflushed")
