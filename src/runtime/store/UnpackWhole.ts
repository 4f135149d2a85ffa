/**
 * Unpacks a small release from its tarball in memory: read, compared with the signed manifest, and only then
 * written. Holds no state and waits for nothing, so that it can run wherever there is a disk.
 */
import * as Result from "effect/Result"
import type { Manifest } from "../../protocol/registry/Manifest.ts"
import { StorageFailed } from "../../protocol/swarm/Content.ts"
import { ArchiveError } from "../archive/ArchiveError.ts"
import * as ArchiveLimits from "../archive/ArchiveLimits.ts"
import type { Listing } from "../archive/PackageListing.ts"
import { readWhole, type Whole } from "../archive/ReadWhole.ts"
import { node, type StagingDisk } from "../archive/StagingDisk.ts"
import { StagingTree } from "../archive/StagingTree.ts"
import { compare, type ContentMismatch } from "./ContentMismatch.ts"
import * as PackageFacts from "./PackageFacts.ts"
import * as UnpackedIndex from "./UnpackedIndex.ts"

/** Compressed bytes of a release that is taken into memory for this. */
export const TARBALL_MAX_BYTES = 1024 * 1024

/** Nobody else swaps a directory for a link while files are written below it. */
const TREE_MODE = 0o700

export interface Request {
  /** Name of the tarball, for messages. */
  readonly archive: string
  readonly tarball: Uint8Array
  readonly manifest: Pick<Manifest, "files" | "name" | "version">
  /** Made with the release's files; must not be there, while its parent must. */
  readonly directory: string
}

export type Failure = ArchiveError | ContentMismatch | StorageFailed

/** What the index of an unpacked release says of the release itself. */
export type Unpacked = Pick<UnpackedIndex.UnpackedIndex, "facts" | "files">

/** The facts and files of what lies unpacked in `directory`. */
export const describe = (
  { name, version }: Request["manifest"],
  directory: string,
  listing: Listing
): Result.Result<Unpacked, StorageFailed> => {
  const paths = listing.files.map(({ path }) => path)
  return Result.try({
    try: () => ({
      facts: PackageFacts.parse(listing.packageJson, { name, version }, paths),
      files: UnpackedIndex.look(directory, paths)
    }),
    catch: (cause) => new StorageFailed({ location: directory, operation: "look at", problem: String(cause) })
  })
}

const write = (disk: StagingDisk, { archive, directory }: Request, { pieces }: Whole): Result.Result<void, Failure> => {
  try {
    const tree = new StagingTree(disk, archive, directory, TREE_MODE)
    for (const piece of pieces) tree.write(piece)
    return Result.succeed(undefined)
  } catch (error) {
    if (error instanceof ArchiveError) return Result.fail(error)
    throw error
  }
}

/**
 * Succeeds with what is in the directory then; with `undefined`, and nothing written, where the release is too
 * large. Where writing fails the directory is for whoever asked to remove.
 */
export const unpackWhole = (
  request: Request,
  disk: StagingDisk = node
): Result.Result<Unpacked | undefined, Failure> => {
  const { archive, directory, manifest, tarball } = request
  const whole = Result.mapError(
    readWhole(archive, tarball, ArchiveLimits.defaults),
    (reason) => new ArchiveError({ reason })
  )
  if (Result.isFailure(whole)) return Result.fail(whole.failure)
  const unpacked = whole.success
  if (unpacked === undefined) return Result.succeed(undefined)
  return compare(manifest, unpacked.listing).pipe(
    Result.andThen(() => write(disk, request, unpacked)),
    Result.andThen(() => describe(manifest, directory, unpacked.listing))
  )
}
