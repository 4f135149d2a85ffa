import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Result from "effect/Result"
import * as CanonicalJson from "../src/protocol/core/CanonicalJson.ts"

const text = fc.string({ unit: "binary", maxLength: 10 })

const { json } = fc.letrec<{ json: CanonicalJson.Json }>((tie) => ({
  json: fc.oneof(
    { depthSize: "medium", withCrossShrink: true },
    fc.constantFrom(null, true, false),
    // −0 is written as 0.
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => n + 0),
    text,
    fc.array(tie("json"), { maxLength: 5 }),
    fc.dictionary(fc.oneof(text, fc.constantFrom("__proto__", "0", "10")), tie("json"), { maxKeys: 5 })
  )
}))

const encode = (value: CanonicalJson.Json): Uint8Array => Result.getOrThrow(CanonicalJson.encode(value))
const asText = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

describe("CanonicalJson", () => {
  it("round trip: decodeCanonical(encode(v)) = v", () => {
    fc.assert(
      fc.property(json, (v) => {
        assert.deepEqual(Result.getOrThrow(CanonicalJson.decodeCanonical(encode(v))), v)
      })
    )
  })

  it("agrees with JSON.parse on what encode writes", () => {
    fc.assert(
      fc.property(json, (v) => {
        assert.deepEqual(JSON.parse(asText(encode(v))), v)
      })
    )
  })

  it("insensitive to spelling: decode(JSON.stringify(v, indent)) = v", () => {
    fc.assert(
      fc.property(json, fc.constantFrom(0, 1, "\t", "\r\n"), (v, indent) => {
        const bytes = new TextEncoder().encode(JSON.stringify(v, null, indent))
        assert.deepEqual(Result.getOrThrow(CanonicalJson.decode(bytes)), v)
      })
    )
  })

  it("one spelling: whatever decodeCanonical accepts, encode writes back byte for byte, after any change of one bit", () => {
    fc.assert(
      fc.property(json, fc.nat(), (v, position) => {
        const bytes = encode(v)
        const bit = position % (bytes.length * 8)
        bytes[bit >> 3]! ^= 1 << (bit & 7)
        Result.match(CanonicalJson.decodeCanonical(bytes), {
          onFailure: () => undefined,
          onSuccess: (decoded) => assert.deepStrictEqual(encode(decoded), bytes)
        })
      }),
      { numRuns: 2000 }
    )
  })

  it("no laxer than JSON.parse: what decode accepts, JSON.parse reads alike", () => {
    const alphabet = fc.constantFrom(...'0123456789+-.eE"\\u,:[]{} \ntfnaulrsd\u0001é'.split(""))
    fc.assert(
      fc.property(fc.array(alphabet, { maxLength: 12 }), (chars) => {
        const source = chars.join("")
        Result.match(CanonicalJson.decode(new TextEncoder().encode(source)), {
          onFailure: (error) => assert.isAtLeast(error.offset ?? -1, 0),
          onSuccess: (value) => assert.deepEqual(JSON.parse(source), value)
        })
      }),
      { numRuns: 5000 }
    )
  })
})
