import { assert, describe, it } from "@effect/vitest"
import { Bans, LIARS_PER_HOST_MAX } from "../../../src/runtime/swarm/Bans.ts"

describe("Bans", () => {
  it("spares an honest neighbour of a liar that was dialled", () => {
    const bans = new Bans()
    bans.ban({ host: "192.0.2.1", port: 1 })
    assert.isFalse(bans.mayDial({ host: "192.0.2.1", port: 1 }))
    assert.isTrue(bans.mayDial({ host: "192.0.2.1", port: 2 }))
  })

  it("lets nobody in from the host of a liar, whatever port it comes from", () => {
    const bans = new Bans()
    bans.ban({ host: "192.0.2.1", port: 1 })
    assert.isFalse(bans.mayAccept("192.0.2.1"))
    assert.isTrue(bans.mayAccept("192.0.2.2"))
  })

  it("gives a host up that has liars on many ports", () => {
    const bans = new Bans()
    for (let port = 1; port <= LIARS_PER_HOST_MAX; port++) bans.ban({ host: "192.0.2.1", port })
    assert.isFalse(bans.mayDial({ host: "192.0.2.1", port: 99 }))
  })
})
