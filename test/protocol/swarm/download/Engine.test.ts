import { assert, describe, it } from "@effect/vitest"
import { Bitfield } from "../../../../src/protocol/swarm/download/Bitfield.ts"
import { type Command, Engine } from "../../../../src/protocol/swarm/download/Engine.ts"
import { BLOCK_BYTES, type Geometry } from "../../../../src/protocol/swarm/download/Geometry.ts"
import { ORDERS_MAX } from "../../../../src/protocol/swarm/download/Orders.ts"
import { ORPHANS_MAX } from "../../../../src/protocol/swarm/download/Picker.ts"
import { PIPELINE_START } from "../../../../src/protocol/swarm/download/Pipeline.ts"
import { REST_MS, STALL_MS } from "../../../../src/protocol/swarm/download/Stalls.ts"
import { FakeSwarm, honest } from "./FakeSwarm.ts"

const geometryOf = (pieceCount: number, blocksPerPiece = 4): Geometry => ({
  pieceCount,
  pieceLength: blocksPerPiece * BLOCK_BYTES,
  totalLength: pieceCount * blocksPerPiece * BLOCK_BYTES
})

/** Always the same, so that ties go to the last one. */
const still = () => 0

const engineOf = (geometry: Geometry, options?: { readonly firstBytes?: number; readonly timeoutMs?: number }) =>
  new Engine({ geometry, firstBytes: 0, timeoutMs: 8000, random: still, ...options })

/** A peer with these pieces (all where none are named) that lets us ask. */
const join = (engine: Engine, peer: number, pieces?: ReadonlyArray<number>, now = 0, isFast = true) => {
  const field = new Bitfield(engine.have.size)
  for (const piece of pieces ?? []) field.add(piece)
  return [
    ...engine.step({ _tag: "Joined", peer, isFast }, now),
    ...engine.step(pieces === undefined ? { _tag: "HasAll", peer } : { _tag: "Has", peer, pieces: field.bytes }, now),
    ...engine.step({ _tag: "Unchoked", peer }, now)
  ]
}

const requests = (commands: ReadonlyArray<Command>) =>
  commands.flatMap((command) =>
    command._tag === "Request"
      ? [{ peer: command.peer, piece: command.piece, block: command.offset / BLOCK_BYTES }]
      : []
  )

const tags = (commands: ReadonlyArray<Command>) => commands.map(({ _tag }) => _tag)

const swarmOf = (geometry: Geometry) => new FakeSwarm({ geometry, random: still })

const asked = (swarm: FakeSwarm) => requests(swarm.commands).length

