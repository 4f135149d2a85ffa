/** Pieces that were read lately, of all torrents of a node together, up to a number of bytes. */

/** 16 pieces of the largest kind: what a few dozen peers are in the middle of. */
export const PIECE_CACHE_BYTES = 16 * 1024 * 1024

export class PieceCache {
  readonly #max: number
  /** The one that was used last is last. */
  readonly #pieces = new Map<string, Uint8Array>()
  #bytes = 0

  constructor(max: number = PIECE_CACHE_BYTES) {
    this.#max = max
  }

  get bytes(): number {
    return this.#bytes
  }

  get(infohash: string, piece: number): Uint8Array | undefined {
    const key = `${infohash} ${piece}`
    const found = this.#pieces.get(key)
    if (found === undefined) return undefined
    this.#pieces.delete(key)
    this.#pieces.set(key, found)
    return found
  }

  put(infohash: string, piece: number, bytes: Uint8Array): void {
    this.drop(infohash, piece)
    this.#pieces.set(`${infohash} ${piece}`, bytes)
    this.#bytes += bytes.length
    for (const [key, { length }] of this.#pieces) {
      if (this.#bytes <= this.#max) return
      this.#pieces.delete(key)
      this.#bytes -= length
    }
  }

  drop(infohash: string, piece: number): void {
    const key = `${infohash} ${piece}`
    const found = this.#pieces.get(key)
    if (found === undefined) return
    this.#pieces.delete(key)
    this.#bytes -= found.length
  }
}
