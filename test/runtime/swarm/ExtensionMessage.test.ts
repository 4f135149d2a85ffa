import { assert, describe, it } from "@effect/vitest"
import * as Option from "effect/Option"
import * as ExtensionMessage from "../../../src/runtime/swarm/ExtensionMessage.ts"

const text = (text: string) => Buffer.from(text, "latin1")

describe("ExtensionMessage", () => {
  it("spells the handshake as BEP 10 and BEP 9 do", () => {
    const bytes = ExtensionMessage.encodeHandshake({
      names: ["ut_metadata", "ls_topic"],
      metadataSize: 31_235,
      port: 6881,
      reqq: 512,
      version: "Test 1"
    })
    assert.strictEqual(
      Buffer.from(bytes).toString("latin1"),
      "d1:md8:ls_topici2e11:ut_metadatai1ee13:metadata_sizei31235e1:pi6881e4:reqqi512e1:v6:Test 1e"
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

  const read = (spelled: string) => Option.getOrThrow(ExtensionMessage.decodeHandshake(text(spelled)))
  const nothing = {
    ids: new Map<string, number>(),
    metadataSize: undefined,
    requestQueue: undefined,
    port: undefined,
    version: undefined
  }

  it("reads a handshake with unsorted and unknown keys, as some clients send it", () => {
    const spelled = "d1:v3:abc1:pi6881e4:reqqi250e1:xle1:md6:ut_pexi1e11:ut_metadatai3ee13:metadata_sizei9ee"
    assert.deepStrictEqual(read(spelled), {
      ids: new Map([
        ["ut_pex", 1],
        ["ut_metadata", 3]
      ]),
      metadataSize: 9,
      requestQueue: 250,
      port: 6881,
      version: "abc"
    })
  })

  it("reads that an extension is switched off", () => {
    assert.deepStrictEqual(read("d1:md11:ut_metadatai0eee"), { ...nothing, ids: new Map([["ut_metadata", 0]]) })
  })

  it("shows of a client's name what can be printed, cut off", () => {
    assert.strictEqual(read("d1:v8:a\u001b[31m\n\u0080e").version, "a?[31m??")
    assert.strictEqual(read(`d1:v200:${"x".repeat(200)}e`).version?.length, ExtensionMessage.VERSION_MAX_CHARS)
  })

  it("remembers so many extensions of a handshake, with names of so many bytes, and reads none that is longer", () => {
    const many = Array.from({ length: 100 }, (_, i) => `3:x${String(i).padStart(2, "0")}i1e`).join("")
    assert.strictEqual(read(`d1:md${many}ee`).ids.size, ExtensionMessage.NAMES_MAX)
    assert.strictEqual(read(`d1:md65:${"x".repeat(65)}i1eee`).ids.size, 0)
    const long = `d1:v5000:${"x".repeat(5_000)}e`
    assert.isTrue(Option.isNone(ExtensionMessage.decodeHandshake(text(long))))
  })

  const unusable: ReadonlyArray<readonly [string, string]> = [
    ["an id that does not fit a byte", "d1:md11:ut_metadatai256eee"],
    ["a negative id", "d1:md11:ut_metadatai-1eee"],
    ["an m that is a number", "d1:mi1ee"],
    ["a negative size", "d1:mde13:metadata_sizei-1ee"],
    ["a size of zero", "d1:mde13:metadata_sizei0ee"],
    ["a port of zero", "d1:pi0ee"],
    ["a port that is none", "d1:pi65536ee"],
    ["a queue for no requests", "d4:reqqi0ee"],
    ["a client that is a number", "d1:vi1ee"]
  ]
  for (const [what, spelled] of unusable) {
    it(`takes ${what} for absent`, () => assert.deepStrictEqual(read(spelled), nothing))
  }

  for (const spelled of ["", "i1e", "le", "d", "d1:m", "de0:", "9999999999:"]) {
    it(`gives no handshake for ${JSON.stringify(spelled)}`, () =>
      assert.isTrue(Option.isNone(ExtensionMessage.decodeHandshake(text(spelled)))))
  }
})
