import { assert, describe, it } from "@effect/vitest"
import * as SecureId from "../../../src/protocol/dht/client/SecureId.ts"
import {
  Newcomers,
  PING_AGAIN_MS,
  PING_TIMEOUT_MS,
  type Place,
  PINGS_MAX,
  PINGS_PER_NETWORK_MAX
} from "../../../src/runtime/dht/Newcomers.ts"
import { WAITING_MAX } from "../../../src/runtime/dht/NewcomerQueue.ts"

const idOf = (byte: number): Uint8Array => new Uint8Array(20).fill(byte)
const placeOf = (port: number): Place => ({ host: "8.8.8.8", port })

/** The same numbers each time (Numerical Recipes' generator). */
const chance = () => {
  let state = 1
  return (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

const make = () => {
  let now = 1_000
  const listed = new Map<string, number>()
  const pings: Array<readonly [number, (id: Uint8Array | undefined) => void]> = []
  const newcomers = new Newcomers({
    now: () => now,
    random: chance(),
    ping: ({ port }, onId) => pings.push([port, onId]),
    refresh: (id, { port }) => listed.get(String(id)) === port,
    list: (id, { port }) => void listed.set(String(id), port)
  })
  return { newcomers, listed, pings, advance: (ms: number) => void (now += ms) }
}

describe("Newcomers", () => {
  it("are listed when they answer under the id that they gave", () => {
    const { newcomers, listed, pings } = make()
    newcomers.meet(idOf(1), placeOf(1))
    assert.strictEqual(listed.size, 0)
    pings[0]![1](idOf(1))
    assert.strictEqual(listed.get(String(idOf(1))), 1)
    newcomers.meet(idOf(1), placeOf(1))
    assert.lengthOf(pings, 1, "whoever is listed is not asked again")
  })

  it("are not listed when they are silent", () => {
    const { newcomers, listed, pings } = make()
    newcomers.meet(idOf(1), placeOf(1))
    pings[0]![1](undefined)
    assert.strictEqual(listed.size, 0)
  })

  it("are listed under the id that they answer with, whatever somebody wrote in their name", () => {
    const { newcomers, listed, pings } = make()
    newcomers.meet(idOf(9), placeOf(1))
    newcomers.meet(idOf(1), placeOf(1))
    pings[0]![1](idOf(1))
    assert.deepEqual([...listed], [[String(idOf(1)), 1]])
  })

  it("are asked once a minute, however often they call and under whatever ids", () => {
    const { newcomers, pings, advance } = make()
    const meet = () => {
      for (let i = 1; i < 50; i++) newcomers.meet(idOf(i), placeOf(1))
      for (const [, onId] of pings.splice(1)) onId(undefined)
    }
    meet()
    pings[0]![1](undefined)
    meet()
    assert.lengthOf(pings, 1)
    advance(PING_AGAIN_MS)
    newcomers.meet(idOf(1), placeOf(1))
    assert.lengthOf(pings, 2)
  })

  it("are asked again when the clock is set back", () => {
    const { newcomers, pings, advance } = make()
    newcomers.meet(idOf(1), placeOf(1))
    pings[0]![1](undefined)
    advance(-1)
    newcomers.meet(idOf(1), placeOf(1))
    assert.lengthOf(pings, 2)
  })

  it("cannot make the node ping more than a few at a time, and of one network fewer; the others wait", () => {
    const { newcomers, pings } = make()
    for (let port = 1; port <= 50; port++) newcomers.meet(idOf(port), placeOf(port))
    assert.lengthOf(pings, PINGS_PER_NETWORK_MAX)
    for (let i = 1; i <= PINGS_MAX + 100; i++) newcomers.meet(idOf(i), { host: `20.${i}.1.1`, port: 10_000 })
    assert.lengthOf(pings, PINGS_MAX)
    pings[0]![1](undefined)
    assert.lengthOf(pings, PINGS_MAX + 1)
    for (let i = 1; i < pings.length; i++) pings[i]![1](undefined)
    assert.lengthOf(pings, 50 + PINGS_MAX + 100)
    assert.strictEqual(new Set(pings.map(([port]) => port)).size, 51)
  })

  it("of one machine are nobody's network", () => {
    const { newcomers, pings } = make()
    for (let port = 1; port <= PINGS_MAX; port++) newcomers.meet(idOf(port), { host: "127.0.0.1", port })
    assert.lengthOf(pings, PINGS_MAX)
  })

  it("wait in a bounded number, and may be listed meanwhile", () => {
    const { newcomers, listed, pings } = make()
    for (let i = 0; i < 10 * WAITING_MAX; i++) {
      newcomers.meet(idOf(i), { host: `${11 + (i % 100)}.${i >> 8}.${i & 255}.1`, port: 10_000 + i })
    }
    for (let i = 0; i < pings.length; i++) pings[i]![1](undefined)
    assert.isAtMost(pings.length, PINGS_MAX + 2 * WAITING_MAX)
    assert.isAbove(pings.length, PINGS_MAX)

    const before = pings.length
    const meet = (port: number) => newcomers.meet(idOf(port), placeOf(port))
    for (let port = 1; port <= PINGS_PER_NETWORK_MAX + 1; port++) meet(port)
    listed.set(String(idOf(PINGS_PER_NETWORK_MAX + 1)), PINGS_PER_NETWORK_MAX + 1)
    pings[before]![1](undefined)
    assert.lengthOf(pings, before + PINGS_PER_NETWORK_MAX, "whoever is listed by now is not asked")
  })

  /** Two honest nodes a second for a minute, among so many forged senders a second. How many of the 120 are listed. */
  const listedAmong = (forgedPerSecond: number, isFit: boolean): number => {
    const { newcomers, listed, pings, advance } = make()
    const HONEST_PORT = 20_000
    const STEP_MS = 10
    const due: Array<{ readonly at: number; readonly end: () => void }> = []
    const random = chance()
    let forged = 0
    for (let ms = 0; ms < 62_000; ms += STEP_MS) {
      advance(STEP_MS)
      while (due.length > 0 && due[0]!.at <= ms) due.shift()!.end()
      const dueForged = (Math.min(ms, 60_000) * forgedPerSecond) / 1_000
      for (; forged < dueForged; forged++) {
        const host = `${11 + random(80)}.${random(256)}.${random(256)}.${random(256)}`
        newcomers.meet(idOf(random(256)), { host, port: 1 + random(9_999) })
      }
      if (ms < 60_000 && ms % 500 === 0) {
        const i = ms / 500
        const host = `${130 + (i % 50)}.${i}.3.4`
        const id = isFit ? SecureId.make(host, idOf(i)) : idOf(i)
        newcomers.meet(id, { host, port: HONEST_PORT + i })
      }
      for (const [port, onId] of pings.splice(0)) {
        const isHonest = port >= HONEST_PORT
        const at = ms + (isHonest ? 100 : PING_TIMEOUT_MS)
        const end = () => onId(isHonest ? Uint8Array.of(...idOf(0).slice(4), 0, 0, port >> 8, port & 255) : undefined)
        due.push({ at, end })
        due.sort((one, other) => one.at - other.at)
      }
    }
    return listed.size
  }

  it("are listed all the same while somebody forges fifty senders a second", () => {
    assert.isAtLeast(listedAmong(50, false), 118)
  })

  it("are listed in part while somebody forges thousands, those first whose ids fit their addresses", () => {
    assert.isAtLeast(listedAmong(1_000, true), 110)
    assert.isAtLeast(listedAmong(1_000, false), 5)
  })
})
