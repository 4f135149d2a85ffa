import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { isIpv4, reachOf } from "../src/protocol/core/PeerAddress.ts"
import * as NodeId from "../src/protocol/dht/client/NodeId.ts"
import * as SecureId from "../src/protocol/dht/client/SecureId.ts"
import { runs } from "./Runs.ts"

const host = fc.ipV4().filter((text) => isIpv4(text) && reachOf(text) === "public")
const random = fc.uint8Array({ minLength: 20, maxLength: 20 })

describe("SecureId", () => {
  it("soundness: an id made for an address is valid for it, in both forms", () => {
    fc.assert(
      fc.property(host, random, (at, bytes) => {
        const id = SecureId.make(at, bytes)
        assert.isTrue(SecureId.isValid(id, at))
        assert.isTrue(SecureId.isValidId(NodeId.fromBytes(id), at))
      }),
      runs
    )
  })

  it("both forms agree on every id and address", () => {
    fc.assert(
      fc.property(host, random, (at, id) => {
        assert.strictEqual(SecureId.isValidId(NodeId.fromBytes(id), at), SecureId.isValid(id, at))
      }),
      runs
    )
  })

  it("freedom: what the address does not decide stays as it was drawn", () => {
    fc.assert(
      fc.property(host, random, (at, bytes) => {
        const id = SecureId.make(at, bytes)
        assert.deepStrictEqual(id.slice(3), bytes.slice(3))
        assert.strictEqual(id[2]! & 0x07, bytes[2]! & 0x07)
      }),
      runs
    )
  })

  it("eight places: ids of one address begin in at most eight ways", () => {
    fc.assert(
      fc.property(host, fc.array(random, { minLength: 20, maxLength: 60 }), (at, draws) => {
        const beginnings = draws.map((bytes) => NodeId.fromBytes(SecureId.make(at, bytes)).a >>> 11)
        assert.isAtMost(new Set(beginnings).size, 8)
      }),
      { ...runs, numRuns: 50 }
    )
  })

  it("rarity: of random ids one in 2^21 fits an address, so none of some ten thousand is expected to", () => {
    let fitting = 0
    fc.assert(
      fc.property(host, random, (at, id) => {
        if (SecureId.isValid(id, at)) fitting++
      }),
      { ...runs, numRuns: 10_000 }
    )
    assert.isAtMost(fitting, 2)
  })

  it("bits that the mask leaves out do not matter, the others do", () => {
    fc.assert(
      fc.property(host, random, fc.nat({ max: 31 }), (at, bytes, bit) => {
        const octets = at.split(".").map(Number)
        octets[bit >> 3]! ^= 0x80 >> (bit & 7)
        const other = octets.join(".")
        fc.pre(reachOf(other) === "public")
        const mask = [0x03, 0x0f, 0x3f, 0xff][bit >> 3]!
        const matters = (mask & (0x80 >> (bit & 7))) !== 0
        assert.strictEqual(SecureId.isValid(SecureId.make(at, bytes), other), !matters)
      }),
      runs
    )
  })
})
