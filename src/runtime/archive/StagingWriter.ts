/**
 * Writes the files of an extraction below its staging directory, as their pieces come, some at a time
 * before others get their turn.
 */
import * as Effect from "effect/Effect"
import { ArchiveError } from "./ArchiveError.ts"
import { type FilePiece, PIECE_BYTES } from "./PackageListing.ts"
import { StagingDisk } from "./StagingDisk.ts"
import { StagingTree } from "./StagingTree.ts"

/** Others get their turn when so many files were written, or a mebibyte: some ms. */
const SLICE_FILES = 64

export interface StagingWriter {
  /** Writes the next piece. */
  readonly write: (piece: FilePiece) => Effect.Effect<void, ArchiveError>
}

const attempted = <A>(work: () => A): Effect.Effect<A, ArchiveError> =>
  Effect.suspend(() => {
    try {
      return Effect.succeed(work())
    } catch (error) {
      return error instanceof ArchiveError ? Effect.fail(error) : Effect.die(error)
    }
  })

/** A writer below `root`, which it makes. */
export const make = Effect.fnUntraced(function* (archive: string, root: string) {
  const disk = yield* StagingDisk
  const tree = yield* attempted(() => new StagingTree(disk, archive, root))
  let files = 0
  let bytes = 0

  const write = (piece: FilePiece) =>
    Effect.andThen(
      attempted(() => tree.write(piece)),
      Effect.suspend(() => {
        files++
        bytes += piece.bytes
        if (files < SLICE_FILES && bytes < PIECE_BYTES) return Effect.void
        files = 0
        bytes = 0
        return Effect.yieldNow
      })
    )

  return { write } satisfies StagingWriter
})
