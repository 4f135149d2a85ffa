import { assert, describe, it } from "@effect/vitest"
import type { Geometry } from "../../../../src/protocol/swarm/download/Geometry.ts"
import { Resume } from "../../../../src/protocol/swarm/download/Resume.ts"

const KIB = 1024
const small: Geometry = { pieceCount: 5, pieceLength: 16 * KIB, totalLength: 4 * 16 * KIB + 100 }
const large: Geometry = { pieceCount: 3, pieceLength: KIB * KIB, totalLength: 2 * KIB * KIB + 100 }

/** Content of which `readable` bytes can be read and these pieces are true. Gives the pieces, and how many reads it took. */
const resume = (geometry: Geometry, readable: number, truth: ReadonlyArray<number>) => {
  const check = new Resume(geometry)
  let reads = 0
  for (let stretch = check.stretch; stretch !== undefined; stretch = check.stretch) {
    reads++
    if (stretch.offset + stretch.length > readable) check.onFailed(stretch)
    else check.onRead(stretch, (piece) => truth.includes(piece))
  }
  const pieces = Array.from({ length: geometry.pieceCount }, (_, piece) => piece).filter((piece) =>
    check.have.has(piece)
  )
  return { pieces, reads }
}

describe("Resume", () => {
  it("reads small pieces together and large ones one by one, and keeps the true ones", () => {
    assert.deepStrictEqual(resume(small, small.totalLength, [0, 2, 4]), { pieces: [0, 2, 4], reads: 1 })
    assert.deepStrictEqual(resume(large, large.totalLength, [1, 2]), { pieces: [1, 2], reads: 3 })
  })

  it("finds what is there of content that ends early", () => {
    assert.deepStrictEqual(resume(small, 3 * 16 * KIB, [0, 1, 2]), { pieces: [0, 1, 2], reads: 6 })
  })

  it("gives up soon on content that has only begun", () => {
    assert.strictEqual(resume(small, 0, []).reads, 3)
    assert.strictEqual(resume({ ...large, pieceCount: 100, totalLength: 100 * KIB * KIB }, 0, []).reads, 2)
  })
})
