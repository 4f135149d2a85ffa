import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Result from "effect/Result"
import * as Bencode from "../src/protocol/core/Bencode.ts"
import { runs } from "./Runs.ts"

const key = fc.uint8Array({ maxLength: 6 }).map((bytes) => String.fromCharCode(...bytes))

/** Values as `decode` gives them: a bigint only where a number would not do. */
const { value } = fc.letrec<{ value: Bencode.Value }>((tie) => ({
  value: fc.oneof(
    { depthSize: "medium", withCrossShrink: true },
    fc.maxSafeInteger(),
    fc.bigInt({ min: 2n ** 53n, max: 2n ** 63n - 1n }),
    fc.bigInt({ min: -(2n ** 63n), max: -(2n ** 53n) }),
    fc.uint8Array({ maxLength: 40 }),
    fc.array(tie("value"), { maxLength: 5 }),
    fc.dictionary(fc.oneof(key, fc.constantFrom("__proto__", "0", "7", "10", "4294967295")), tie("value"), {
      maxKeys: 5
    })
  )
}))

const isAccepted = (bytes: Uint8Array, options?: Bencode.Options): boolean =>
  Result.match(Bencode.decode(bytes, options), {
    onFailure: (error) => {
      assert.isAtLeast(error.offset, 0)
      assert.isAtMost(error.offset, bytes.length)
      return false
    },
    onSuccess: () => true
  })

describe("Bencode", () => {
  it("round trip: decode(encode(v)) = v", () => {
    fc.assert(
      fc.property(value, (v) => {
        assert.deepEqual(Result.getOrThrow(Bencode.decode(Bencode.encode(v))), v)
      }),
      runs
    )
  })

  it("one spelling: whatever decode accepts, encode writes back byte for byte, after any change of one byte", () => {
    fc.assert(
      fc.property(value, fc.nat(), fc.integer({ min: 0, max: 255 }), (v, position, byte) => {
        const bytes = Bencode.encode(v)
        bytes[position % bytes.length] = byte
        Result.match(Bencode.decode(bytes), {
          onFailure: () => undefined,
          onSuccess: (decoded) => assert.deepStrictEqual(Bencode.encode(decoded), bytes)
        })
      }),
      runs
    )
  })

  it("prefix-free: no proper prefix and no extension of an accepted text is accepted", () => {
    fc.assert(
      fc.property(value, fc.nat(), fc.uint8Array({ minLength: 1, maxLength: 3 }), (v, cut, more) => {
        const bytes = Bencode.encode(v)
        assert.isFalse(isAccepted(bytes.subarray(0, cut % bytes.length)))
        assert.isFalse(isAccepted(Uint8Array.from([...bytes, ...more])))
      }),
      runs
    )
  })

  it("total: any bytes of the grammar's alphabet give a value or an error inside the input", () => {
    const alphabet = fc.constantFrom(...Array.from("0123456789:-ilde\xff", (char) => char.charCodeAt(0)))
    fc.assert(
      fc.property(fc.array(alphabet, { maxLength: 40 }), fc.boolean(), (codes, canonicalKeys) => {
        assert.isBoolean(isAccepted(Uint8Array.from(codes), { canonicalKeys }))
      }),
      runs
    )
  })

  it("lenient is a superset: what strict accepts, lenient reads alike; any order of keys is one value", () => {
    fc.assert(
      fc.property(fc.uniqueArray(key, { maxLength: 6 }), value, fc.infiniteStream(fc.nat()), (keys, v, order) => {
        const entry = (k: string): ReadonlyArray<number> => [
          ...Bencode.encode(Uint8Array.from(k, (char) => char.charCodeAt(0))),
          ...Bencode.encode(v)
        ]
        const shuffled = keys.toSorted(() => (order.next().value % 3) - 1)
        const bytes = Uint8Array.from([0x64, ...shuffled.flatMap(entry), 0x65])
        const read = Result.getOrThrow(Bencode.decode(bytes, { canonicalKeys: false }))
        assert.deepEqual(read, Object.fromEntries(keys.map((k) => [k, v])))
        assert.strictEqual(
          isAccepted(bytes),
          keys.toSorted().every((k, i) => k === shuffled[i])
        )
      }),
      runs
    )
  })
})
