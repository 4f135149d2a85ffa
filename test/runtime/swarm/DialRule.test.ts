import { assert, describe, it } from "@effect/vitest"
import { PeerAddress } from "../../../src/protocol/core/PeerAddress.ts"
import { mayDial, reachOf } from "../../../src/runtime/swarm/DialRule.ts"

const at = (host: string, port = 6881) => new PeerAddress({ host, port })
const own = { host: "8.8.4.4", port: 6881, allowPrivatePeers: false }

describe("DialRule", () => {
  const reaches: ReadonlyArray<readonly [string, string]> = [
    ["0.0.0.0", "reserved"],
    ["0.255.255.255", "reserved"],
    ["1.0.0.0", "public"],
    ["9.255.255.255", "public"],
    ["10.0.0.0", "private"],
    ["11.0.0.0", "public"],
    ["100.63.255.255", "public"],
    ["100.64.0.1", "shared"],
    ["100.127.255.255", "shared"],
    ["127.0.0.1", "loopback"],
    ["127.255.255.255", "loopback"],
    ["128.0.0.0", "public"],
    ["169.254.169.254", "linkLocal"],
    ["172.15.255.255", "public"],
    ["172.16.0.0", "private"],
    ["172.31.255.255", "private"],
    ["172.32.0.0", "public"],
    ["192.0.2.1", "reserved"],
    ["192.168.1.1", "private"],
    ["192.169.0.0", "public"],
    ["198.19.255.255", "reserved"],
    ["223.255.255.255", "public"],
    ["224.0.0.1", "reserved"],
    ["239.255.255.255", "reserved"],
    ["240.0.0.1", "reserved"],
    ["255.255.255.255", "reserved"]
  ]
  for (const [host, reach] of reaches) it(`${host} is ${reach}`, () => assert.strictEqual(reachOf(host), reach))

  it("dials public addresses", () => assert.isTrue(mayDial(at("8.8.8.8"), own)))

  it("never dials reserved addresses, allowed or not", () => {
    for (const [host, reach] of reaches) {
      if (reach === "reserved") assert.isFalse(mayDial(at(host), { ...own, allowPrivatePeers: true }))
    }
  })

  it("dials addresses that are not public only when allowed", () => {
    for (const [host, reach] of reaches) {
      if (reach === "reserved" || reach === "public") continue
      assert.isFalse(mayDial(at(host), own))
      assert.isTrue(mayDial(at(host), { ...own, allowPrivatePeers: true }))
    }
  })

  it("dials neighbours in its own kind of network, and no other", () => {
    const home = { ...own, host: "192.168.1.2" }
    assert.isTrue(mayDial(at("192.168.1.3"), home))
    assert.isFalse(mayDial(at("127.0.0.1"), home))
    assert.isFalse(mayDial(at("169.254.169.254"), home))
  })

  it("takes listening on every address for no network of its own", () =>
    assert.isFalse(mayDial(at("127.0.0.1"), { ...own, host: "0.0.0.0" })))

  it("never dials itself", () => {
    assert.isFalse(mayDial(at("8.8.4.4"), own))
    assert.isTrue(mayDial(at("8.8.4.4", 6882), own))
  })
})
