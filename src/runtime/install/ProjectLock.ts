/** The lock file of a project on disk: read as what it must be, written whole or not at all. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import { DependencyError, InvalidLockFile } from "../../protocol/registry/DependencyError.ts"
import * as LockFile from "../../protocol/registry/LockFile.ts"
import { StorageFailed } from "../../protocol/swarm/Content.ts"
import * as AtomicFile from "../store/AtomicFile.ts"
import { isNotFound, problemOf } from "../store/PlatformProblem.ts"

/** A lock file is read by everybody who works on the project. */
const MODE = 0o644

/** A lock, and the text that it was read from. */
export interface ProjectLock {
  readonly lock: LockFile.LockFile
  readonly text: string
}

const failed = (location: string, operation: string) => (error: PlatformError) =>
  new StorageFailed({ location, operation, problem: problemOf(error) })

export const locationOf = (directory: string) =>
  Effect.map(Path.Path, (path) => path.join(directory, LockFile.FILE_NAME))

/** `undefined` where there is none. A file that is too long to be a lock is not read at all. */
export const read = Effect.fn("ProjectLock.read")(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  const location = yield* locationOf(directory)
  const info = yield* fs.stat(location).pipe(
    Effect.catchIf(isNotFound, () => Effect.undefined),
    Effect.mapError(failed(location, "read"))
  )
  if (info === undefined) return undefined
  if (info.size > BigInt(LockFile.MAX_BYTES)) {
    const problem = `it is longer than ${LockFile.MAX_BYTES} bytes`
    return yield* new DependencyError({ reason: new InvalidLockFile({ location, problem }) })
  }
  const text = yield* fs.readFileString(location).pipe(Effect.mapError(failed(location, "read")))
  return { lock: yield* LockFile.parse(text, location), text } satisfies ProjectLock
})

export const write = Effect.fn("ProjectLock.write")(function* (directory: string, text: string) {
  const location = yield* locationOf(directory)
  yield* AtomicFile.replace(location, new TextEncoder().encode(text), MODE).pipe(
    Effect.mapError(failed(location, "write"))
  )
})

/** Makes the lock file what it was when it was read. */
export const restore = Effect.fn("ProjectLock.restore")(function* (directory: string, known: ProjectLock | undefined) {
  if (known !== undefined) return yield* write(directory, known.text)
  const fs = yield* FileSystem.FileSystem
  const location = yield* locationOf(directory)
  yield* fs.remove(location, { force: true }).pipe(Effect.mapError(failed(location, "remove")))
})
