import { assert, describe, it } from "@effect/vitest"
import { Bitfield } from "../../../../src/protocol/swarm/download/Bitfield.ts"

describe("Bitfield", () => {
  it("has the first piece in the highest bit (BEP 3), and reads what it writes", () => {
    const field = new Bitfield(10)
    for (const piece of [0, 7, 9]) assert.isTrue(field.add(piece))
    assert.deepStrictEqual(field.bytes, Uint8Array.of(0x81, 0x40))
    const read = Bitfield.from(field.bytes, 10)
    assert.deepStrictEqual([read.has(0), read.has(1), read.has(9), read.count], [true, false, true, 3])
  })

  it("counts each piece once, and none that cannot be", () => {
    const field = Bitfield.from(Uint8Array.of(0xff, 0xff), 10)
    assert.isTrue(field.isFull)
    assert.isFalse(field.add(3))
    assert.isFalse(field.add(10))
    assert.isFalse(field.add(-1))
    assert.strictEqual(field.count, 10)
    assert.deepStrictEqual(Bitfield.full(10).bytes, Uint8Array.of(0xff, 0xc0))
  })
})