describe("the engine's choice of pieces", () => {
  it("is the pieces of the small file before all others, then the rarest", () => {
    const engine = engineOf(geometryOf(6, 1), { firstBytes: BLOCK_BYTES + 1 })
    for (const [peer, pieces] of [
      [1, 2, 3, 4],
      [2, 3],
      [2, 4, 5]
    ].entries()) {
      const field = new Bitfield(6)
      for (const piece of pieces) field.add(piece)
      engine.step({ _tag: "Joined", peer: 10 + peer, isFast: true }, 0)
      engine.step({ _tag: "Has", peer: 10 + peer, pieces: field.bytes }, 0)
    }
    const order = requests(join(engine, 1)).map(({ piece }) => piece)
    assert.deepStrictEqual(order.slice(0, 2).toSorted(), [0, 1])
    assert.deepStrictEqual(order.slice(2), [5, 4, 3, 2])
  })

  it("differs by chance among pieces that are equally rare", () => {
    const orders = [0.1, 0.5, 0.9].map((value) => {
      let state = value
      const random = () => (state = (state * 997) % 1)
      const engine = new Engine({ geometry: geometryOf(8, 1), firstBytes: 0, timeoutMs: 8000, random })
      return requests(join(engine, 1))
        .map(({ piece }) => piece)
        .join()
    })
    assert.strictEqual(new Set(orders).size, 3)
  })

  it("is what was begun before anything new, also when others began it and left", () => {
    const engine = engineOf(geometryOf(8))
    const first = requests(join(engine, 1))
    assert.strictEqual(new Set(first.map(({ piece }) => piece)).size, PIPELINE_START / 4)
    const { block, piece } = first[0]!
    engine.step({ _tag: "Block", peer: 1, piece, offset: block * BLOCK_BYTES }, 10)
    engine.step({ _tag: "Left", peer: 1 }, 20)
    const second = requests(join(engine, 2, undefined, 30))
    assert.deepStrictEqual(
      second.slice(0, 3).map((request) => [request.piece, request.block]),
      [1, 2, 3].map((each) => [piece, each])
    )
  })

  it("is a piece for each peer as long as there are enough", () => {
    const engine = engineOf(geometryOf(64))
    const [one, other] = [requests(join(engine, 1)), requests(join(engine, 2))]
    const mine = new Set(one.map(({ piece }) => piece))
    assert.isFalse(other.some(({ piece }) => mine.has(piece)))
  })

  it("never takes in what a peer has not, and shows interest only where it has something", () => {
    const engine = engineOf(geometryOf(4))
    assert.deepStrictEqual(join(engine, 1, []), [])
    const commands = engine.step({ _tag: "Have", peer: 1, piece: 2 }, 0)
    assert.strictEqual(commands[0]?._tag, "Interested")
    assert.isTrue(requests(commands).every(({ piece }) => piece === 2))
    assert.deepInclude(engine.step({ _tag: "Verified", piece: 2 }, 10), { _tag: "Uninterested", peer: 1 })
  })

  it("asks a peer that chokes only for what it allows all the same", () => {
    const engine = engineOf(geometryOf(4))
    engine.step({ _tag: "Joined", peer: 1, isFast: true }, 0)
    engine.step({ _tag: "HasAll", peer: 1 }, 0)
    const commands = engine.step({ _tag: "AllowedFast", peer: 1, piece: 3 }, 0)
    assert.deepStrictEqual(
      requests(commands).map(({ piece }) => piece),
      [3, 3, 3, 3]
    )
  })
})

describe("the engine's pipelines", () => {
  it("fill a way of 50 ms there and back: 20 MB/s and more from one peer", () => {
    const swarm = swarmOf(geometryOf(40, 64))
    swarm.join(1, { ...honest, roundTripMs: 50, blockMs: 0 })
    swarm.run(60_000)
    assert.isTrue(swarm.isComplete)
    assert.isAbove((40 * 64 * BLOCK_BYTES) / 1000 / swarm.now, 20)
  })

  it("stay within what a peer says that it queues", () => {
    const swarm = swarmOf(geometryOf(4, 64))
    swarm.join(1, { ...honest, queue: 5 })
    swarm.run(60_000)
    assert.isTrue(swarm.isComplete)
  })

  it("hold no more blocks in all than is bounded", () => {
    const engine = engineOf(geometryOf(200, 64))
    const peers = Array.from({ length: 100 }, (_, peer) => peer)
    const ordered = peers.flatMap((peer) => requests(join(engine, peer)))
    assert.isAtMost(ordered.length, ORDERS_MAX + peers.length)
    assert.isAtLeast(ordered.length, ORDERS_MAX)
  })
})

