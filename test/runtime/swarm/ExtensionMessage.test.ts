import { assert, describe, it } from "@effect/vitest"
import * as Option from "effect/Option"
import * as ExtensionMessage from "../../../src/runtime/swarm/ExtensionMessage.ts"

const text = (text: string) => Buffer.from(text, "latin1")

describe("ExtensionMessage", () => {
  it("spells the handshake as BEP 10 and BEP 9 do", () => {
    const bytes = ExtensionMessage.encodeHandshake({ metadataSize: 31_235, reqq: 512 })
    assert.strictEqual(
      Buffer.from(bytes).toString("latin1"),
      "d1:md11:ut_metadatai1ee13:metadata_sizei31235e4:reqqi512ee"
    )
  })

  it("spells a metadata piece as in BEP 9, with the total size that other clients need", () => {
    const info = new Uint8Array(16_390).fill(120)
    const bytes = Buffer.from(ExtensionMessage.encodeData(info, 1))
    assert.strictEqual(bytes.toString("latin1"), "d8:msg_typei1e5:piecei1e10:total_sizei16390eexxxxxx")
  })

  it("rejects a piece that the dictionary does not have", () => {
    const bytes = Buffer.from(ExtensionMessage.encodeData(new Uint8Array(10), 1))
    assert.strictEqual(bytes.toString("latin1"), "d8:msg_typei2e5:piecei1ee")
  })

  it("reads the messages of BEP 9", () => {
    assert.deepStrictEqual(Option.getOrThrow(ExtensionMessage.decodeMetadata(text("d8:msg_typei0e5:piecei0ee"))), {
      _tag: "Request",
      piece: 0
    })
    const data = Option.getOrThrow(
      ExtensionMessage.decodeMetadata(text("d8:msg_typei1e5:piecei0e10:total_sizei34256eexxee"))
    )
    assert.deepStrictEqual(data, { _tag: "Data", piece: 0, bytes: text("xxee") })
  })

  it("reads a handshake with unsorted and unknown keys, as some clients send it", () => {
    const read = ExtensionMessage.decodeHandshake(
      text("d1:v3:abc1:md6:ut_pexi1e11:ut_metadatai3ee13:metadata_sizei9ee")
    )
    assert.deepStrictEqual(Option.getOrThrow(read), { utMetadata: 3, metadataSize: 9 })
  })

  const unusable: ReadonlyArray<readonly [string, string]> = [
    ["an extension that is switched off", "d1:md11:ut_metadatai0eee"],
    ["an id that does not fit a byte", "d1:md11:ut_metadatai256eee"],
    ["an m that is a number", "d1:mi1ee"],
    ["a negative size", "d1:mde13:metadata_sizei-1ee"],
    ["a size of zero", "d1:mde13:metadata_sizei0ee"]
  ]
  for (const [what, spelled] of unusable) {
    it(`takes ${what} for absent`, () =>
      assert.deepStrictEqual(Option.getOrThrow(ExtensionMessage.decodeHandshake(text(spelled))), {
        utMetadata: undefined,
        metadataSize: undefined
      }))
  }

  for (const spelled of ["", "i1e", "le", "d", "d1:m", "de0:", "9999999999:"]) {
    it(`gives no handshake for ${JSON.stringify(spelled)}`, () =>
      assert.isTrue(Option.isNone(ExtensionMessage.decodeHandshake(text(spelled)))))
  }
})
