/** The two files of a release's torrent as one run of bytes. */
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
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
  /** A file's position is shared, so moving it and writing there must not be torn apart. */
  readonly writing: Semaphore.Semaphore
}

/** The stretch of `[offset, offset + length)` that lies in `file`, relative to the file; `undefined` when there is none. */
const overlap = (file: TorrentFile, offset: number, length: number) => {
  const from = Math.max(offset, file.offset)
  const to = Math.min(offset + length, file.offset + file.length)
  return from < to ? { inFile: from - file.offset, inRange: from - offset, length: to - from } : undefined
}

/**
 * Opens (`r`) or makes (`r+`, files are created where missing) the torrent's files in `directory`
 * until the scope closes.
 */
export const open = Effect.fnUntraced(function* (directory: string, torrent: Torrent, access: "read" | "write") {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const failed = (location: string, operation: string) => (error: Parameters<typeof problemOf>[0]) =>
    new StorageFailed({ location, operation, problem: problemOf(error) })

  const openPart = Effect.fnUntraced(function* (file: TorrentFile) {
    const location = path.join(directory, file.path)
    const there = (flag: "r" | "r+") => Effect.map(fs.open(location, { flag }), (handle) => ({ handle, isNew: false }))
    const made = Effect.map(fs.open(location, { flag: "wx+", mode: 0o600 }), (handle) => ({ handle, isNew: true }))
    const opened =
      access === "read"
        ? there("r")
        : Effect.catchIf(
            made,
            (error) => error.reason._tag === "AlreadyExists",
            () => there("r+")
          )
    const { handle, isNew } = yield* opened.pipe(Effect.mapError(failed(location, "open")))
    return { file, location, handle, isNew, writing: yield* Semaphore.make(1) } satisfies Part
  })
  const parts = [yield* openPart(torrent.manifest), yield* openPart(torrent.tarball)]

  const readPart = Effect.fnUntraced(function* (part: Part, at: number, into: Uint8Array) {
    for (let filled = 0; filled < into.length;) {
      const count = yield* part.handle
        .read(into.subarray(filled), { position: BigInt(at + filled) })
        .pipe(Effect.mapError(failed(part.location, "read")))
      if (count === 0) {
        return yield* new StorageFailed({ location: part.location, operation: "read", problem: "the file ends early" })
      }
      filled += count
    }
  })

  return {
    isNew: parts.every(({ isNew }) => isNew),
    read: Effect.fnUntraced(function* (offset, length) {
      const out = new Uint8Array(length)
      for (const part of parts) {
        const stretch = overlap(part.file, offset, length)
        if (stretch === undefined) continue
        const { inFile, inRange, length: count } = stretch
        yield* readPart(part, inFile, out.subarray(inRange, inRange + count))
      }
      return out
    }),
    write: Effect.fnUntraced(function* (offset, bytes) {
      for (const part of parts) {
        const stretch = overlap(part.file, offset, bytes.length)
        if (stretch === undefined) continue
        const { inFile, inRange, length } = stretch
        yield* part.handle
          .seek(BigInt(inFile), "start")
          .pipe(
            Effect.andThen(part.handle.writeAll(bytes.subarray(inRange, inRange + length))),
            Effect.mapError(failed(part.location, "write")),
            part.writing.withPermits(1)
          )
      }
    })
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
      const failed = (problem: string) => new StorageFailed({ location, operation: "read", problem })
      const count = yield* handles
        .read(location, inFile, out.subarray(inRange, inRange + wanted))
        .pipe(Effect.mapError((error) => failed(problemOf(error))))
      if (count < wanted) return yield* failed("the file ends early")
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
