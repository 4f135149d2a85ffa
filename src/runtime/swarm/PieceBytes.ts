/** Bytes of pieces on their way from the peers to the disk: hashed here, and kept in buffers that are used again. */
import { hash } from "node:crypto"
import { BLOCK_BYTES } from "../../protocol/swarm/download/Geometry.ts"
import { hashOfPiece, lengthOfPiece, type Torrent } from "../../protocol/swarm/Torrent.ts"

/** Whether the bytes are those of the piece (SHA-1, BEP 3). */
export const isTrue = (torrent: Torrent, piece: number, bytes: Uint8Array): boolean =>
  hash("sha1", bytes, "buffer").equals(hashOfPiece(torrent, piece))

/** One string for each block, which differs where the bytes do. */
export const printsOf = (bytes: Uint8Array): ReadonlyArray<string> =>
  Array.from({ length: Math.ceil(bytes.length / BLOCK_BYTES) }, (_, block) =>
    hash("sha1", bytes.subarray(block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES))
  )

/** Most bytes of a torrent whose pieces lie in one buffer, side by side, so that they can be written from there. */
const WHOLE_MAX_BYTES = 1024 * 1024
/** Buffers that wait for their next use: memory that is given back and taken anew is the slower the larger it is. */
const SPARE_MAX = 4

export class PieceBytes {
  readonly #torrent: Torrent
  readonly #pieces = new Map<number, Buffer>()
  readonly #spare: Array<Buffer> = []
  /** Of a small torrent. */
  #whole: Buffer | undefined

  constructor(torrent: Torrent) {
    this.#torrent = torrent
  }

  /** Copies a block in: what it lies in is soon read over. */
  put(piece: number, offset: number, block: Uint8Array): void {
    let bytes = this.#pieces.get(piece)
    if (bytes === undefined) {
      bytes = this.#room(piece)
      this.#pieces.set(piece, bytes)
    }
    bytes.set(block, offset)
  }

  /** Takes the piece out. Its bytes are the caller's until {@link recycle}. */
  take(piece: number): Buffer | undefined {
    const bytes = this.#pieces.get(piece)
    this.#pieces.delete(piece)
    return bytes?.subarray(0, lengthOfPiece(this.#torrent, piece))
  }

  /** What is there of the piece is of no use. */
  forget(piece: number): void {
    const bytes = this.#pieces.get(piece)
    this.#pieces.delete(piece)
    if (bytes !== undefined) this.recycle(bytes)
  }

  /** The bytes of a piece are not needed any more. */
  recycle(bytes: Buffer): void {
    if (bytes.buffer !== this.#whole?.buffer && this.#spare.length < SPARE_MAX)
      this.#spare.push(Buffer.from(bytes.buffer))
  }

  #room(piece: number): Buffer {
    const { pieceLength, totalLength } = this.#torrent
    if (totalLength > WHOLE_MAX_BYTES) {
      return this.#spare.pop() ?? Buffer.allocUnsafeSlow(Math.min(pieceLength, totalLength))
    }
    this.#whole ??= Buffer.allocUnsafeSlow(totalLength)
    return this.#whole.subarray(piece * pieceLength, (piece + 1) * pieceLength)
  }
}
