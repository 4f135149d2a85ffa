import { assert, describe, it } from "@effect/vitest"
import { HostShares } from "../../../src/runtime/swarm/HostShares.ts"

describe("HostShares", () => {
  it("has room for a few addresses of a public host, and again when one has left", () => {
    const shares = new HostShares(2)
    assert.deepStrictEqual(
      [1, 2, 3].map(() => shares.enter("8.8.8.8")),
      [true, true, false]
    )
    assert.isTrue(shares.enter("8.8.4.4"))
    shares.leave("8.8.8.8")
    assert.isTrue(shares.enter("8.8.8.8"))
    assert.isFalse(shares.enter("8.8.8.8"))
  })

  for (const host of ["127.0.0.1", "10.1.2.3", "192.168.0.1", "100.64.0.1"]) {
    it(`has room for any number of addresses of ${host}`, () => {
      const shares = new HostShares(2)
      for (let i = 0; i < 50; i++) assert.isTrue(shares.enter(host))
    })
  }
})
