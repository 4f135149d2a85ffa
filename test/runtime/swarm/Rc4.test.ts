import { assert, describe, it } from "@effect/vitest"
import { DROPPED_BYTES, Rc4 } from "../../../src/runtime/swarm/Rc4.ts"

/** RFC 6229: key, keystream at 0 and at 1,024. */
const vectors: ReadonlyArray<readonly [string, string, string]> = [
  ["0102030405", "b2396305f03dc027ccc3524a0a1118a8", "30abbcc7c20b01609f23ee2d5f6bb7df"],
  ["0102030405060708090a0b0c0d0e0f10", "9ac7cc9a609d1ef7b2932899cde41b97", "bdf0324e6083dcc6d3cedd3ca8c53c16"]
]

describe("Rc4", () => {
  for (const [key, atStart, atDropped] of vectors) {
    it(`has the keystream of RFC 6229 for the key ${key}`, () => {
      const stream = new Rc4(Buffer.from(key, "hex")).apply(Buffer.alloc(DROPPED_BYTES + 16))
      assert.strictEqual(stream.toString("hex", 0, 16), atStart)
      assert.strictEqual(stream.toString("hex", DROPPED_BYTES), atDropped)
      assert.strictEqual(Rc4.dropping(Buffer.from(key, "hex")).apply(Buffer.alloc(16)).toString("hex"), atDropped)
    })
  }

  it("goes on where it ended, however a stream is cut", () => {
    const [whole, cut] = [new Rc4(Buffer.from("key")), new Rc4(Buffer.from("key"))]
    const expected = whole.apply(Buffer.alloc(300))
    const got = Buffer.alloc(300)
    for (let at = 0, size = 0; at < 300; at += size++) cut.apply(got.subarray(at, at + size))
    assert.deepStrictEqual(got, expected)
  })
})
