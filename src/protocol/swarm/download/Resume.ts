/**
 * Which pieces an earlier try has left. Stretches of the content are to be read one after another, a
 * bounded number of bytes each, and their hashes told; a bitfield of the true ones comes out. Where a
 * stretch cannot be read it is tried by the piece, and after two pieces in a row nothing is thought to
 * follow: content that has only begun is known for that at once.
 */
import { Bitfield } from "./Bitfield.ts"
import { type Geometry, lengthOfPiece } from "./Geometry.ts"

/** Bytes of a stretch of several pieces; a longer piece is a stretch by itself. */
const STRETCH_BYTES = 1024 * 1024
const FAILURES_MAX = 2

/** Pieces from `from` up to, and without, `to`; `offset` and `length` in bytes of the torrent. */
export interface Stretch {
  readonly from: number
  readonly to: number
  readonly offset: number
  readonly length: number
}

export class Resume {
  readonly have: Bitfield
  readonly #geometry: Geometry
  #next = 0
  #failures = 0
  /** Pieces up to here are read one by one. */
  #singlyUntil = 0

  constructor(geometry: Geometry) {
    this.#geometry = geometry
    this.have = new Bitfield(geometry.pieceCount)
  }

  /** What to read next; `undefined` when all is known. */
  get stretch(): Stretch | undefined {
    const { pieceCount, pieceLength } = this.#geometry
    const from = this.#next
    if (from >= pieceCount || this.#failures >= FAILURES_MAX) return undefined
    const count = from < this.#singlyUntil ? 1 : Math.max(1, Math.floor(STRETCH_BYTES / pieceLength))
    const to = Math.min(pieceCount, from + count)
    const offset = from * pieceLength
    return { from, to, offset, length: (to - 1) * pieceLength + lengthOfPiece(this.#geometry, to - 1) - offset }
  }

  /** The stretch could be read; `isTrue` says of its pieces whether their hashes are right. */
  onRead({ from, to }: Stretch, isTrue: (piece: number) => boolean): void {
    for (let piece = from; piece < to; piece++) if (isTrue(piece)) this.have.add(piece)
    this.#next = to
    this.#failures = 0
  }

  /** The stretch could not be read. */
  onFailed({ from, to }: Stretch): void {
    if (to - from > 1) {
      this.#singlyUntil = to
      return
    }
    this.#next = to
    this.#failures++
  }
}
