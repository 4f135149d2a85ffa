import { assert, describe, it } from "@effect/vitest"
import { KeyExchangePace } from "../../../src/runtime/swarm/KeyExchangePace.ts"
import { KEY_EXCHANGES_BURST, KEY_EXCHANGES_PER_SECOND } from "../../../src/runtime/swarm/SwarmOptions.ts"

describe("KeyExchangePace", () => {
  it("allows an address so many at once and so many a second, whatever others do", () => {
    let now = 0
    const pace = new KeyExchangePace(() => now)
    const allowed = (host: string) => {
      let count = 0
      while (pace.allows(host)) count++
      return count
    }
    assert.strictEqual(allowed("192.0.2.1"), KEY_EXCHANGES_BURST)
    assert.strictEqual(allowed("192.0.2.2"), KEY_EXCHANGES_BURST)
    assert.strictEqual(allowed("192.0.2.1"), 0)
    now = 2_000
    assert.strictEqual(allowed("192.0.2.1"), 2 * KEY_EXCHANGES_PER_SECOND)
  })

  it("keeps those in mind who ask, however many come once", () => {
    const pace = new KeyExchangePace(() => 0)
    for (let i = 0; i < KEY_EXCHANGES_BURST; i++) pace.allows("192.0.2.1")
    for (let i = 0; i < 10_000; i++) {
      assert.isTrue(pace.allows(`198.51.${i >> 8}.${i & 0xff}`))
      if (i % 1_000 === 0) assert.isFalse(pace.allows("192.0.2.1"))
    }
  })
})
