/**
 * Reads a small package archive that lies in memory, at once: nothing waits, and nothing is written. What
 * it lists, and what it refuses, is what the walk over an archive as it arrives (`EntryWalk`) lists and
 * refuses: both ask the same reader and the same listing. Of several faults it may name another one first.
 */
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Zlib from "node:zlib"
import { type ArchiveReason, ArchiveTooLarge, MalformedArchive } from "./ArchiveError.ts"
import type { ArchiveLimits } from "./ArchiveLimits.ts"
import { RATIO_FREE_BYTES } from "./Gunzip.ts"
import * as GzipFrame from "./GzipFrame.ts"
import { type FilePiece, type Listing, PackageListing } from "./PackageListing.ts"
import { TarReader } from "./TarReader.ts"

/** Unpacked bytes that are read at once: some ms, and so few that the limit to the ratio says nothing of them. */
const WHOLE_MAX_BYTES = RATIO_FREE_BYTES

/** Parts of all its files' paths together, each a directory to look at before the file is written: 10 ms and more. */
const WHOLE_MAX_COMPONENTS = 4096

/** Size of zlib's output buffers, in bytes. */
const OUTPUT_BYTES = 64 * 1024

/** `pieces` are the files with their bytes, one piece each, in the order of the archive. */
export interface Whole {
  readonly listing: Listing
  readonly pieces: ReadonlyArray<FilePiece>
}

type Step<A> = Result.Result<A, ArchiveReason>

/** What zlib gives when it is asked for the `engine`, too; its types do not know. */
const isInflated = (
  value: unknown
): value is { readonly buffer: Uint8Array; readonly engine: { readonly bytesWritten: number } } =>
  Predicate.hasProperty(value, "buffer") &&
  value.buffer instanceof Uint8Array &&
  Predicate.hasProperty(value, "engine") &&
  Predicate.hasProperty(value.engine, "bytesWritten") &&
  typeof value.engine.bytesWritten === "number"

const isCode = (error: unknown, code: string): boolean => Predicate.hasProperty(error, "code") && error.code === code

/** The bytes of the one gzip member that the archive is; `undefined` where there are too many. */
const gunzip = (archive: string, bytes: Uint8Array): Step<Uint8Array | undefined> => {
  const malformed = (problem: string): Step<never> => Result.fail(new MalformedArchive({ archive, problem }))
  if (bytes.length === 0) return malformed("it is empty")
  const begin = GzipFrame.headerEnd(bytes)
  if (begin === "invalid") return malformed("it is not a gzip archive")
  if (begin === "incomplete") return malformed("it is cut off")
  if (begin > GzipFrame.MAX_HEADER_BYTES) return malformed("its gzip header never ends")
  let inflated: unknown
  try {
    inflated = Zlib.inflateRawSync(bytes.subarray(begin), {
      chunkSize: OUTPUT_BYTES,
      maxOutputLength: WHOLE_MAX_BYTES,
      info: true
    })
  } catch (error) {
    if (isCode(error, "ERR_BUFFER_TOO_LARGE")) return Result.succeed(undefined)
    return malformed(isCode(error, "Z_BUF_ERROR") ? "it is cut off" : "its compressed data is damaged")
  }
  if (!isInflated(inflated)) return Result.succeed(undefined)
  const { buffer, engine } = inflated
  const trailer = bytes.subarray(begin + engine.bytesWritten)
  if (trailer.length < GzipFrame.TRAILER_BYTES) return malformed("it is cut off")
  if (trailer.length > GzipFrame.TRAILER_BYTES) return malformed("it has further data behind its gzip member")
  return GzipFrame.isTrailerOf(trailer, Zlib.crc32(buffer), buffer.length)
    ? Result.succeed(buffer)
    : malformed("its gzip checksum or length is wrong")
}

const walk = (archive: string, bytes: Uint8Array, limits: ArchiveLimits): Step<Whole> => {
  const reader = new TarReader(archive)
  const collected = new PackageListing(archive, limits)
  const pieces: Array<FilePiece> = []
  const events = reader.push(bytes)
  if (Result.isFailure(events)) return Result.fail(events.failure)
  for (const event of events.success) {
    const piece = collected.accept(event)
    if (Result.isFailure(piece)) return Result.fail(piece.failure)
    if (piece.success !== undefined) pieces.push(piece.success)
  }
  const end = reader.finish()
  if (Result.isFailure(end)) return Result.fail(end.failure)
  return Result.map(collected.finish(), (listing) => ({ listing, pieces }))
}

/** The archive, checked from its first byte to its last; `undefined` where it is too large to be read at once. */
export const readWhole = (archive: string, bytes: Uint8Array, limits: ArchiveLimits): Step<Whole | undefined> => {
  if (bytes.length > limits.compressedBytes) {
    return Result.fail(new ArchiveTooLarge({ archive, limit: "compressedBytes", max: limits.compressedBytes }))
  }
  const unpacked = gunzip(archive, bytes)
  if (Result.isFailure(unpacked)) return Result.fail(unpacked.failure)
  if (unpacked.success === undefined) return Result.succeed(undefined)
  return Result.map(walk(archive, unpacked.success, limits), (whole) => {
    const components = whole.pieces.reduce((sum, piece) => sum + piece.components.length, 0)
    return components > WHOLE_MAX_COMPONENTS ? undefined : whole
  })
}
