import { assert, describe, it } from "@effect/vitest"
import type { External } from "../../../../src/runtime/dht/entry/ExternalAddress.ts"
import {
  ASKED_MS,
  HAIRPIN_MS,
  type Mode,
  PRIVATE_SETTLING_MS,
  QUIET_MS,
  Reach,
  SETTLING_MS,
  STRANGER_WINDOW_MS,
  STRANGERS_MIN
} from "../../../../src/runtime/dht/entry/Reach.ts"

const EXTERNAL: External = { host: "85.10.20.30", port: 6881, portIsStable: true, voters: 5 }
const OWN = "85.10.20.30:6881"

const stranger = (i: number): string => `20.${i}.1.1:6881`

const setUp = (mode: Mode = "adaptive", boundHost = "0.0.0.0") => {
  let now = 1_000_000
  const reach = new Reach({ mode, boundHost, now: () => now })
  return {
    reach,
    pass: (ms: number) => (now += ms),
    strangers: (count: number) => {
      for (let i = 0; i < count; i++) reach.noteQuery(stranger(i), false)
    }
  }
}

describe("Reach", () => {
  it("stays what it is told to be in the modes client and server", () => {
    for (const mode of ["client", "server"] as const) {
      const { pass, reach, strangers } = setUp(mode)
      assert.strictEqual(reach.role, mode)
      strangers(STRANGERS_MIN)
      pass(SETTLING_MS)
      assert.strictEqual(reach.evaluate(EXTERNAL), mode)
      assert.isUndefined(reach.hairpin(EXTERNAL))
      pass(QUIET_MS * 2)
      assert.strictEqual(reach.evaluate(EXTERNAL), mode)
    }
  })

  it("serves once strangers of several networks have come in, and not before it has settled", () => {
    const { pass, reach, strangers } = setUp()
    pass(SETTLING_MS - 1)
    strangers(STRANGERS_MIN)
    assert.strictEqual(reach.evaluate(EXTERNAL), "client")
    pass(1)
    assert.strictEqual(reach.evaluate(EXTERNAL), "server")
  })

  it("measures on when the clock is set back, and takes nobody for a stranger by that", () => {
    const { pass, reach, strangers } = setUp()
    pass(SETTLING_MS - 1)
    for (let i = 0; i < STRANGERS_MIN; i++) reach.noteAsked(stranger(i))
    pass(-600_000)
    strangers(STRANGERS_MIN)
    pass(1)
    assert.strictEqual(reach.evaluate(EXTERNAL), "client", "they were asked")
    pass(ASKED_MS)
    strangers(STRANGERS_MIN)
    assert.strictEqual(reach.evaluate(EXTERNAL), "server")
  })

  it("takes many strangers of one network for one", () => {
    const { pass, reach, strangers } = setUp()
    pass(SETTLING_MS)
    strangers(STRANGERS_MIN - 1)
    for (let i = 0; i < 100; i++) reach.noteQuery(`20.0.${i}.1:6881`, false)
    assert.strictEqual(reach.evaluate(EXTERNAL), "client")
  })

  it("does not count nodes that it has asked: the NAT lets them in for that", () => {
    const { pass, reach, strangers } = setUp()
    for (let i = 0; i < STRANGERS_MIN; i++) reach.noteAsked(stranger(i))
    pass(SETTLING_MS)
    strangers(STRANGERS_MIN)
    assert.strictEqual(reach.evaluate(EXTERNAL), "client")
    pass(ASKED_MS - SETTLING_MS)
    strangers(STRANGERS_MIN)
    assert.strictEqual(reach.evaluate(EXTERNAL), "server")
  })

  it("takes nobody for a stranger when it has asked more nodes than it can remember", () => {
    const { pass, reach, strangers } = setUp()
    for (let i = 0; i < STRANGERS_MIN; i++) reach.noteAsked(stranger(i))
    for (let i = 0; i < 20_000; i++) reach.noteAsked(`30.${i >> 8}.${i & 0xff}.1:6881`)
    pass(SETTLING_MS)
    strangers(STRANGERS_MIN)
    assert.strictEqual(reach.evaluate(EXTERNAL), "client")
  })

  it("forgets strangers that came long ago", () => {
    const { pass, reach, strangers } = setUp()
    strangers(STRANGERS_MIN)
    pass(Math.max(SETTLING_MS, STRANGER_WINDOW_MS))
    assert.strictEqual(reach.evaluate(EXTERNAL), "client")
  })

  it("does not serve behind a NAT that gives each connection a port of its own", () => {
    const { pass, reach, strangers } = setUp()
    pass(SETTLING_MS)
    strangers(STRANGERS_MIN)
    assert.strictEqual(reach.evaluate({ ...EXTERNAL, portIsStable: false }), "client")
    assert.isUndefined(reach.hairpin({ ...EXTERNAL, portIsStable: false }))
  })

  it("serves when its own query to its outer address comes back in time", () => {
    const { pass, reach } = setUp()
    pass(SETTLING_MS)
    assert.isUndefined(reach.hairpin(undefined))
    assert.strictEqual(reach.hairpin(EXTERNAL), OWN)
    reach.noteQuery("66.66.66.66:6881", true)
    assert.strictEqual(reach.evaluate(EXTERNAL), "client", "somebody else under our id")
    pass(HAIRPIN_MS + 1)
    reach.noteQuery(OWN, true)
    assert.strictEqual(reach.evaluate(EXTERNAL), "client", "too late")
    reach.hairpin(EXTERNAL)
    reach.noteQuery(OWN, true)
    assert.strictEqual(reach.evaluate(EXTERNAL), "server")
    assert.isUndefined(reach.hairpin(EXTERNAL), "nothing left to show")
  })

  it("becomes a client again when nobody comes in for long, and settles anew", () => {
    const { pass, reach, strangers } = setUp()
    pass(SETTLING_MS)
    strangers(STRANGERS_MIN)
    assert.strictEqual(reach.evaluate(EXTERNAL), "server")
    pass(QUIET_MS - 1)
    assert.strictEqual(reach.evaluate(EXTERNAL), "server")
    strangers(1)
    pass(QUIET_MS - 1)
    assert.strictEqual(reach.evaluate(EXTERNAL), "server")
    pass(1)
    assert.strictEqual(reach.evaluate(EXTERNAL), "client")
    strangers(STRANGERS_MIN)
    assert.strictEqual(reach.evaluate(EXTERNAL), "client")
    pass(SETTLING_MS)
    strangers(STRANGERS_MIN)
    assert.strictEqual(reach.evaluate(EXTERNAL), "server")
  })

  it("does not believe its own query again after nobody else followed it, until a stranger comes", () => {
    const { pass, reach, strangers } = setUp()
    pass(SETTLING_MS)
    reach.hairpin(EXTERNAL)
    reach.noteQuery(OWN, true)
    assert.strictEqual(reach.evaluate(EXTERNAL), "server")
    pass(QUIET_MS)
    assert.strictEqual(reach.evaluate(EXTERNAL), "client")
    pass(SETTLING_MS)
    assert.isUndefined(reach.hairpin(EXTERNAL))
    strangers(1)
    assert.strictEqual(reach.hairpin(EXTERNAL), OWN)
  })

  it("settles sooner on loopback and in a private network", () => {
    const loopback = setUp("adaptive", "127.0.0.1")
    loopback.pass(PRIVATE_SETTLING_MS)
    for (let i = 0; i < STRANGERS_MIN; i++) loopback.reach.noteQuery(`127.0.0.1:${7000 + i}`, false)
    assert.strictEqual(loopback.reach.evaluate(undefined), "server")
    loopback.pass(2 * QUIET_MS)
    assert.strictEqual(loopback.reach.evaluate(undefined), "server", "where everybody was asked nobody is a stranger")
    const lan = setUp()
    lan.pass(PRIVATE_SETTLING_MS)
    for (let i = 0; i < STRANGERS_MIN; i++) lan.reach.noteQuery(`192.168.1.${i + 1}:6881`, false)
    assert.strictEqual(lan.reach.evaluate(undefined), "client", "as long as it may be the Internet")
    assert.strictEqual(lan.reach.evaluate({ ...EXTERNAL, host: "192.168.1.20" }), "server")
  })
})
