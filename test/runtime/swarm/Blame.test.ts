import { assert, describe, it } from "@effect/vitest"
import { Bans, LIARS_PER_HOST_MAX } from "../../../src/runtime/swarm/Bans.ts"
import { Blame } from "../../../src/runtime/swarm/Blame.ts"
import { BLOCK_BYTES } from "../../../src/runtime/swarm/PeerWireGuard.ts"

const truth = Buffer.alloc(2 * BLOCK_BYTES, 7)
const wrongInSecondBlock = Buffer.from(truth)
wrongInSecondBlock[2 * BLOCK_BYTES - 1] = 8

describe("Blame", () => {
  it("finds who sent a wrong piece alone guilty at once", () => {
    const blame = new Blame<string>()
    blame.onBlock(3, 0, "liar")
    blame.onBlock(3, BLOCK_BYTES, "liar")
    assert.deepStrictEqual(blame.onInvalid(3, wrongInSecondBlock), ["liar"])
    assert.isFalse(blame.isContested(3))
  })

  it("contests a wrong piece from several, and finds the guilty one when it is true", () => {
    const blame = new Blame<string>()
    blame.onBlock(3, 0, "honest")
    blame.onBlock(3, BLOCK_BYTES, "liar")
    assert.deepStrictEqual(blame.onInvalid(3, wrongInSecondBlock), [])
    assert.isTrue(blame.isContested(3))
    blame.onBlock(3, 0, "honest")
    blame.onBlock(3, BLOCK_BYTES, "honest")
    assert.deepStrictEqual(blame.onValid(3, truth), ["liar"])
    assert.isFalse(blame.isContested(3))
  })
})

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
