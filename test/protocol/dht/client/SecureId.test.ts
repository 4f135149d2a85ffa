import { assert, describe, it } from "@effect/vitest"
import * as NodeId from "../../../../src/protocol/dht/client/NodeId.ts"
import * as SecureId from "../../../../src/protocol/dht/client/SecureId.ts"

/** BEP 42, "Node ID restriction": address, last byte, id. Of each id 21 bits and the last byte are given, the others are free. */
const EXAMPLES = [
  ["124.31.75.21", 1, "5fbfbff10c5d6a4ec8a88e4c6ab4c28b95eee401"],
  ["21.75.31.124", 86, "5a3ce9c14e7a08645677bbd1cfe7d8f956d53256"],
  ["65.23.51.170", 22, "a5d43220bc8f112a3d426c84764f8c2a1150e616"],
  ["84.124.73.14", 65, "1b0321dd1bb1fe518101ceef99462b947a01ff41"],
  ["43.213.53.83", 90, "e56f6cbf5b7c4be0237986d5243b87aa6d51305a"]
] as const

describe("SecureId", () => {
  for (const [host, last, hex] of EXAMPLES) {
    const id = Uint8Array.from(Buffer.from(hex, "hex"))

    it(`finds the example of BEP 42 valid for ${host} and for no other`, () => {
      assert.isTrue(SecureId.isValid(id, host))
      assert.isTrue(SecureId.isValidId(NodeId.fromBytes(id), host))
      for (const [other] of EXAMPLES) {
        assert.strictEqual(SecureId.isValid(id, other), other === host)
        assert.strictEqual(SecureId.isValidId(NodeId.fromBytes(id), other), other === host)
      }
    })

    it(`makes the example of BEP 42 for ${host} out of its free bits`, () => {
      const random = Uint8Array.from(id)
      random.fill(0, 0, 2)
      random[2] = id[2]! & 0x07
      assert.strictEqual(random[19], last)
      assert.strictEqual(Buffer.from(SecureId.make(host, random)).toString("hex"), hex)
    })
  }

  it("lets nodes of private networks have any id, and those of no other reserved network", () => {
    const id = new Uint8Array(20).fill(0xaa)
    for (const host of ["127.0.0.1", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.7.7", "169.254.1.1"]) {
      assert.isTrue(SecureId.isValid(id, host), host)
    }
    for (const host of ["8.8.8.8", "172.32.0.1", "100.64.0.1", "192.169.0.1", "203.0.113.5"]) {
      assert.isFalse(SecureId.isValid(id, host), host)
    }
  })

  it("leaves the random bytes as they were", () => {
    const random = new Uint8Array(20)
    SecureId.make("8.8.8.8", random)
    assert.isTrue(random.every((byte) => byte === 0))
  })
})
