/**
 * Gunzips a stream strictly: one gzip member (RFC 1952) with a right CRC-32 and length, and nothing
 * after it. `node:zlib`'s own Gunzip also takes further members and drops trailing bytes in silence,
 * so two readers of one archive may see different files; here the framing is ours and only the
 * deflate data goes to zlib.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Zlib from "node:zlib"
import { ArchiveError, ArchiveTooLarge, MalformedArchive } from "./ArchiveError.ts"
import type { ArchiveLimits } from "./ArchiveLimits.ts"
import * as GzipFrame from "./GzipFrame.ts"

/** Input is inflated in slices of this many bytes, so at most 16 MiB come out at a time (deflate's 1,032 : 1). */
const SLICE_BYTES = 16 * 1024
/** Size of zlib's output buffers, in bytes. */
const OUTPUT_BYTES = 64 * 1024
/** The ratio limit holds beyond this many unpacked bytes; a small package may well be mostly zeros. */
export const RATIO_FREE_BYTES = 1024 * 1024

const EMPTY = new Uint8Array(0)

/** The decompressed bytes of the one gzip member that `stream` is. `name` is the archive's, for messages. */
export const gunzip = <E, R>(
  name: string,
  stream: Stream.Stream<Uint8Array, E, R>,
  limits: ArchiveLimits
): Stream.Stream<Uint8Array, E | ArchiveError, R> =>
  Stream.unwrap(
    Effect.map(
      Effect.acquireRelease(
        Effect.sync(() => new Member(name, limits)),
        (member) => Effect.sync(() => member.close())
      ),
      (member) =>
        stream.pipe(
          Stream.flatMap((chunk) => Stream.fromIterable(slices(chunk))),
          Stream.mapEffect((slice) => member.push(slice)),
          Stream.concat(Stream.fromEffect(Effect.suspend(() => member.finish()))),
          Stream.flatMap((chunks) => Stream.fromArray(chunks))
        )
    )
  )

function* slices(chunk: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < chunk.length; at += SLICE_BYTES) yield chunk.subarray(at, at + SLICE_BYTES)
}

type Chunks = ReadonlyArray<Uint8Array>

class Member {
  private readonly inflate = Zlib.createInflateRaw({ chunkSize: OUTPUT_BYTES })
  private readonly name: string
  private readonly limits: ArchiveLimits
  private state: "header" | "deflated" | "trailer" = "header"
  /** Bytes of a header or trailer that is not whole yet. */
  private held: Uint8Array = EMPTY
  private output: Array<Uint8Array> = []
  private failure: Error | undefined
  private compressedBytes = 0
  private unpackedBytes = 0
  /** Bytes given to zlib. */
  private fedBytes = 0
  private crc = 0

  constructor(name: string, limits: ArchiveLimits) {
    this.name = name
    this.limits = limits
    this.inflate.on("data", (chunk: Uint8Array) => this.output.push(chunk))
    this.inflate.on("error", (error) => {
      this.failure = error
    })
  }

  close(): void {
    this.inflate.destroy()
  }

  push(slice: Uint8Array): Effect.Effect<Chunks, ArchiveError> {
    this.compressedBytes += slice.length
    if (this.compressedBytes > this.limits.compressedBytes) return this.tooLarge("compressedBytes")
    switch (this.state) {
      case "header":
        return this.readHeader(concat(this.held, slice))
      case "deflated":
        return this.readDeflated(slice)
      case "trailer":
        return this.readTrailer(slice)
    }
  }

  /** Ends the member: its trailer must be whole and true. */
  finish(): Effect.Effect<Chunks, ArchiveError> {
    if (this.compressedBytes === 0) return this.malformed("it is empty")
    if (this.state !== "trailer" || this.held.length < GzipFrame.TRAILER_BYTES) return this.malformed("it is cut off")
    return GzipFrame.isTrailerOf(this.held, this.crc, this.unpackedBytes)
      ? Effect.succeed([])
      : this.malformed("its gzip checksum or length is wrong")
  }

  private readHeader(bytes: Uint8Array): Effect.Effect<Chunks, ArchiveError> {
    const end = GzipFrame.headerEnd(bytes)
    if (end === "invalid") return this.malformed("it is not a gzip archive")
    if ((end === "incomplete" ? bytes.length : end) > GzipFrame.MAX_HEADER_BYTES) {
      return this.malformed("its gzip header never ends")
    }
    if (end !== "incomplete") {
      this.held = EMPTY
      this.state = "deflated"
      return this.readDeflated(bytes.subarray(end))
    }
    this.held = bytes
    return Effect.succeed([])
  }

  private readDeflated(slice: Uint8Array): Effect.Effect<Chunks, ArchiveError> {
    if (slice.length === 0) return Effect.succeed([])
    return Effect.flatMap(this.write(slice), (chunks) => {
      if (this.failure !== undefined) return this.malformed("its compressed data is damaged")
      for (const chunk of chunks) {
        this.unpackedBytes += chunk.length
        this.crc = Zlib.crc32(chunk, this.crc)
      }
      if (this.unpackedBytes > RATIO_FREE_BYTES && this.unpackedBytes > this.limits.ratio * this.compressedBytes) {
        return this.tooLarge("ratio")
      }
      // zlib leaves input alone once the deflate data has ended; what it left begins the trailer.
      const leftBytes = this.fedBytes - this.inflate.bytesWritten
      if (leftBytes === 0) return Effect.succeed(chunks)
      this.state = "trailer"
      return Effect.as(this.readTrailer(slice.subarray(slice.length - leftBytes)), chunks)
    })
  }

  private readTrailer(slice: Uint8Array): Effect.Effect<Chunks, ArchiveError> {
    this.held = concat(this.held, slice)
    return this.held.length > GzipFrame.TRAILER_BYTES
      ? this.malformed("it has further data behind its gzip member")
      : Effect.succeed([])
  }

  /** Inflates one slice and takes what came out. Settles when zlib took the slice, ended or failed. */
  private write(slice: Uint8Array): Effect.Effect<Chunks> {
    return Effect.callback<Chunks>((resume) => {
      const settle = () => {
        this.inflate.off("end", settle)
        this.inflate.off("error", settle)
        // Output that waits in the stream's buffer is emitted as "data" by reading it.
        while (this.inflate.read() !== null);
        const chunks = this.output
        this.output = []
        resume(Effect.succeed(chunks))
      }
      this.fedBytes += slice.length
      this.inflate.once("end", settle)
      this.inflate.once("error", settle)
      this.inflate.write(slice, settle)
    })
  }

  private malformed(problem: string): Effect.Effect<never, ArchiveError> {
    return Effect.fail(new ArchiveError({ reason: new MalformedArchive({ archive: this.name, problem }) }))
  }

  private tooLarge(limit: "compressedBytes" | "ratio"): Effect.Effect<never, ArchiveError> {
    const max = this.limits[limit]
    return Effect.fail(new ArchiveError({ reason: new ArchiveTooLarge({ archive: this.name, limit, max }) }))
  }
}

const concat = (a: Uint8Array, b: Uint8Array): Uint8Array => (a.length === 0 ? b.slice() : Buffer.concat([a, b]))
