import { assert, describe, it } from "@effect/vitest"
import { LOCAL_PUTS_PER_MINUTE, PutLimits, PUTS_PER_MINUTE } from "../../../../src/runtime/dht/items/PutLimits.ts"
import { TestTime } from "./Items.ts"

describe("PutLimits", () => {
  it.each([
    ["20.1.2.3:6881", "20.1.2.9:1", PUTS_PER_MINUTE],
    ["127.0.0.1:4000", "127.0.0.1:4000", LOCAL_PUTS_PER_MINUTE]
  ])("admit of %s, and of its network, a number a minute at the edge", (peer, neighbour, perMinute) => {
    const time = new TestTime()
    const limits = new PutLimits(time.now)
    const admitted = (count: number) => Array.from({ length: count }, () => limits.admits(peer)).filter(Boolean).length
    assert.strictEqual(admitted(perMinute), perMinute)
    assert.isFalse(limits.admits(neighbour))
    assert.isTrue(limits.admits("20.9.9.9:1"), "others are admitted")
    time.pass(1_000)
    assert.strictEqual(admitted(perMinute), perMinute / 60)
    time.pass(60_000)
    assert.strictEqual(admitted(2 * perMinute), perMinute)
  })

  it("admit fewer of the Internet than of this machine", () => {
    assert.isBelow(PUTS_PER_MINUTE, LOCAL_PUTS_PER_MINUTE)
  })
})
