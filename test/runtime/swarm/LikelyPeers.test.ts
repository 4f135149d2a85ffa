import { assert, describe, it } from "@effect/vitest"
import * as Option from "effect/Option"
import * as PeerAddress from "../../../src/protocol/core/PeerAddress.ts"
import { LIKELY_MAX, LikelyPeers } from "../../../src/runtime/swarm/LikelyPeers.ts"

const peer = (port: number) => Option.getOrThrow(PeerAddress.make("127.0.0.1", port))
const ports = (peers: ReadonlyArray<PeerAddress.PeerAddress>) => peers.map(({ port }) => port)

describe("LikelyPeers", () => {
  it("keeps those that gave last, each once", () => {
    const likely = new LikelyPeers()
    for (let port = 1; port <= LIKELY_MAX; port++) likely.note(peer(port))
    likely.note(peer(1))
    assert.deepStrictEqual(ports(likely.all), [2, 3, 4, 1])
    likely.note(peer(9))
    assert.deepStrictEqual(ports(likely.all), [3, 4, 1, 9])
  })

  it("forgets who did not have a torrent, or is gone", () => {
    const likely = new LikelyPeers()
    for (const port of [1, 2]) likely.note(peer(port))
    likely.forget(peer(1))
    likely.forget(peer(7))
    assert.deepStrictEqual(ports(likely.all), [2])
  })

  it("spreads what one peer will do for over all of them", () => {
    const likely = new LikelyPeers()
    assert.deepStrictEqual(likely.one(5), [])
    for (const port of [1, 2, 3]) likely.note(peer(port))
    assert.deepStrictEqual(
      [0, 1, 2, 3].map((share) => ports(likely.one(share))),
      [[1], [2], [3], [1]]
    )
  })
})
