/** Who gets a piece that came wrong from several, where some are out to keep it. */
import { assert, describe, it } from "@effect/vitest"
import * as Contested from "../../../../src/protocol/swarm/download/Contested.ts"
import { OpenPiece } from "../../../../src/protocol/swarm/download/OpenPiece.ts"
import { Peer } from "../../../../src/protocol/swarm/download/Peer.ts"
import { BLOCK_BYTES, type Geometry } from "../../../../src/protocol/swarm/download/Geometry.ts"
import { STALL_MS } from "../../../../src/protocol/swarm/download/Stalls.ts"
import { FakeSwarm, honest } from "./FakeSwarm.ts"

const peerOf = (id: number, change: Partial<Peer> = {}): Peer => {
  const peer = new Peer(id, 4, true)
  for (let piece = 0; piece < 4; piece++) peer.pieces.add(piece)
  return Object.assign(peer, { isChoking: false }, change)
}

const all = (...peers: ReadonlyArray<Peer>) => new Map(peers.map((peer) => [peer.id, peer]))

describe("the owner of a contested piece", () => {
  it("is the peer whose blocks made most true pieces, and of those one that has kept nothing to itself", () => {
    const [proven, stranger] = [peerOf(1, { proven: 64 }), peerOf(2)]
    assert.isTrue(Contested.mayOwn(proven, 0, all(proven, stranger), 0))
    assert.isFalse(Contested.mayOwn(stranger, 0, all(proven, stranger), 0))
    proven.missed = 1
    assert.isTrue(Contested.mayOwn(stranger, 0, all(proven, stranger), 0))
    assert.isFalse(Contested.mayOwn(proven, 0, all(proven, stranger), 0))
  })

  it("is not waited for where it serves nobody, has not got the piece, or lets all lie that it owes", () => {
    const stranger = peerOf(2)
    for (const change of [{ isChoking: true }, { restUntil: 10_000 }, { pieces: new Peer(9, 4, true).pieces }]) {
      const other = peerOf(1, { proven: 64, ...change })
      assert.isTrue(Contested.mayOwn(stranger, 0, all(other, stranger), 5000))
    }
    const busy = peerOf(1, { proven: 64 })
    busy.pipeline.setLimit(1)
    busy.orders.set(7, { piece: 1, block: 0, askedAt: 5000 })
    assert.isFalse(Contested.mayOwn(stranger, 0, all(busy, stranger), 5000 + STALL_MS))
    assert.isTrue(Contested.mayOwn(stranger, 0, all(busy, stranger), 5001 + STALL_MS))
  })

  it("loses it after a while where somebody else could fetch it, and has twice as long the next time", () => {
    const [owner, other] = [peerOf(1), peerOf(2)]
    const open = new OpenPiece(0, 4, { owner, isExclusive: true, openedAt: 100 })
    const late = 101 + Contested.CONTESTED_MS
    assert.isFalse(Contested.isOverdue(open, all(owner, other), late - 1))
    assert.isTrue(Contested.isOverdue(open, all(owner, other), late))
    assert.isFalse(Contested.isOverdue(open, all(owner), late))
    owner.missed = 1
    assert.isFalse(Contested.isOverdue(open, all(owner, other), late))
    assert.isTrue(Contested.isOverdue(open, all(owner, other), late + Contested.CONTESTED_MS))
  })

  it("loses no piece that is not contested", () => {
    const [owner, other] = [peerOf(1), peerOf(2)]
    const open = new OpenPiece(0, 4, { owner, isExclusive: false, openedAt: 0 })
    assert.isFalse(Contested.isOverdue(open, all(owner, other), 1_000_000))
  })
})

describe("a download from one honest peer", () => {
  const geometry: Geometry = { pieceCount: 24, pieceLength: 64 * BLOCK_BYTES, totalLength: 1536 * BLOCK_BYTES }

  /** Virtual ms that it takes, with peers that put a wrong block into a piece and then send one block now and then. */
  const took = (liars: number): number => {
    let state = 7
    const random = () => (state = (state * 16_807) % 2_147_483_647) / 2_147_483_647
    const swarm = new FakeSwarm({ geometry, random })
    swarm.join(0, { ...honest, blockMs: 2 })
    for (let name = 1; name <= liars; name++) {
      swarm.join(name, { ...honest, kind: "trickler", isFast: false, blockMs: STALL_MS - 100 })
    }
    swarm.run(1_200_000)
    assert.isTrue(swarm.isComplete)
    assert.isFalse(swarm.bannedNames.has(0))
    return swarm.now
  }

  it("is not held up for long by peers that contest pieces to keep them", () => {
    const alone = took(0)
    assert.isBelow(took(8), alone + 2 * Contested.CONTESTED_MS)
  })
})
