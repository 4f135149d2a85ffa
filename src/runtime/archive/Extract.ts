/**
 * Inspects and unpacks npm package archives from parties that nobody trusts. An archive is refused as
 * a whole or appears at its destination as a whole: files go to a private staging directory beside it
 * and one rename ends the work. Nothing in an archive is cleaned up, skipped or followed.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import { ArchiveError, DestinationExists, fromPlatformError } from "./ArchiveError.ts"
import { type ArchiveLimits, withDefaults } from "./ArchiveLimits.ts"
import { type ArchiveSource, walk } from "./EntryWalk.ts"
import type { Listing } from "./PackageListing.ts"
import * as StagingWriter from "./StagingWriter.ts"

export type { ArchiveSource } from "./EntryWalk.ts"
export type { ArchivedFile, FileMode, Listing } from "./PackageListing.ts"

/** Begins the names of staging directories; one that a killed process left behind may be removed. */
export const STAGING_PREFIX = ".libreseed-unpack-"

/** Checks a whole archive and lists its files. Writes nothing. Fails with `ArchiveError`, or as the source does. */
export const inspect: <E = never, R = never>(
  source: ArchiveSource<E, R>,
  limits?: Partial<ArchiveLimits>
) => Effect.Effect<Listing, ArchiveError | E, R> = Effect.fn("Archive.inspect")((source, limits) =>
  walk(source, withDefaults(limits), () => Effect.void)
)

/**
 * Unpacks an archive to `destination`, which must not exist while its parent must. Succeeds with the
 * same listing as `inspect`. On failure or interruption nothing is left, at the destination or beside it;
 * of two extractions to one destination the first wins and the other fails with `DestinationExists`.
 */
export const extract: <E = never, R = never>(
  source: ArchiveSource<E, R>,
  destination: string,
  limits?: Partial<ArchiveLimits>
) => Effect.Effect<Listing, ArchiveError | E, R | FileSystem.FileSystem | Path.Path> = Effect.fn("Archive.extract")(
  function* (source, destination, limits) {
    const fs = yield* FileSystem.FileSystem
    const { dirname, join } = yield* Path.Path
    const { name } = source

    const refuseExisting = Effect.matchEffect(fs.lstat(destination), {
      onSuccess: () => new ArchiveError({ reason: new DestinationExists({ archive: name, destination }) }),
      onFailure: (error) =>
        error.reason._tag === "NotFound"
          ? Effect.void
          : Effect.fail(fromPlatformError(name, "look at", destination)(error))
    })

    // Mode 0700 keeps other users from swapping a directory for a link while files are written below it.
    const makeStaging = fs
      .makeTempDirectory({ directory: dirname(destination), prefix: STAGING_PREFIX })
      .pipe(Effect.mapError(fromPlatformError(name, "make a directory beside", destination)))

    const publish = (tree: string) =>
      Effect.uninterruptible(fs.rename(tree, destination)).pipe(
        Effect.catch((error) =>
          Effect.andThen(
            refuseExisting,
            Effect.fail(fromPlatformError(name, "rename a directory to", destination)(error))
          )
        )
      )

    const unpackInto = Effect.fnUntraced(function* (staging: string) {
      const tree = join(staging, "package")
      const writer = yield* StagingWriter.make(name, tree)
      const listing = yield* walk(source, withDefaults(limits), writer.write)
      yield* publish(tree)
      return listing
    })

    yield* refuseExisting
    return yield* Effect.acquireUseRelease(makeStaging, unpackInto, (staging) =>
      // A directory that cannot be removed must not hide why the extraction failed.
      Effect.ignore(fs.remove(staging, { recursive: true, force: true }))
    )
  }
)
