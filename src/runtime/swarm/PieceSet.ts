/**
 * Which pieces one side of a connection has, as it has said: piece by piece, or all of them (BEP 6), which can be said
 * before anybody knows how many there are.
 */
export class PieceSet {
  readonly #pieces = new Set<number>()
  #all = false

  has(index: number): boolean {
    return this.#all || this.#pieces.has(index)
  }

  add(index: number): void {
    if (!this.#all) this.#pieces.add(index)
  }

  addAll(): void {
    this.#all = true
    this.#pieces.clear()
  }

  get isAll(): boolean {
    return this.#all
  }
}

/** The pieces of a bitfield message (BEP 3). */
export const piecesOf = (bitfield: Uint8Array): ReadonlyArray<number> => {
  const pieces: Array<number> = []
  for (let i = 0; i < bitfield.length * 8; i++) {
    if ((bitfield[i >> 3]! & (0x80 >> (i & 7))) !== 0) pieces.push(i)
  }
  return pieces
}

/** One bit for each of `count` pieces, all set; spare bits are 0. */
export const fullBitfield = (count: number): Uint8Array => {
  const bytes = new Uint8Array(Math.ceil(count / 8)).fill(0xff)
  if (bytes.length > 0) bytes[bytes.length - 1] = 0xff << (bytes.length * 8 - count)
  return bytes
}
