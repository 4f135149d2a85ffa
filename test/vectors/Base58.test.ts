import { assert, it } from "@effect/vitest"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Base58 from "../../src/protocol/core/Base58.ts"
import * as PublicKey from "../../src/protocol/core/PublicKey.ts"
import * as Vectors from "./Vectors.ts"

interface Key {
  readonly id: string
  readonly key_hex?: string | null
  readonly base58?: string
  readonly generate?: { readonly repeat: string; readonly times: number }
  readonly valid_32: boolean
}

/** The vectors ask for 5 ms; the rest is for a busy machine. The quadratic decode would take an hour. */
const MAX_MS = 50

Vectors.topic("base58", ({ file, others }) => {
  file<ReadonlyArray<readonly [string, string]>>("base58_encode_decode.json", (cases) => {
    it("converts both ways", () => {
      for (const [hex, text] of cases) {
        assert.strictEqual(Base58.encode(Vectors.fromHex(hex)), text)
        assert.deepStrictEqual(Result.getOrThrow(Base58.decode(text)), Vectors.fromHex(hex))
      }
    })
  })

  file<ReadonlyArray<{ readonly string: string }>>("invalid_strings.json", (cases) => {
    it("refuses strings outside the alphabet", () => {
      const accepted = cases.filter((c) => Result.isSuccess(Base58.decode(c.string)))
      assert.deepStrictEqual(accepted, [])
    })
  })

  file<ReadonlyArray<Key>>("key32.json", (cases) => {
    for (const c of cases) {
      it(`${c.valid_32 ? "reads" : "refuses"} as a key: ${c.id}`, () => {
        const text = c.generate === undefined ? c.base58! : c.generate.repeat.repeat(c.generate.times)
        const start = performance.now()
        const key = PublicKey.parse(`key_${text}`)
        assert.isBelow(performance.now() - start, MAX_MS)
        const bytes = Option.getSuccess(Base58.decode(text))
        assert.strictEqual(
          Option.exists(bytes, (b) => b.length === 32),
          c.valid_32
        )
        if (typeof c.key_hex === "string") assert.deepStrictEqual(bytes, Option.some(Vectors.fromHex(c.key_hex)))
        // Of 32 bytes, only strong points are keys.
        assert.deepStrictEqual(key, Option.flatMap(bytes, PublicKey.fromBytes))
        if (Option.isSome(key)) assert.strictEqual(PublicKey.toOverlay(key.value), `key_${text}`)
      })
    }
  })

  others()
})
