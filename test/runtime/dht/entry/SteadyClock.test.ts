import { assert, describe, it } from "@effect/vitest"
import * as SteadyClock from "../../../../src/runtime/dht/entry/SteadyClock.ts"

describe("SteadyClock", () => {
  it("goes on from where it was when the clock is set back, and counts what passes while a computer sleeps", () => {
    let wall = 1_000_000
    const now = SteadyClock.make(() => wall)
    assert.strictEqual(now(), 1_000_000)
    wall += 500
    assert.strictEqual(now(), 1_000_500)
    wall -= 60 * 60_000
    assert.strictEqual(now(), 1_000_500)
    wall += 10
    assert.strictEqual(now(), 1_000_510)
    wall += 8 * 60 * 60_000
    assert.strictEqual(now(), 1_000_510 + 8 * 60 * 60_000)
  })
})
