/**
 * Writes the files of an extraction below its staging directory, as their pieces come, some at a time
 * before others get their turn. Directories are made one by one and never reused when they were already
 * there, and files are created exclusively, so that whatever collides fails.
 */
import * as Effect from "effect/Effect"
import * as Path from "effect/Path"
import { ArchiveError, fromThrown, StagingTampered } from "./ArchiveError.ts"
import { type FilePiece, PIECE_BYTES } from "./PackageListing.ts"
import { StagingDisk } from "./StagingDisk.ts"

/** Others get their turn when so many files were written, or a mebibyte: some ms. */
const SLICE_FILES = 64

/** Subject to the umask, like everything npm unpacks. */
const DIRECTORY_MODE = 0o755

export interface StagingWriter {
  /** Writes the next piece. */
  readonly write: (piece: FilePiece) => Effect.Effect<void, ArchiveError>
}

/** A writer below `root`, which it makes. */
export const make = Effect.fnUntraced(function* (archive: string, root: string) {
  const disk = yield* StagingDisk
  const { join } = yield* Path.Path
  const made = new Set<string>()
  let files = 0
  let bytes = 0

  const attempt = (operation: string, path: string, work: () => void): void => {
    try {
      work()
    } catch (cause) {
      throw cause instanceof ArchiveError ? cause : fromThrown(archive, operation, path, cause)
    }
  }

  const makeDirectory = (path: string): void =>
    attempt("make", path, () => {
      disk.makeDirectory(path, DIRECTORY_MODE)
      made.add(path)
    })

  /** Node cannot open relative to a directory; looking right before writing leaves the narrowest gap there is. */
  const checkDirectory = (path: string): void =>
    attempt("look at", path, () => {
      if (!disk.isDirectory(path)) throw new ArchiveError({ reason: new StagingTampered({ archive, path }) })
    })

  /** The directory of a piece's file, made and looked at from the root down. */
  const parentOf = (components: ReadonlyArray<string>): string => {
    let path = root
    checkDirectory(path)
    for (const name of components.slice(0, -1)) {
      path = join(path, name)
      if (!made.has(path)) makeDirectory(path)
      checkDirectory(path)
    }
    return path
  }

  const writePiece = ({ chunks, components, index, mode }: FilePiece): void => {
    const path = join(parentOf(components), components.at(-1)!)
    attempt("write", path, () => (index === 0 ? disk.create(path, chunks, mode) : disk.append(path, chunks)))
  }

  const attempted = (work: () => void): Effect.Effect<void, ArchiveError> =>
    Effect.suspend(() => {
      try {
        work()
        return Effect.void
      } catch (error) {
        return error instanceof ArchiveError ? Effect.fail(error) : Effect.die(error)
      }
    })

  const write = (piece: FilePiece) =>
    Effect.andThen(
      attempted(() => writePiece(piece)),
      Effect.suspend(() => {
        files++
        bytes += piece.bytes
        if (files < SLICE_FILES && bytes < PIECE_BYTES) return Effect.void
        files = 0
        bytes = 0
        return Effect.yieldNow
      })
    )

  yield* attempted(() => makeDirectory(root))
  return { write } satisfies StagingWriter
})
