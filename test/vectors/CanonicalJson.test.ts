import { assert, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as CanonicalJson from "../../src/protocol/core/CanonicalJson.ts"
import * as Vectors from "./Vectors.ts"

interface Generate {
  readonly prefix?: string
  readonly repeat: string
  readonly times: number
  readonly then_repeat?: string
  readonly then_times?: number
  readonly suffix?: string
}
interface Invalid {
  readonly id: string
  readonly hex: string | null
  readonly reason: string
  readonly generate?: Generate
}

interface NonCanonical {
  readonly id: string
  readonly hex: string
  readonly canonical_hex: string
}

const bytesOf = (c: Invalid): Uint8Array => {
  if (c.generate === undefined) return Vectors.fromHex(c.hex ?? "")
  const { prefix = "", repeat, times, then_repeat = "", then_times = 0, suffix = "" } = c.generate
  return Vectors.fromHex(prefix + repeat.repeat(times) + then_repeat.repeat(then_times) + suffix)
}

const text = (bytes: Uint8Array): string => new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes)

const double = (hex: string): number => Buffer.from(hex.padStart(16, "0"), "hex").readDoubleBE()

Vectors.topic("jcs", ({ file, pairs, others }) => {
  pairs("input", "output", (name, input, output) => {
    it(`canonicalizes ${name}`, () => {
      const value = Result.getOrThrow(CanonicalJson.decode(input))
      assert.strictEqual(text(Result.getOrThrow(CanonicalJson.encode(value))), text(output))
      assert.deepStrictEqual(Result.getOrThrow(CanonicalJson.decodeCanonical(output)), value)
    })
  })

  file<ReadonlyArray<readonly [string, string]>>("es6_numbers.json", (cases) => {
    it("writes numbers as ECMAScript does, and reads them back", () => {
      for (const [hex, expected] of cases) {
        const bytes = Result.getOrThrow(CanonicalJson.encode(double(hex)))
        assert.strictEqual(text(bytes), expected, hex)
        assert.strictEqual(Result.getOrThrow(CanonicalJson.decodeCanonical(bytes)), double(hex) + 0, hex)
      }
    })
  })

  file<ReadonlyArray<{ readonly ieee754: string; readonly json: string | null }>>(
    "rfc8785_appendix_b.json",
    (cases) => {
      it("agrees with appendix B of RFC 8785", () => {
        for (const c of cases) {
          const encoded = CanonicalJson.encode(double(c.ieee754))
          if (c.json === null) assert.strictEqual(Result.isFailure(encoded), true, c.ieee754)
          else assert.strictEqual(text(Result.getOrThrow(encoded)), c.json, c.ieee754)
        }
      })
    }
  )

  file<ReadonlyArray<Invalid>>("invalid_input.json", (cases) => {
    for (const c of cases) {
      it(`refuses ${c.id} (${c.reason})`, () => {
        const bytes = bytesOf(c)
        assert.strictEqual(Result.isFailure(CanonicalJson.decode(bytes)), true)
        assert.strictEqual(Result.isFailure(CanonicalJson.decodeCanonical(bytes)), true)
      })
    }
  })

  file<ReadonlyArray<NonCanonical>>("non_canonical.json", (cases) => {
    for (const c of cases) {
      it(`reads, but does not take for canonical: ${c.id}`, () => {
        const bytes = Vectors.fromHex(c.hex)
        const canonical = Vectors.fromHex(c.canonical_hex)
        const value = Result.getOrThrow(CanonicalJson.decode(bytes))
        assert.deepStrictEqual(Result.getOrThrow(CanonicalJson.encode(value)), canonical)
        assert.strictEqual(Result.isFailure(CanonicalJson.decodeCanonical(bytes)), true)
        assert.strictEqual(Result.isSuccess(CanonicalJson.decodeCanonical(canonical)), true)
      })
    }
  })

  others()
})
