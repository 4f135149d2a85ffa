/**
 * Writes the files of an extraction below its staging directory. Small files are gathered and written
 * some at a time; large ones piece by piece. Directories are made one by one and never reused when
 * they were already there, and files are created exclusively, so that whatever collides fails.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import { ArchiveError, fromPlatformError, StagingTampered } from "./ArchiveError.ts"
import { type FilePiece, PIECE_BYTES } from "./PackageListing.ts"

/** Files that are written at the same time; more only queue up in libuv's four threads. */
const CONCURRENT_WRITES = 8
/** Small files are written when this many have gathered, or a mebibyte of them. */
const BATCH_FILES = 64

/** Subject to the umask, like everything npm unpacks. */
const DIRECTORY_MODE = 0o755

export interface StagingWriter {
  /** Takes the next piece; it may be written later. */
  readonly write: (piece: FilePiece) => Effect.Effect<void, ArchiveError>
  /** Writes what is still gathered. */
  readonly flush: Effect.Effect<void, ArchiveError>
}

/** A writer below `root`, which it makes. */
export const make = Effect.fnUntraced(function* (archive: string, root: string) {
  const fs = yield* FileSystem.FileSystem
  const { join } = yield* Path.Path
  const made = new Set<string>()
  let gathered: Array<FilePiece> = []
  let gatheredBytes = 0

  // Uninterruptible: an operation that is still under way would race with the removal of the staging directory.
  const makeDirectory = (path: string) =>
    Effect.uninterruptible(fs.makeDirectory(path, { mode: DIRECTORY_MODE })).pipe(
      Effect.mapError(fromPlatformError(archive, "make", path))
    )

  const makeParents = Effect.fnUntraced(function* (components: ReadonlyArray<string>) {
    for (let depth = 1; depth < components.length; depth++) {
      const path = join(root, ...components.slice(0, depth))
      if (made.has(path)) continue
      yield* makeDirectory(path)
      made.add(path)
    }
  })

  /** Node cannot open relative to a directory; looking right before writing leaves the narrowest gap there is. */
  const checkParents = Effect.fnUntraced(function* (pieces: ReadonlyArray<FilePiece>) {
    const parents = new Set([root])
    for (const { components } of pieces) {
      for (let depth = 1; depth < components.length; depth++) parents.add(join(root, ...components.slice(0, depth)))
    }
    for (const path of parents) {
      const info = yield* Effect.mapError(fs.lstat(path), fromPlatformError(archive, "look at", path))
      if (info.type !== "Directory") {
        return yield* new ArchiveError({ reason: new StagingTampered({ archive, path }) })
      }
    }
  })

  const writePiece = ({ components, mode, index, chunks }: FilePiece) => {
    const path = join(root, ...components)
    const bytes = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)
    const options = index === 0 ? { flag: "wx" as const, mode } : { flag: "a" as const }
    return Effect.uninterruptible(fs.writeFile(path, bytes, options)).pipe(
      Effect.mapError(fromPlatformError(archive, "write", path))
    )
  }

  const writeAll = Effect.fnUntraced(function* (pieces: ReadonlyArray<FilePiece>) {
    for (const { components } of pieces) yield* makeParents(components)
    yield* checkParents(pieces)
    // Every write is awaited, also after one has failed: none may go on while the directory is removed.
    const results = yield* Effect.forEach(pieces, (piece) => Effect.result(writePiece(piece)), {
      concurrency: CONCURRENT_WRITES
    })
    for (const result of results) yield* Effect.fromResult(result)
  })

  const flush = Effect.suspend(() => {
    const pieces = gathered
    gathered = []
    gatheredBytes = 0
    return pieces.length === 0 ? Effect.void : writeAll(pieces)
  })

  const write = (piece: FilePiece) => {
    if (piece.index > 0 || !piece.isLast) return writeAll([piece])
    gathered.push(piece)
    gatheredBytes += piece.bytes
    return gathered.length < BATCH_FILES && gatheredBytes < PIECE_BYTES ? Effect.void : flush
  }

  yield* makeDirectory(root)
  return { write, flush } satisfies StagingWriter
})