describe("the engine and slow peers", () => {
  it("asks nobody twice while nobody is late", () => {
    const swarm = swarmOf(geometryOf(20))
    for (const name of [1, 2, 3]) swarm.join(name, honest)
    swarm.run(60_000)
    assert.strictEqual(asked(swarm), 80)
  })

  it("asks others for late blocks at the end, and takes the late ones back", () => {
    const swarm = swarmOf(geometryOf(4))
    swarm.join(1, { ...honest, roundTripMs: 400, blockMs: 400 })
    swarm.join(2, honest, 500)
    swarm.run(60_000)
    assert.isBelow(swarm.now, 1500)
    assert.isAbove(asked(swarm), 16)
    assert.isTrue(swarm.commands.some(({ _tag, ...rest }) => _tag === "Cancel" && "peer" in rest && rest.peer === 0))
  })

  it("gives the work of a peer that stalls to others, and lets it rest for a while", () => {
    const engine = engineOf(geometryOf(8), { timeoutMs: 60_000 })
    const owed = requests(join(engine, 1))
    const helper = requests(join(engine, 2))
    for (const { block, piece } of helper) {
      engine.step({ _tag: "Block", peer: 2, piece, offset: block * BLOCK_BYTES }, 1000)
    }
    const now = STALL_MS + 1
    const commands = engine.step({ _tag: "Tick" }, now)
    const cancelled = commands.filter((command) => command._tag === "Cancel" && command.peer === 1)
    assert.strictEqual(cancelled.length, owed.length)
    assert.isFalse(requests(engine.step({ _tag: "Tick" }, now + REST_MS - 1)).some(({ peer }) => peer === 1))
    assert.isTrue(requests(engine.step({ _tag: "Left", peer: 2 }, now + REST_MS)).some(({ peer }) => peer === 1))
  })

  it("has a peer replaced that owes blocks for too long, with nobody else there", () => {
    const engine = engineOf(geometryOf(4), { timeoutMs: 100 })
    join(engine, 1)
    assert.deepStrictEqual(engine.step({ _tag: "Tick" }, 100), [])
    assert.deepStrictEqual(engine.step({ _tag: "Tick" }, 101), [{ _tag: "Replace", peer: 1 }])
    assert.deepStrictEqual(engine.step({ _tag: "Unchoked", peer: 1 }, 102), [])
  })

  it("blames nobody for a time in which nothing was read", () => {
    const engine = engineOf(geometryOf(4), { timeoutMs: 100 })
    join(engine, 1)
    engine.step({ _tag: "Resumed" }, 5000)
    assert.deepStrictEqual(engine.step({ _tag: "Tick" }, 5050), [])
  })

  it("does not ask at once again for what a peer has refused", () => {
    const engine = engineOf(geometryOf(1, 1))
    assert.strictEqual(requests(join(engine, 1)).length, 1)
    assert.deepStrictEqual(engine.step({ _tag: "Rejected", peer: 1, piece: 0, offset: 0 }, 10), [])
    assert.deepStrictEqual(engine.step({ _tag: "Tick" }, 5000), [])
    assert.strictEqual(requests(engine.step({ _tag: "Tick" }, 10_011)).length, 1)
  })

  it("asks again for what was refused when the peer has choked and serves again", () => {
    const engine = engineOf(geometryOf(1, 1))
    join(engine, 1)
    engine.step({ _tag: "Rejected", peer: 1, piece: 0, offset: 0 }, 10)
    engine.step({ _tag: "Choked", peer: 1 }, 20)
    assert.strictEqual(requests(engine.step({ _tag: "Unchoked", peer: 1 }, 30)).length, 1)
  })

  it("gives a peer other work at once when somebody else was quicker", () => {
    const engine = engineOf(geometryOf(2, 4))
    const [first] = requests(join(engine, 1))
    engine.step({ _tag: "Block", peer: 1, piece: first!.piece, offset: first!.block * BLOCK_BYTES }, 50)
    const [late] = requests(join(engine, 2, undefined, 1000))
    const { block, piece } = late!
    const commands = engine.step({ _tag: "Block", peer: 1, piece, offset: block * BLOCK_BYTES }, 1010)
    assert.isTrue(commands.some(({ _tag, ...rest }) => _tag === "Cancel" && "peer" in rest && rest.peer === 2))
    assert.isTrue(requests(commands).some(({ peer }) => peer === 2))
  })

  it("takes a choke for a refusal of all, except from a fast peer, which refuses each by itself", () => {
    for (const isFast of [true, false]) {
      const engine = engineOf(geometryOf(4))
      const [first] = requests(join(engine, 1, undefined, 0, isFast))
      engine.step({ _tag: "Choked", peer: 1 }, 10)
      const kept = engine.step({ _tag: "Block", peer: 1, piece: first!.piece, offset: 0 }, 20)
      assert.deepStrictEqual(tags(kept), isFast ? ["Keep"] : [])
    }
  })
})

