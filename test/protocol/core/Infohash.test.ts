import { assert, describe, it } from "@effect/vitest"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { sha1 } from "../../../src/protocol/core/Digest.ts"
import * as Infohash from "../../../src/protocol/core/Infohash.ts"

const HEX = "a9993e364706816aba3e25717850c26c9cd0d89d"

describe("Infohash", () => {
  it("converts to hex and back, either case", () => {
    const infohash = Option.getOrThrow(Infohash.fromHex(HEX))
    assert.strictEqual(Infohash.toHex(infohash), HEX)
    assert.isTrue(Infohash.equals(infohash, Option.getOrThrow(Infohash.fromHex(HEX.toUpperCase()))))
    assert.isTrue(
      Infohash.equals(infohash, Option.getOrThrow(Infohash.fromBytes(sha1(new TextEncoder().encode("abc")))))
    )
    assert.isFalse(Infohash.equals(infohash, Option.getOrThrow(Infohash.fromBytes(new Uint8Array(20)))))
  })

  it("has exactly 20 bytes", () => {
    for (const text of ["", HEX.slice(2), `${HEX}00`, HEX.replace("a", "g"), ` ${HEX.slice(1)}`]) {
      assert.isTrue(Option.isNone(Infohash.fromHex(text)), text)
    }
    for (const length of [0, 19, 21, 32]) {
      assert.isTrue(Option.isNone(Infohash.fromBytes(new Uint8Array(length))))
      assert.isTrue(Option.isNone(Schema.decodeUnknownOption(Infohash.Infohash)(new Uint8Array(length))))
    }
    assert.isTrue(Option.isSome(Schema.decodeUnknownOption(Infohash.Infohash)(new Uint8Array(20))))
  })
})
