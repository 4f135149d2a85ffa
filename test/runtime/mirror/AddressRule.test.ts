import { assert, describe, it } from "vitest"
import * as AddressRule from "../../../src/runtime/mirror/AddressRule.ts"

const REACHES = {
  public: ["1.1.1.1", "104.16.0.1", "2606:4700::6810:1", "64:ff9b::101:101", "::ffff:8.8.8.8", "2002:808:808::1"],
  loopback: ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1", "::ffff:7f00:1", "64:ff9b::7f00:1", "2002:7f00:1::"],
  private: ["10.1.2.3", "192.168.0.1", "172.16.0.1", "fd00::1", "fec0::1", "::ffff:10.0.0.1", "::10.0.0.1"],
  linkLocal: ["169.254.169.254", "fe80::1", "fe80::1%eth0", "::ffff:169.254.169.254"],
  shared: ["100.64.0.1"],
  reserved: [
    "0.0.0.0",
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "ff02::1",
    "2001:db8::1",
    "2001::1",
    "4000::1",
    "203.0.113.5"
  ]
} as const

describe("AddressRule", () => {
  it("knows the networks of both families, and what an IPv6 address has inside", () => {
    for (const [reach, addresses] of Object.entries(REACHES)) {
      for (const address of addresses) assert.strictEqual(AddressRule.reachOf(address), reach, address)
    }
  })

  it("allows public addresses, and those of the registry's own kind", () => {
    const ofPublic = new Set([AddressRule.reachOf("1.1.1.1")])
    assert.isTrue(AddressRule.isAllowed("8.8.8.8", ofPublic))
    assert.isFalse(AddressRule.isAllowed("127.0.0.1", ofPublic))
    const ofPrivate = new Set([AddressRule.reachOf("192.168.1.1")])
    assert.isTrue(AddressRule.isAllowed("10.0.0.1", ofPrivate))
    assert.isTrue(AddressRule.isAllowed("8.8.8.8", ofPrivate))
    assert.isFalse(AddressRule.isAllowed("169.254.169.254", ofPrivate))
  })

  it("tells addresses in URLs, however they are written", () => {
    const literal = (url: string) => AddressRule.literalOf(new URL(url))
    assert.strictEqual(literal("http://2130706433/"), "127.0.0.1")
    assert.strictEqual(literal("http://0x7f.1/"), "127.0.0.1")
    assert.strictEqual(literal("http://[::FFFF:127.0.0.1]/"), "::ffff:7f00:1")
    assert.isUndefined(literal("http://localhost/"))
  })

  it("does not connect to a name that has forbidden addresses only", async () => {
    const found = await new Promise((resolve) =>
      AddressRule.lookupWithin(new Set(["public"]))("localhost", {}, (error) => resolve(error))
    )
    assert.propertyVal(found, "code", AddressRule.FORBIDDEN_CODE)
    const allowed = await new Promise((resolve) =>
      AddressRule.lookupWithin(new Set(["loopback"]))("localhost", {}, (error) => resolve(error))
    )
    assert.isNull(allowed)
  })
})