describe("the engine and liars", () => {
  const two = geometryOf(1, 2)
  const block = (peer: number, index: number) =>
    ({ _tag: "Block", peer, piece: 0, offset: index * BLOCK_BYTES }) as const

  /** Both blocks of the piece from one peer each. */
  const mixed = () => {
    const engine = engineOf(two)
    engine.step({ _tag: "Joined", peer: 1, isFast: true }, 0)
    engine.step({ _tag: "HasAll", peer: 1 }, 0)
    engine.step({ _tag: "Queues", peer: 1, requests: 1 }, 0)
    assert.strictEqual(requests(engine.step({ _tag: "Unchoked", peer: 1 }, 0)).length, 1)
    assert.strictEqual(requests(join(engine, 2)).length, 1)
    assert.deepStrictEqual(tags(engine.step(block(1, 0), 5)), ["Keep"])
    assert.deepStrictEqual(tags(engine.step(block(2, 1), 10)), ["Keep", "Check"])
    return engine
  }

  it("bans who sent a wrong piece alone, and asks the others for it", () => {
    const engine = engineOf(two)
    join(engine, 1)
    engine.step(block(1, 0), 10)
    assert.deepStrictEqual(tags(engine.step(block(1, 1), 10)), ["Keep", "Check"])
    join(engine, 2)
    const commands = engine.step({ _tag: "Failed", piece: 0, prints: ["a", "x"] }, 20)
    assert.deepStrictEqual(commands[0], { _tag: "Ban", peer: 1 })
    assert.deepStrictEqual(
      requests(commands).map(({ peer }) => peer),
      [2, 2]
    )
    assert.deepStrictEqual(engine.step({ _tag: "Unchoked", peer: 1 }, 30), [])
  })

  it("fetches a wrong piece of several peers from one at a time, and bans the guilty one when it is true", () => {
    const engine = mixed()
    const again = requests(engine.step({ _tag: "Failed", piece: 0, prints: ["a", "x"] }, 20))
    const [{ peer: owner } = { peer: 0 }] = again
    assert.isTrue(again.every(({ peer }) => peer === owner))
    assert.isTrue(engine.isContested(0))
    // However late it is, nobody else is asked for it.
    assert.deepStrictEqual(requests(engine.step({ _tag: "Tick" }, 1000)), [])
    engine.step(block(owner, 0), 1010)
    const last = requests(engine.step(block(owner, 0), 1010))
    assert.isTrue(last.every(({ peer }) => peer === owner))
    engine.step(block(owner, 1), 1020)
    assert.deepInclude(engine.step({ _tag: "Verified", piece: 0, prints: ["a", "b"] }, 1030), { _tag: "Ban", peer: 2 })
  })

  it("begins a contested piece anew where its only source refuses some of it", () => {
    const engine = mixed()
    const again = requests(engine.step({ _tag: "Failed", piece: 0, prints: ["a", "x"] }, 20))
    const owner = again[0]!.peer
    const other = owner === 1 ? 2 : 1
    if (owner === 1) engine.step({ _tag: "Queues", peer: 1, requests: 2 }, 25)
    engine.step({ _tag: "Tick" }, 25)
    const commands = engine.step({ _tag: "Rejected", peer: owner, piece: 0, offset: 0 }, 30)
    assert.deepInclude(commands, { _tag: "Cancel", peer: owner, piece: 0, offset: BLOCK_BYTES, length: BLOCK_BYTES })
    assert.isTrue(requests(commands).some(({ peer }) => peer === other))
    assert.isFalse(requests(commands).some(({ peer }) => peer === owner))
  })

  it("takes back what a liar has sent of other pieces", () => {
    const engine = engineOf(geometryOf(2, 2))
    const send = (piece: number, index: number) =>
      engine.step({ _tag: "Block", peer: 1, piece, offset: index * BLOCK_BYTES }, 10)
    join(engine, 1)
    send(0, 0)
    send(1, 0)
    send(1, 1)
    engine.step({ _tag: "Failed", piece: 1, prints: ["x", "x"] }, 20)
    const asked = requests(join(engine, 2, undefined, 30)).map(({ block, piece }) => [piece, block])
    assert.deepStrictEqual(asked.toSorted(), [
      [0, 0],
      [0, 1],
      [1, 0],
      [1, 1]
    ])
  })

  it("begins a contested piece anew where its only source goes away", () => {
    const engine = mixed()
    const again = requests(engine.step({ _tag: "Failed", piece: 0, prints: ["a", "x"] }, 20))
    const owner = again[0]!.peer
    const other = owner === 1 ? 2 : 1
    engine.step(block(owner, 0), 30)
    const commands = engine.step({ _tag: "Left", peer: owner }, 40)
    assert.deepInclude(commands, { _tag: "Forget", piece: 0 })
    assert.deepStrictEqual(requests(commands)[0], { peer: other, piece: 0, block: 0 })
  })
})

