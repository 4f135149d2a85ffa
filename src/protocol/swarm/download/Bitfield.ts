/** A set of pieces, one bit each, the first in the highest bit of the first byte (BEP 3). */
export class Bitfield {
  readonly size: number
  readonly #bytes: Uint8Array
  #count = 0

  constructor(size: number) {
    this.size = size
    this.#bytes = new Uint8Array(Math.ceil(size / 8))
  }

  static full(size: number): Bitfield {
    const field = new Bitfield(size)
    for (let piece = 0; piece < size; piece++) field.add(piece)
    return field
  }

  /** From the bytes of a message. Bits beyond `size` are passed over, missing ones are unset. */
  static from(bytes: Uint8Array, size: number): Bitfield {
    const field = new Bitfield(size)
    for (let piece = 0; piece < size; piece++) {
      if (((bytes[piece >> 3] ?? 0) & (0x80 >> (piece & 7))) !== 0) field.add(piece)
    }
    return field
  }

  /** Pieces in the set. */
  get count(): number {
    return this.#count
  }

  get isFull(): boolean {
    return this.#count === this.size
  }

  /** A copy, as it goes into a message. */
  get bytes(): Uint8Array {
    return this.#bytes.slice()
  }

  has(piece: number): boolean {
    return ((this.#bytes[piece >> 3] ?? 0) & (0x80 >> (piece & 7))) !== 0
  }

  /** Whether the piece is new. One that cannot be is passed over. */
  add(piece: number): boolean {
    if (piece < 0 || piece >= this.size || this.has(piece)) return false
    this.#bytes[piece >> 3]! |= 0x80 >> (piece & 7)
    this.#count++
    return true
  }
}
