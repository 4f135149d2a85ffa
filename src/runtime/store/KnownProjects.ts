/**
 * Which projects of this machine have locked or installed packages out of this home: what their lock files
 * name is in use, and stays when the store is cleared. A file for each project, `<home>/projects/<hash>`, whose
 * content is the project's path.
 */
import * as Fs from "node:fs"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import * as PublicKey from "../../protocol/core/PublicKey.ts"
import * as LockFile from "../../protocol/registry/LockFile.ts"
import { StorageFailed } from "../../protocol/swarm/Content.ts"
import { keyOf } from "../../protocol/swarm/PackageStore.ts"
import { Home } from "./Home.ts"
import { isNotFound, isNothingThere, problemOf } from "./PlatformProblem.ts"
import * as ProjectNote from "./ProjectNote.ts"
import * as StoredFile from "./StoredFile.ts"

const failed = (operation: string, location: string) => (error: PlatformError) =>
  new StorageFailed({ location, operation, problem: problemOf(error) })

/** Remembers a project, by the absolute path of its directory. Costs one look where it is known. */
export const note = Effect.fnUntraced(function* (directory: string) {
  const { projects } = yield* Home
  yield* Effect.try({
    try: () => ProjectNote.write(projects, directory),
    catch: (cause) =>
      new StorageFailed({
        location: projects,
        operation: "write",
        problem: cause instanceof Error ? cause.message : String(cause)
      })
  })
})

/**
 * Notes that a project was installed: that it is there, and that the releases of its lock were of use just now. Never
 * fails, for an install is none the worse for it. Takes the time of a system call for each release.
 */
export const noteInstall = Effect.fn("KnownProjects.noteInstall")(function* (
  directory: string,
  lock: Pick<LockFile.LockFile, "packages">
) {
  yield* Effect.ignore(note(directory))
  const { packages } = yield* Home
  const path = yield* Path.Path
  const now = (yield* Clock.currentTimeMillis) / 1000
  yield* Effect.sync(() => {
    for (const key of keysOf(lock)) {
      try {
        Fs.utimesSync(path.join(packages, key, StoredFile.FILE_NAME), now, now)
      } catch {
        // It lies unpacked, and is stored no more: there is nothing to note it at.
      }
    }
  })
})

/** The keys in the store of all that a lock names. */
export const keysOf = ({ packages }: Pick<LockFile.LockFile, "packages">): ReadonlyArray<string> =>
  Object.values(packages).flatMap(({ name, publisher, version }) =>
    Option.toArray(Option.map(PublicKey.parse(publisher), (key) => keyOf(key, name, version)))
  )

/** A project whose lock file is there. */
export interface KnownProject {
  readonly directory: string
  readonly lock: LockFile.LockFile
}

/**
 * All known projects that still have a lock file. Fails where one is there and cannot be read: what it uses would
 * otherwise count as unused.
 */
export const list = Effect.fnUntraced(function* () {
  const { projects } = yield* Home
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const names = yield* fs.readDirectory(projects).pipe(
    Effect.catchIf(isNotFound, () => Effect.succeed<Array<string>>([])),
    Effect.mapError(failed("list", projects))
  )
  const read = Effect.fnUntraced(function* (name: string) {
    const directory = yield* fs
      .readFileString(path.join(projects, name))
      .pipe(Effect.mapError(failed("read", path.join(projects, name))))
    const location = path.join(directory, LockFile.FILE_NAME)
    const text = yield* fs.readFileString(location).pipe(
      Effect.asSome,
      Effect.catchIf(isNothingThere, () => Effect.succeedNone),
      Effect.mapError(failed("read", location))
    )
    if (Option.isNone(text)) return []
    return [{ directory, lock: yield* LockFile.parse(text.value, location) } satisfies KnownProject]
  })
  const found = yield* Effect.forEach(
    names.filter((name) => ProjectNote.NAME.test(name)),
    read
  )
  return found.flat()
})
