import { assert, describe, it } from "@effect/vitest"
import {
  ExternalAddress,
  VOTE_LIFETIME_MS,
  VOTERS_MIN,
  VOTES_MAX
} from "../../../../src/runtime/dht/entry/ExternalAddress.ts"

const HOME = "85.10.20.30"

/** A node of the `i`-th network. */
const voter = (i: number): string => `${20 + (i >> 8)}.${i & 0xff}.1.1:6881`

const setUp = (remembered?: string) => {
  let now = 1_000_000
  const address = new ExternalAddress(() => now, remembered)
  return {
    address,
    pass: (ms: number) => (now += ms),
    votes: (from: number, count: number, host: string, port = 6881) => {
      for (let i = from; i < from + count; i++) address.vote(voter(i), host, port)
    }
  }
}

describe("ExternalAddress", () => {
  it("believes an address once enough networks agree on it", () => {
    const { address, votes } = setUp()
    votes(0, VOTERS_MIN - 1, HOME)
    assert.isUndefined(address.get())
    votes(VOTERS_MIN - 1, 1, HOME)
    assert.deepStrictEqual(address.get(), { host: HOME, port: 6881, portIsStable: true, voters: VOTERS_MIN })
  })

  it("lets votes grow old when the clock was set back", () => {
    const { address, pass, votes } = setUp()
    votes(0, VOTERS_MIN, HOME)
    pass(-600_000)
    assert.isDefined(address.get())
    pass(VOTE_LIFETIME_MS)
    assert.isUndefined(address.get())
  })

  it("gives one network one vote, however many nodes it has", () => {
    const { address } = setUp()
    for (let i = 0; i < 50; i++) address.vote(`20.30.${i}.1:6881`, HOME, 6881)
    assert.isUndefined(address.get())
  })

  it("is not moved by liars while they are fewer", () => {
    const { address, votes } = setUp()
    votes(0, 10, HOME)
    assert.strictEqual(address.get()?.host, HOME)
    votes(100, 9, "66.66.66.66")
    assert.strictEqual(address.get()?.host, HOME)
  })

  it("stays with the last one while nothing has a majority", () => {
    const { address, votes } = setUp()
    votes(0, 5, HOME)
    assert.strictEqual(address.get()?.host, HOME)
    votes(100, 4, "66.66.66.66")
    votes(200, 4, "77.77.77.77")
    assert.strictEqual(address.get()?.host, HOME)
  })

  it("follows when the address changes", () => {
    const { address, pass, votes } = setUp()
    votes(0, 10, HOME)
    assert.strictEqual(address.get()?.host, HOME)
    pass(VOTE_LIFETIME_MS)
    assert.isUndefined(address.get())
    votes(5, 3, "85.10.20.31")
    assert.strictEqual(address.get()?.host, "85.10.20.31")
  })

  it("tells a NAT that gives each connection a port of its own", () => {
    const { address, votes } = setUp()
    for (let i = 0; i < 6; i++) votes(i, 1, HOME, 40_000 + i)
    assert.isFalse(address.get()?.portIsStable)
    votes(10, 12, HOME, 6881)
    const external = address.get()
    assert.strictEqual(external?.port, 6881)
    assert.isTrue(external?.portIsStable)
  })

  it("passes over what cannot be: private addresses seen from outside, reserved ones, port 0, nonsense", () => {
    const { address, votes } = setUp()
    for (const host of ["10.0.0.1", "127.0.0.1", "240.0.0.1", "0.0.0.0", "no address", ""]) votes(0, 10, host)
    votes(0, 10, HOME, 0)
    assert.isUndefined(address.get())
  })

  it("counts every node of this machine, and prefers what the Internet says", () => {
    const { address, votes } = setUp()
    for (let i = 0; i < VOTERS_MIN; i++) address.vote(`127.0.0.1:${7000 + i}`, "127.0.0.1", 6881)
    assert.strictEqual(address.get()?.host, "127.0.0.1")
    for (let i = 0; i < 50; i++) address.vote(`127.0.0.1:${8000 + i}`, "127.0.0.1", 6881)
    votes(0, VOTERS_MIN, HOME)
    assert.strictEqual(address.get()?.host, HOME)
  })

  it("starts with what it was told of last time, and needs votes for the port all the same", () => {
    const { address, votes } = setUp(HOME)
    assert.isUndefined(address.get())
    votes(0, VOTERS_MIN, HOME)
    assert.strictEqual(address.get()?.host, HOME)
  })

  it("keeps the latest votes only", () => {
    const { address, votes } = setUp()
    votes(0, VOTES_MAX, "66.66.66.66")
    votes(VOTES_MAX, VOTES_MAX, HOME)
    assert.deepStrictEqual(address.get(), { host: HOME, port: 6881, portIsStable: true, voters: VOTES_MAX })
  })
})