describe("the engine's thrift", () => {
  it("asks for many blocks in few goes where a pipeline is deep", () => {
    const swarm = swarmOf(geometryOf(40, 64))
    swarm.join(1, { ...honest, roundTripMs: 50, blockMs: 0 })
    swarm.run(60_000)
    const goes = new Set(swarm.commands.map((command, i) => (command._tag === "Request" ? i : -1)))
    const runs = [...goes].filter((i) => i >= 0 && !goes.has(i - 1)).length
    assert.isBelow(runs, asked(swarm) / 8)
  })
})

describe("what the engine holds", () => {
  it("is little, however many peers begin pieces and leave", () => {
    const engine = engineOf(geometryOf(500, 2))
    for (let peer = 0; peer < 400; peer++) {
      const [first] = requests(join(engine, peer, [peer]))
      engine.step({ _tag: "Block", peer, piece: first!.piece, offset: 0 }, peer)
      engine.step({ _tag: "Left", peer }, peer)
    }
    assert.isAtMost(engine.openPieces, ORPHANS_MAX)
  })
})

describe("the engine and peers that only play with it", () => {
  it("asks nothing for a while of a peer that chokes again and again before it sends a block", () => {
    const engine = engineOf(geometryOf(40))
    let asked = requests(join(engine, 1, undefined, 0, false)).length
    for (let now = 1; now < 1000; now++) {
      engine.step({ _tag: "Choked", peer: 1 }, now)
      asked += requests(engine.step({ _tag: "Unchoked", peer: 1 }, now)).length
    }
    assert.isAtMost(asked, 8 * PIPELINE_START)
    assert.isAbove(requests(engine.step({ _tag: "Tick" }, 1000 + REST_MS)).length, 0)
  })

  it("does nothing for what a peer has said before", () => {
    const engine = engineOf(geometryOf(4))
    engine.step({ _tag: "Joined", peer: 1, isFast: true }, 0)
    assert.isNotEmpty(engine.step({ _tag: "HasAll", peer: 1 }, 0))
    assert.isNotEmpty(engine.step({ _tag: "AllowedFast", peer: 1, piece: 2 }, 0))
    engine.step({ _tag: "Queues", peer: 1, requests: 100 }, 0)
    assert.deepStrictEqual(engine.step({ _tag: "HasAll", peer: 1 }, 0), [])
    assert.deepStrictEqual(engine.step({ _tag: "Has", peer: 1, pieces: Uint8Array.of(0xf0) }, 0), [])
    assert.deepStrictEqual(engine.step({ _tag: "AllowedFast", peer: 1, piece: 2 }, 0), [])
  })
})
