/**
 * Makes a directory that is its owner's alone, and those above it that are missing. One by one, and each tried twice at
 * most: Node's own recursive `mkdir` never ends where a file system (/proc) has none made in a directory that is
 * there, and says `ENOENT` where the truth is `EROFS`.
 */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type { PlatformError } from "effect/PlatformError"
import * as Path from "node:path"
import { isAlreadyThere, isNotFound } from "./PlatformProblem.ts"

const MODE = 0o700

type Disk = Pick<FileSystem.FileSystem, "makeDirectory" | "stat">

const isThere = (fs: Disk, directory: string): Effect.Effect<boolean> =>
  fs.stat(directory).pipe(
    Effect.map(({ type }) => type === "Directory"),
    Effect.orElseSucceed(() => false)
  )

export const make = (fs: Disk, directory: string): Effect.Effect<void, PlatformError> => {
  const above = Path.dirname(directory)
  const once = fs.makeDirectory(directory, { mode: MODE })
  const making = once.pipe(
    Effect.catchIf(
      (error) => isNotFound(error) && above !== directory,
      () => Effect.andThen(make(fs, above), once)
    ),
    Effect.catchIf(isAlreadyThere, (error) =>
      // Another process was first; a file in its place is no directory.
      Effect.flatMap(isThere(fs, directory), (is) => (is ? Effect.void : Effect.fail(error)))
    )
  )
  // Mostly it is there, and to be told so by a failure takes longer than a look.
  return Effect.flatMap(isThere(fs, directory), (is) => (is ? Effect.void : making))
}
