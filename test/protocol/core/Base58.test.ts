import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as Base58 from "../../../src/protocol/core/Base58.ts"

const refusal = (text: string): Base58.Base58Error => Result.getOrThrow(Result.flip(Base58.decode(text)))

describe("Base58", () => {
  it("spells leading zero bytes as leading ones", () => {
    assert.strictEqual(Base58.encode(Uint8Array.of(0, 0, 0x61)), "112g")
    assert.deepStrictEqual(Result.getOrThrow(Base58.decode("112g")), Uint8Array.of(0, 0, 0x61))
    assert.deepStrictEqual(Result.getOrThrow(Base58.decode("")), new Uint8Array(0))
    assert.strictEqual(Base58.encode(new Uint8Array(0)), "")
  })

  it("says which character is wrong", () => {
    for (const [text, offset] of [
      ["2g0", 2],
      [" 2g", 0],
      ["2g\n", 2],
      ["2é", 1],
      ["2\ud83d\ude00", 1],
      ["111l", 3]
    ] as const) {
      assert.strictEqual(refusal(text).offset, offset, text)
      assert.include(refusal(text).message, `character ${offset}`)
    }
  })

  it("reads MAX_CHARS characters and refuses one more before any work", () => {
    for (const digit of ["1", "z"]) {
      assert.isTrue(Result.isSuccess(Base58.decode(digit.repeat(Base58.MAX_CHARS))))
      assert.include(refusal(digit.repeat(Base58.MAX_CHARS + 1)).problem, "longer than")
    }
    assert.include(refusal("z".repeat(10_000_000)).problem, "longer than")
  })
})
