/** Laws of the engine that decides what to ask of whom, with peers of all characters. `FakeSwarm` holds each command to its promises. */
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { Blame } from "../src/protocol/swarm/download/Blame.ts"
import { Bitfield } from "../src/protocol/swarm/download/Bitfield.ts"
import { BLOCK_BYTES, type Geometry } from "../src/protocol/swarm/download/Geometry.ts"
import { type Character, FakeSwarm, honest } from "../test/protocol/swarm/download/FakeSwarm.ts"
import { runsUpTo } from "./Runs.ts"

/** Enough virtual time for every staller to be found out in turn. */
const DEADLINE_MS = 30 * 60_000

const geometries: fc.Arbitrary<Geometry> = fc
  .record({
    blocksPerPiece: fc.constantFrom(1, 2, 4, 16),
    blocks: fc.integer({ min: 1, max: 90 }),
    rest: fc.integer({ min: 1, max: BLOCK_BYTES })
  })
  .map(({ blocks, blocksPerPiece, rest }) => {
    const [pieceLength, totalLength] = [blocksPerPiece * BLOCK_BYTES, (blocks - 1) * BLOCK_BYTES + rest]
    return { pieceLength, totalLength, pieceCount: Math.ceil(totalLength / pieceLength) }
  })

const characters: fc.Arbitrary<Character> = fc.record({
  kind: fc.constantFrom("honest", "liar", "staller", "refuser", "fickle"),
  isFast: fc.boolean(),
  roundTripMs: fc.integer({ min: 0, max: 400 }),
  blockMs: fc.integer({ min: 0, max: 100 }),
  every: fc.integer({ min: 1, max: 12 }),
  queue: fc.integer({ min: 1, max: 300 }),
  returns: fc.integer({ min: 0, max: 4 })
})

interface Scene {
  readonly geometry: Geometry
  readonly seed: number
  readonly peers: ReadonlyArray<{
    readonly character: Character
    readonly afterMs: number
    readonly leavesMs: number
    readonly share: number
  }>
  readonly honestAfterMs: number
  readonly have: number
}

const scenes: fc.Arbitrary<Scene> = fc.record({
  geometry: geometries,
  seed: fc.integer(),
  peers: fc.array(
    fc.record({
      character: characters,
      afterMs: fc.integer({ min: 0, max: 3000 }),
      leavesMs: fc.integer({ min: 0, max: 20_000 }),
      share: fc.double({ min: 0, max: 2, noNaN: true })
    }),
    { maxLength: 10 }
  ),
  honestAfterMs: fc.integer({ min: 0, max: 5000 }),
  have: fc.double({ min: 0, max: 0.9, noNaN: true })
})

/** mulberry32 */
const randomOf = (seed: number) => () => {
  seed = (seed + 0x6d2b79f5) | 0
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed)
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
}

const play = ({ geometry, have, honestAfterMs, peers, seed }: Scene): FakeSwarm => {
  const random = randomOf(seed)
  const held = new Bitfield(geometry.pieceCount)
  for (let piece = 0; piece < geometry.pieceCount - 1; piece++) if (random() < have) held.add(piece)
  const swarm = new FakeSwarm({ geometry, random, have: held })
  peers.forEach(({ afterMs, character, leavesMs, share }, name) => {
    const pieces = Array.from({ length: geometry.pieceCount }, (_, piece) => piece).filter(() => random() < share)
    swarm.join(name, share > 1 ? character : { ...character, pieces }, afterMs)
    swarm.leave(name, leavesMs)
  })
  // Two honest ones have every piece between them, and stay.
  const mine = Array.from({ length: geometry.pieceCount }, (_, piece) => piece)
  swarm.join(100, { ...honest, pieces: mine.filter((piece) => piece % 2 === 0), returns: 1000 }, honestAfterMs)
  swarm.join(101, {
    ...honest,
    pieces: mine.filter((piece) => piece % 3 === 0 || piece % 2 === 1),
    returns: 1000,
    isFast: false
  })
  swarm.run(DEADLINE_MS)
  return swarm
}

describe("the engine of a download", () => {
  it("ends, whoever lies, stalls, refuses, chokes or leaves, as long as each piece has an honest peer; and bans none but liars", () => {
    fc.assert(
      fc.property(scenes, (scene) => {
        const swarm = play(scene)
        assert.isTrue(swarm.isComplete)
        for (const name of swarm.bannedNames) assert.strictEqual(scene.peers[name]?.character.kind, "liar")
      }),
      runsUpTo(150)
    )
  })

  it("says the same for the same events", () => {
    fc.assert(
      fc.property(scenes, (scene) => {
        assert.deepStrictEqual(play(scene).commands, play(scene).commands)
      }),
      runsUpTo(20)
    )
  })
})

describe("Blame", () => {
  it("never accuses an honest peer, and accuses every liar of a contested piece once it is true", () => {
    const blocks = fc.array(fc.tuple(fc.nat(3), fc.boolean()), { minLength: 1, maxLength: 6 })
    fc.assert(
      fc.property(blocks, (senders) => {
        const blame = new Blame<number>()
        const liars = new Set(senders.filter(([, lies]) => lies).map(([peer]) => peer))
        fc.pre(liars.size > 0)
        const accused = [
          ...blame.onFailed(
            0,
            senders.map(([peer]) => peer),
            senders.map(([, lies]) => (lies ? "wrong" : "true"))
          ),
          ...blame.onVerified(
            0,
            senders.map(() => "true")
          )
        ]
        assert.deepStrictEqual(new Set(accused), liars)
      })
    )
  })
})
