/**
 * How a torrent is cut: pieces that are checked by a hash each (BEP 3), and blocks in which they are
 * asked for. Lengths and offsets are in bytes, offsets within the piece.
 */

/** BEP 3: requests are for 2^14 bytes, and connections that ask for more are closed. */
export const BLOCK_BYTES = 16 * 1024

export interface Geometry {
  readonly pieceCount: number
  readonly pieceLength: number
  readonly totalLength: number
}

/** Length of a piece; only the last one may be shorter. */
export const lengthOfPiece = ({ pieceLength, totalLength }: Geometry, piece: number): number =>
  Math.min(pieceLength, totalLength - piece * pieceLength)

export const blocksOfPiece = (geometry: Geometry, piece: number): number =>
  Math.ceil(lengthOfPiece(geometry, piece) / BLOCK_BYTES)

/** Length of a block; only the last one of a piece may be shorter. */
export const lengthOfBlock = (geometry: Geometry, piece: number, block: number): number =>
  Math.min(BLOCK_BYTES, lengthOfPiece(geometry, piece) - block * BLOCK_BYTES)

/** Pieces that hold bytes of `[offset, offset + length)`: the first, and the one behind the last. */
export const piecesOf = (
  { pieceLength }: Geometry,
  offset: number,
  length: number
): { readonly from: number; readonly to: number } => ({
  from: Math.floor(offset / pieceLength),
  to: Math.ceil((offset + length) / pieceLength)
})
