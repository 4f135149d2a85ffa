import { assert, describe, it } from "@effect/vitest"
import { isTrue, PieceBytes } from "../../../src/runtime/swarm/PieceBytes.ts"
import { pieceCount, type Torrent } from "../../../src/protocol/swarm/Torrent.ts"
import { sample } from "../../protocol/swarm/SwarmSuite.ts"

const BLOCK = 16_384

const fill = (into: PieceBytes, torrent: Torrent, bytes: Uint8Array, piece: number) => {
  const from = piece * torrent.pieceLength
  const of = bytes.subarray(from, from + torrent.pieceLength)
  for (let at = 0; at < of.length; at += BLOCK) into.put(piece, at, of.subarray(at, at + BLOCK))
}

describe("PieceBytes", () => {
  for (const length of [50_000, 3_000_000]) {
    const { bytes, torrent } = sample(length)
    const pieces = Array.from({ length: pieceCount(torrent) }, (_, piece) => piece)

    it(`holds the pieces of ${length} bytes, in whatever order they come and are used again`, () => {
      const held = new PieceBytes(torrent)
      for (const piece of pieces) held.put(piece, 0, new Uint8Array(BLOCK).subarray(0, bytes.length % BLOCK))
      for (const piece of pieces) held.forget(piece)
      for (const piece of pieces) assert.isUndefined(held.take(piece))
      for (const piece of pieces.toReversed()) fill(held, torrent, bytes, piece)
      const taken = pieces.map((piece) => held.take(piece)!)
      for (const piece of pieces) assert.isTrue(isTrue(torrent, piece, taken[piece]!))
      for (const each of taken) held.recycle(each)
      for (const piece of pieces) fill(held, torrent, bytes, piece)
      for (const piece of pieces) assert.isTrue(isTrue(torrent, piece, held.take(piece)!))
    })
  }

  it("lays the pieces of a small torrent side by side", () => {
    const { bytes, torrent } = sample(50_000)
    const held = new PieceBytes(torrent)
    for (let piece = pieceCount(torrent) - 1; piece >= 0; piece--) fill(held, torrent, bytes, piece)
    const first = held.take(0)!
    assert.deepStrictEqual(new Uint8Array(first.buffer), bytes)
  })
})
