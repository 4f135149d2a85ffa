/** The laws of answers to `get`: what was put comes out as it was, in one datagram. */
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Bencode from "../src/protocol/core/Bencode.ts"
import { encode, type Found } from "../src/runtime/dht/items/ItemReply.ts"
import { ASKER_BYTES, COMPACT_NODE_BYTES, encodeResponse, UNFRAGMENTED_BYTES } from "../src/runtime/dht/KrpcMessage.ts"
import { asBytes, asDictionary, loose, type Loose, read } from "../test/runtime/dht/LiveNode.ts"
import { runs } from "./Runs.ts"

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })

const { value: anyValue } = fc.letrec<{ value: Loose }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, depthIdentifier: "value" },
    fc.uint8Array({ maxLength: 300 }),
    fc.maxSafeInteger(),
    fc.array(tie("value"), { maxLength: 4, depthIdentifier: "value" }),
    fc.dictionary(fc.string({ unit: "grapheme-ascii", maxLength: 8 }), tie("value"), {
      maxKeys: 4,
      depthIdentifier: "value"
    })
  )
}))

const value = anyValue.map((each) => Uint8Array.from(loose(each))).filter(({ length }) => length <= 1_000)

const found: fc.Arbitrary<Found> = fc.oneof(
  fc.record({ seq: fc.maxSafeNat() }),
  fc.record({ value }),
  fc.record({ value, seq: fc.maxSafeNat(), publicKey: bytes(32), signature: bytes(64) }),
  fc.constant({})
)

const reply = fc.record({
  found,
  id: bytes(20),
  token: bytes(8),
  transactionId: fc.uint8Array({ minLength: 0, maxLength: 32 }),
  nodes: fc.integer({ min: 0, max: 16 }).chain((count) => bytes(count * COMPACT_NODE_BYTES))
})

const written = ({
  found: given,
  id,
  nodes,
  token,
  transactionId
}: typeof reply extends fc.Arbitrary<infer A> ? A : never) =>
  encode(given, { id, token }, transactionId, 16, (count) => nodes.subarray(0, count * COMPACT_NODE_BYTES))

describe("ItemReply", () => {
  it("whatever is stored, what goes out decodes to it, and its value is there byte for byte", () => {
    fc.assert(
      fc.property(reply, (given) => {
        const out = written(given)
        const message = read(out)
        const r = asDictionary(message["r"])
        assert.deepStrictEqual(asBytes(message["t"]), given.transactionId)
        assert.deepStrictEqual([r["id"], r["token"], r["seq"]], [given.id, given.token, given.found.seq])
        assert.deepStrictEqual([r["k"], r["sig"]], [given.found.publicKey, given.found.signature])
        const v = r["v"]
        if (given.found.value === undefined) return assert.isUndefined(v)
        assert.deepStrictEqual(v === undefined ? undefined : Bencode.encode(v), given.found.value)
        assert.isAbove(Buffer.from(out).indexOf(given.found.value), 0)
      }),
      runs
    )
  })

  it("whatever is answered, it is canonical bencode of at most one frame, as the encoder would write it", () => {
    fc.assert(
      fc.property(reply, (given) => {
        const out = written(given)
        assert.isAtMost(out.length + ASKER_BYTES, UNFRAGMENTED_BYTES)
        assert.deepStrictEqual(
          new Uint8Array(out),
          new Uint8Array(encodeResponse(given.transactionId, asDictionary(read(out)["r"])))
        )
      }),
      runs
    )
  })
})
