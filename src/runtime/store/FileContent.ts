/** The two files of a release's torrent as one run of bytes. */
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { type Content, StorageFailed } from "../../protocol/swarm/Content.ts"
import type { Torrent, TorrentFile } from "../../protocol/swarm/Torrent.ts"
import type { FileHandles } from "./FileHandles.ts"
import { problemOf } from "./PlatformProblem.ts"

/** Bytes of each content held in memory while two are compared. */
const COMPARE_CHUNK_BYTES = 1024 * 1024

interface Part {
  readonly file: TorrentFile
  readonly location: string
  readonly handle: FileSystem.File
  /** Whether the file was made by opening it. */
  readonly isNew: boolean
}

/** The stretch of `[offset, offset + length)` that lies in `file`, relative to the file; `undefined` when there is none. */
const overlap = (file: TorrentFile, offset: number, length: number) => {
  const from = Math.max(offset, file.offset)
  const to = Math.min(offset + length, file.offset + file.length)
  return from < to ? { inFile: from - file.offset, inRange: from - offset, length: to - from } : undefined
}

const failed = (location: string, operation: string) => (error: Parameters<typeof problemOf>[0]) =>
  new StorageFailed({ location, operation, problem: problemOf(error) })

const endsEarly = (location: string) =>
  new StorageFailed({ location, operation: "read", problem: "the file ends early" })

const openPart = (
  fs: FileSystem.FileSystem,
  location: string,
  file: TorrentFile,
  access: "read" | "write"
): Effect.Effect<Part, StorageFailed, Scope.Scope> => {
  const there = (flag: "r" | "r+") =>
    Effect.map(fs.open(location, { flag }), (handle) => ({ file, location, handle, isNew: false }))
  const made = Effect.map(fs.open(location, { flag: "wx+", mode: 0o600 }), (handle) => ({
    file,
    location,
    handle,
    isNew: true
  }))
  const opened =
    access === "read"
      ? there("r")
      : made.pipe(Effect.catch((error) => (error.reason._tag === "AlreadyExists" ? there("r+") : Effect.fail(error))))
  return Effect.mapError(opened, failed(location, "open"))
}

/** Fills `into` from a place in the file. */
const readPart = (part: Part, at: number, into: Uint8Array): Effect.Effect<void, StorageFailed> =>
  part.handle.read(into, { position: BigInt(at) }).pipe(
    Effect.mapError(failed(part.location, "read")),
    Effect.flatMap((count) => {
      if (count === into.length) return Effect.void
      if (count > 0) return readPart(part, at + count, into.subarray(count))
      return Effect.fail(endsEarly(part.location))
    })
  )

const writePart = (part: Part, at: number, bytes: Uint8Array): Effect.Effect<void, StorageFailed> =>
  part.handle
    .seek(BigInt(at), "start")
    .pipe(Effect.andThen(part.handle.writeAll(bytes)), Effect.mapError(failed(part.location, "write")))

/**
 * Opens (`r`) or makes (`r+`, files are created where missing) the torrent's files in `directory`
 * until the scope closes.
 */
export const open = Effect.fnUntraced(function* (directory: string, torrent: Torrent, access: "read" | "write") {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const partOf = (file: TorrentFile) => openPart(fs, path.join(directory, file.path), file, access)
  const parts = [yield* partOf(torrent.manifest), yield* partOf(torrent.tarball)]
  // A file's position is shared, so moving it and writing there must not be torn apart.
  const writing = Semaphore.makeUnsafe(1)

  /** Does something with the stretch of `bytes` that lies in each file, one file after the other. */
  const inParts = (offset: number, bytes: Uint8Array, each: typeof writePart) =>
    Effect.forEach(
      parts,
      (part) => {
        const stretch = overlap(part.file, offset, bytes.length)
        if (stretch === undefined) return Effect.void
        const { inFile, inRange, length } = stretch
        return each(part, inFile, bytes.subarray(inRange, inRange + length))
      },
      { discard: true }
    )

  return {
    isNew: parts.every(({ isNew }) => isNew),
    read: (offset, length) =>
      Effect.suspend(() => {
        const out = new Uint8Array(length)
        return Effect.as(inParts(offset, out, readPart), out)
      }),
    write: (offset, bytes) => writing.withPermit(inParts(offset, bytes, writePart))
  } satisfies Content
})

/**
 * The torrent's files in `directory`, opened when they are read and shared with all who do. Where one cannot be read
 * `again` is done first, once, and then it is tried again: it may have been in the middle of being replaced.
 */
export const shared = (
  handles: FileHandles,
  directory: string,
  torrent: Torrent,
  paths: Path.Path,
  again: Effect.Effect<void, StorageFailed>
): Content => {
  const files = [torrent.manifest, torrent.tarball].map((file) => ({
    file,
    location: paths.join(directory, file.path)
  }))
  const read = Effect.fnUntraced(function* (offset: number, length: number) {
    const out = new Uint8Array(length)
    for (const { file, location } of files) {
      const stretch = overlap(file, offset, length)
      if (stretch === undefined) continue
      const { inFile, inRange, length: wanted } = stretch
      const count = yield* handles
        .read(location, inFile, out.subarray(inRange, inRange + wanted))
        .pipe(Effect.mapError(failed(location, "read")))
      if (count < wanted) return yield* endsEarly(location)
    }
    return out
  })
  return {
    read: (offset, length) =>
      read(offset, length).pipe(Effect.catch(() => Effect.andThen(again, read(offset, length)))),
    write: () => Effect.fail(new StorageFailed({ location: directory, operation: "write", problem: "it is stored" }))
  }
}

/** Flushes a file to the disk. */
export const sync = Effect.fnUntraced(function* (location: string) {
  const fs = yield* FileSystem.FileSystem
  yield* Effect.scoped(Effect.flatMap(fs.open(location, { flag: "r+" }), (file) => file.sync))
})

/** Whether two directories hold the same bytes of the torrent. What cannot be read is not the same. */
export const isSame = (left: string, right: string, torrent: Torrent) =>
  Effect.scoped(
    Effect.gen(function* () {
      const contents = [yield* open(left, torrent, "read"), yield* open(right, torrent, "read")]
      for (let at = 0; at < torrent.totalLength; at += COMPARE_CHUNK_BYTES) {
        const length = Math.min(COMPARE_CHUNK_BYTES, torrent.totalLength - at)
        const [one, other] = yield* Effect.forEach(contents, (content) => content.read(at, length))
        if (!Bytes.Equivalence(one!, other!)) return false
      }
      return true
    })
  ).pipe(Effect.orElseSucceed(() => false))
