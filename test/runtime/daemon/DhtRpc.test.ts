import { assert, describe, it } from "@effect/vitest"
import * as DhtRpc from "../../../src/runtime/daemon/DhtRpc.ts"

const of = (...bootstrap: ReadonlyArray<string>) => DhtRpc.networkOf({ isPublic: false, bootstrap })
const open = DhtRpc.networkOf({ isPublic: true, bootstrap: ["192.0.2.1:1"] })

describe("isSameNetwork", () => {
  it("holds where one node is common to both", () => {
    assert.isTrue(DhtRpc.isSameNetwork(of("127.0.0.1:1", "127.0.0.1:2"), of("127.0.0.1:2", "127.0.0.1:3")))
    assert.isTrue(DhtRpc.isSameNetwork(of("127.0.0.1:1", "127.0.0.1:2"), of("127.0.0.1:2")))
    assert.isFalse(DhtRpc.isSameNetwork(of("127.0.0.1:1"), of("127.0.0.1:2")))
    assert.isFalse(DhtRpc.isSameNetwork(of(), of()))
  })

  it("takes localhost for 127.0.0.1, and no other name for anything", () => {
    assert.isTrue(DhtRpc.isSameNetwork(of("localhost:1"), of("127.0.0.1:1")))
    assert.isTrue(DhtRpc.isSameNetwork(of("127.0.0.1:1"), of("LocalHost:1")))
    assert.isFalse(DhtRpc.isSameNetwork(of("localhost.example.org:1"), of("127.0.0.1:1")))
  })

  it("tells the public network from every other, however it is entered", () => {
    assert.isTrue(DhtRpc.isSameNetwork(open, DhtRpc.networkOf({ isPublic: true, bootstrap: ["192.0.2.2:1"] })))
    assert.isFalse(DhtRpc.isSameNetwork(open, of("192.0.2.1:1")))
    assert.strictEqual(DhtRpc.networkText(open), "the public DHT")
    assert.strictEqual(DhtRpc.networkText(of("b:2", "a:1")), "the DHT of a:1, b:2")
  })
})
