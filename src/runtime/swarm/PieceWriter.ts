/**
 * Writes pieces to the content, one write at a time, and pieces that lie side by side in one: a small
 * release comes in a few pieces at once, and each write costs more than its bytes.
 */
import * as Effect from "effect/Effect"
import type { Content, StorageFailed } from "../../protocol/swarm/Content.ts"
import type { Torrent } from "../../protocol/swarm/Torrent.ts"
import type { Run } from "./Fibers.ts"

/** Bytes of a write of several pieces. */
const WRITE_MAX_BYTES = 1024 * 1024

export interface Handlers {
  /** A piece is in the content for good; its bytes are free again. */
  readonly onWritten: (piece: number, bytes: Buffer) => void
  readonly onFailed: (error: StorageFailed) => void
  /** So many bytes wait to be written. */
  readonly onPending: (bytes: number) => void
}

/** The chunks one behind the other: a copy, unless they lie so in memory. At least one. */
const joined = (chunks: ReadonlyArray<Buffer>): Buffer => {
  const { buffer, byteOffset } = chunks[0]!
  let end = byteOffset
  for (const chunk of chunks) {
    if (chunk.buffer !== buffer || chunk.byteOffset !== end) return Buffer.concat(chunks)
    end += chunk.length
  }
  return Buffer.from(buffer, byteOffset, end - byteOffset)
}

export class PieceWriter {
  readonly #torrent: Torrent
  readonly #content: Content
  readonly #run: Run
  readonly #handlers: Handlers
  readonly #waiting = new Map<number, Buffer>()
  #pending = 0
  #isWriting = false

  constructor(torrent: Torrent, content: Content, run: Run, handlers: Handlers) {
    this.#torrent = torrent
    this.#content = content
    this.#run = run
    this.#handlers = handlers
  }

  write(piece: number, bytes: Buffer): void {
    this.#waiting.set(piece, bytes)
    this.#addPending(bytes.length)
    if (this.#isWriting) return
    this.#isWriting = true
    // Not at once: what came with this piece may be written with it.
    setImmediate(() => this.#run(this.#drain))
  }

  readonly #drain: Effect.Effect<void> = Effect.suspend(() => {
    const pieces = this.#next()
    if (pieces.length === 0) {
      this.#isWriting = false
      return Effect.void
    }
    const bytes = joined(pieces.map(([, each]) => each))
    return Effect.matchEffect(this.#content.write(pieces[0]![0] * this.#torrent.pieceLength, bytes), {
      onSuccess: () => {
        for (const [piece, each] of pieces) {
          this.#addPending(-each.length)
          this.#handlers.onWritten(piece, each)
        }
        return this.#drain
      },
      onFailure: (error) => Effect.sync(() => this.#handlers.onFailed(error))
    })
  })

  /** The piece that has waited the longest, with its neighbours. */
  #next(): ReadonlyArray<readonly [piece: number, bytes: Buffer]> {
    let [from] = this.#waiting.keys()
    if (from === undefined) return []
    const countMax = Math.max(1, Math.floor(WRITE_MAX_BYTES / this.#torrent.pieceLength))
    for (let i = 1; i < countMax && this.#waiting.has(from - 1); i++) from--
    const pieces: Array<readonly [number, Buffer]> = []
    for (let piece = from; pieces.length < countMax; piece++) {
      const bytes = this.#waiting.get(piece)
      if (bytes === undefined) break
      this.#waiting.delete(piece)
      pieces.push([piece, bytes])
    }
    return pieces
  }

  #addPending(bytes: number): void {
    this.#pending += bytes
    this.#handlers.onPending(this.#pending)
  }
}
