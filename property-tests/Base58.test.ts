import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Result from "effect/Result"
import * as Base58 from "../src/protocol/core/Base58.ts"

const ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

const bytes = fc
  .tuple(fc.nat({ max: 4 }), fc.uint8Array({ maxLength: 64 }))
  .map(([zeros, rest]) => Uint8Array.from([...new Uint8Array(zeros), ...rest]))

describe("Base58", () => {
  it("round trip: decode(encode(b)) = b", () => {
    fc.assert(
      fc.property(bytes, (b) => {
        assert.deepStrictEqual(Result.getOrThrow(Base58.decode(Base58.encode(b))), b)
      })
    )
  })

  it("one spelling: encode(decode(t)) = t for every text over the alphabet", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...ALPHABET), maxLength: 80 }), (text) => {
        assert.strictEqual(Base58.encode(Result.getOrThrow(Base58.decode(text))), text)
      })
    )
  })

  it("refuses every text with a character outside the alphabet", () => {
    const outside = fc.string({ unit: "binary", minLength: 1, maxLength: 1 }).filter((char) => !ALPHABET.includes(char))
    fc.assert(
      fc.property(bytes, outside, fc.nat(), (b, char, position) => {
        const text = Base58.encode(b)
        const at = position % (text.length + 1)
        assert.isTrue(Result.isFailure(Base58.decode(text.slice(0, at) + char + text.slice(at))))
      })
    )
  })
})
