import { assert, describe, it } from "@effect/vitest"
import * as Option from "effect/Option"
import * as PublicKey from "../../../src/protocol/core/PublicKey.ts"

const HEX = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
const OVERLAY = "key_FVen3X669xLzsi6N2V91DoiyzHzg1uAgqiT8jZ9nS96Z"
const BASE64 = Buffer.from(HEX, "hex").toString("base64")

const P = 2n ** 255n - 19n
const littleEndian = (n: bigint): Uint8Array =>
  Uint8Array.from({ length: 32 }, (_, i) => Number((n >> BigInt(8 * i)) & 0xffn))
const withSign = (n: bigint): bigint => n | (1n << 255n)

describe("PublicKey", () => {
  it("has three spellings, told apart by shape", () => {
    const key = Option.getOrThrow(PublicKey.parse(HEX))
    for (const text of [HEX.toUpperCase(), BASE64, OVERLAY]) {
      assert.isTrue(PublicKey.equals(Option.getOrThrow(PublicKey.parse(text)), key), text)
    }
    assert.strictEqual(PublicKey.toHex(key), HEX)
    assert.strictEqual(PublicKey.toBase64(key), BASE64)
    assert.strictEqual(PublicKey.toOverlay(key), OVERLAY)
  })

  it("refuses texts that are nearly a key", () => {
    for (const text of [
      "",
      "key_",
      OVERLAY.slice(0, -2),
      `${OVERLAY}1`,
      OVERLAY.replace("key_", "key_1"),
      OVERLAY.replace("key_", ""),
      OVERLAY.replace("F", "0"),
      ` ${OVERLAY}`,
      HEX.slice(2),
      `${HEX}00`,
      HEX.replace("d", "g"),
      BASE64.slice(0, -1),
      BASE64.replace("=", ""),
      ` ${BASE64}`,
      `${BASE64}\n`
    ]) {
      assert.isTrue(Option.isNone(PublicKey.parse(text)), text)
    }
    // The same bytes with a bit set that base64 does not use.
    const last = BASE64.at(-2)!
    const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    assert.isTrue(Option.isNone(PublicKey.parse(`${BASE64.slice(0, -2)}${alphabet[alphabet.indexOf(last) + 1]}=`)))
  })

  it("refuses every y at or above p, with either sign", () => {
    for (let y = P; y < 2n ** 255n; y++) {
      assert.isFalse(PublicKey.isStrongPoint(littleEndian(y)))
      assert.isFalse(PublicKey.isStrongPoint(littleEndian(withSign(y))))
    }
  })

  it("refuses 0, 1 and −1 with either sign, and not their neighbours", () => {
    for (const [y, strong] of [
      [0n, false],
      [1n, false],
      [2n, true],
      [P - 2n, true],
      [P - 1n, false]
    ] as const) {
      assert.strictEqual(PublicKey.isStrongPoint(littleEndian(y)), strong, String(y))
      assert.strictEqual(PublicKey.isStrongPoint(littleEndian(withSign(y))), strong, String(y))
    }
  })
})
