import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Bencode from "../../../src/protocol/core/Bencode.ts"
import * as Shape from "../../../src/protocol/core/Shape.ts"

const bytes = (text: string): Uint8Array => Uint8Array.from(text, (char) => char.charCodeAt(0))
const latin1 = (value: Uint8Array): string => String.fromCharCode(...value)

const Place = Shape.dictionary({
  label: Shape.anyText,
  id: Shape.bytes(4),
  note: Shape.optional(Shape.textBetween(1, 3)),
  at: Shape.tuple([Shape.integer(0, 90), Shape.integer(-180, 180)]),
  near: Shape.list(Shape.dictionary({ n: Shape.integer() }), 2)
})
type Place = Shape.Type<typeof Place>

const place: Place = { label: "é", id: bytes("abcd"), at: [52, -13], near: [{ n: 1 }, { n: 2 }] }
const text = "d2:atli52ei-13ee2:id4:abcd5:label2:\xc3\xa94:nearld1:ni1eed1:ni2eeee"

const encode = Shape.encoder(Place)
const decode = Shape.decoder(Place)
const refusal = (input: string): string => Result.getOrThrow(Result.flip(decode(bytes(input))))
const changed = (from: string, to: string): string => refusal(text.replace(from, to))

describe("Shape", () => {
  it("writes fields in the order of their names and reads them back", () => {
    assert.strictEqual(latin1(encode(place)), text)
    assert.deepStrictEqual(Result.getOrThrow(decode(bytes(text))), place)
  })

  it("writes a field that may be absent where it is there", () => {
    const noted: Place = { ...place, note: "ö" }
    assert.include(latin1(encode(noted)), "4:note2:\xc3\xb6e")
    assert.deepStrictEqual(Result.getOrThrow(decode(encode(noted))), noted)
    assert.isFalse("note" in Result.getOrThrow(decode(bytes(text))))
  })

  it("names the field that is missing, unknown or wrong, however deep it stands", () => {
    assert.strictEqual(changed("2:id4:abcd", ""), "the field id is missing")
    assert.strictEqual(changed("5:label2:\xc3\xa9", ""), "the field label is missing")
    assert.strictEqual(
      changed("4:nearl", "3:bari1e4:nearl"),
      "Not canonical bencode at byte 37: dictionary keys are not sorted"
    )
    assert.strictEqual(changed("4:nearl", "5:lateri1e4:nearl"), "the field later is not known here")
    assert.strictEqual(refusal(`${text.slice(0, -1)}1:zi1ee`), "the field z is not known here")
    assert.strictEqual(refusal(`${text.slice(0, -1)}2:z\x1bi1ee`), "the value has a field that is not known here")
    assert.strictEqual(changed("4:abcd", "3:abc"), "the field id is not a byte string of 4 bytes")
    assert.strictEqual(changed("i52e", "i91e"), "the field at[0] is not an integer from 0 to 90")
    assert.strictEqual(changed("i-13e", ""), "the field at is not a list of 2 items")
    assert.strictEqual(changed("i-13e", "i-13ei0e"), "the field at is not a list of 2 items")
    assert.strictEqual(changed("i2e", "i-2e"), `the field near[1].n is not an integer from 0 to ${2 ** 53 - 1}`)
    assert.strictEqual(changed("1:ni2e", ""), "the field near[1].n is missing")
    assert.strictEqual(changed("ni2ee", "ni2eed1:ni3ee"), "the field near has more than 2 items")
    assert.strictEqual(changed("2:\xc3\xa9", "1:\xff"), "the field label is not text in UTF-8")
    assert.strictEqual(changed("2:\xc3\xa9", "i1e"), "the field label is not text in UTF-8")
    assert.strictEqual(refusal("le"), "the value is not a dictionary")
    assert.strictEqual(
      Result.getOrThrow(Result.flip(Shape.decoder(Shape.list(Shape.anyBytes))(bytes("li1ee")))),
      "the item [0] is not a byte string"
    )
  })

  it("tells what is no bencode as such, with the place", () => {
    assert.strictEqual(
      refusal(`${text}x`),
      `Not canonical bencode at byte ${text.length}: more bytes after the end of the value`
    )
    assert.include(changed("i52e", "i052e"), "leading zero")
    assert.include(changed("4:abcd", "04:abcd"), "leading zero")
    assert.include(changed("5:label", "2:id4:abcd5:label"), "twice")
    assert.include(refusal(""), "byte 0")
    assert.include(Result.getOrThrow(Result.flip(decode(new Uint8Array(Bencode.MAX_BYTES + 1)))), "longer than")
    for (let length = 0; length < text.length; length++) assert.include(refusal(text.slice(0, length)), "canonical")
  })

  it("gives byte strings of their own, also out of a Buffer", () => {
    const input = Buffer.from(bytes(text))
    const { id } = Result.getOrThrow(decode(input))
    input.fill(0)
    assert.strictEqual(id.constructor, Uint8Array)
    assert.deepStrictEqual(id, bytes("abcd"))
  })

  it("refuses to write what breaks a limit, and names the field", () => {
    const wrong: ReadonlyArray<readonly [Partial<Place>, string]> = [
      [{ id: bytes("abc") }, "the field id is not a byte string of 4 bytes"],
      [{ at: [91, 0] }, "the field at[0] is not an integer from 0 to 90"],
      [{ at: [0.5, 0] }, "the field at[0] is not an integer from 0 to 90"],
      [{ near: [{ n: 1 }, { n: Number.NaN }] }, "the field near[1].n is not an integer"],
      [{ near: [{ n: 1 }, { n: 1 }, { n: 1 }] }, "the field near has more than 2 items"],
      [{ label: "\ud800" }, "the field label is not text in UTF-8"],
      [{ note: "" }, "the field note is not text of 1 to 3 bytes in UTF-8"],
      [{ note: "öö" }, "the field note is not text of 1 to 3 bytes in UTF-8"]
    ]
    for (const [change, problem] of wrong) {
      assert.throws(() => encode({ ...place, ...change }), RangeError, problem)
      assert.isFalse(Shape.isOf(Place)({ ...place, ...change }))
    }
    for (const value of [null, undefined, 1, "", [], {}]) assert.isFalse(Shape.isOf(Place)(value))
  })

  it("holds values to a rule across fields", () => {
    const Pair = Shape.where(Shape.dictionary({ a: Shape.integer(), b: Shape.integer() }), ({ a, b }) =>
      a < b ? undefined : "has a not below b"
    )
    assert.deepStrictEqual(Result.getOrThrow(Shape.decoder(Pair)(bytes("d1:ai1e1:bi2ee"))), { a: 1, b: 2 })
    const refused = Shape.decoder(Shape.dictionary({ p: Pair }))(bytes("d1:pd1:ai2e1:bi2eee"))
    assert.strictEqual(Result.getOrThrow(Result.flip(refused)), "the field p has a not below b")
    assert.throws(() => Shape.encoder(Pair)({ a: 2, b: 2 }), RangeError, "the value has a not below b")
  })

  it("keeps one value as the bytes that spell it, so that a list survives the items that make no sense", () => {
    const Items = Shape.list(Shape.raw)
    const items = Result.getOrThrow(Shape.decoder(Items)(bytes("li1e2:abd1:ai0eee")))
    assert.deepStrictEqual(items.map(latin1), ["i1e", "2:ab", "d1:ai0ee"])
    assert.strictEqual(latin1(Shape.encoder(Items)(items)), "li1e2:abd1:ai0eee")
    assert.isTrue(Result.isFailure(Shape.decoder(Items)(bytes("ld1:bi0e1:ai0eee"))))
  })

  it("takes byte strings within bounds", () => {
    const lengths = (shape: Shape.Shape<Uint8Array>) =>
      [0, 1, 2, 3, 4, 5, 6].filter((length) => Shape.isOf(shape)(new Uint8Array(length)))
    assert.deepStrictEqual(lengths(Shape.bytesBetween(2, 4)), [2, 3, 4])
    assert.deepStrictEqual(lengths(Shape.units(2, 2)), [2, 4])
    assert.deepStrictEqual(lengths(Shape.anyBytes), [0, 1, 2, 3, 4, 5, 6])
    assert.deepStrictEqual(lengths(Shape.publicKey), [])
  })

  it("takes integers to the edge of what is safe", () => {
    const decodeInteger = Shape.decoder(Shape.integer(-(2 ** 53 - 1)))
    for (const n of [2 ** 53 - 1, -(2 ** 53 - 1), 0]) {
      assert.strictEqual(Result.getOrThrow(decodeInteger(bytes(`i${n}e`))), n)
      assert.strictEqual(latin1(Shape.encoder(Shape.integer(-(2 ** 53 - 1)))(n)), `i${n}e`)
    }
    assert.isTrue(Result.isFailure(decodeInteger(bytes("i9007199254740992e"))))
  })
})

describe("the schemas of a shape", () => {
  const schema = Shape.codec(Place)

  it.effect("decode and encode as the shape does", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* Schema.decodeUnknownEffect(schema)(bytes(text)), place)
      assert.strictEqual(latin1(yield* Schema.encodeEffect(schema)(place)), text)
    })
  )

  it.effect("fail with the sentence that names the field", () =>
    Effect.gen(function* () {
      const decoding = yield* Effect.flip(Schema.decodeUnknownEffect(schema)(bytes(text.replace("4:abcd", "0:"))))
      assert.include(decoding.message, "the field id is not a byte string of 4 bytes")
      const encoding = yield* Effect.flip(Schema.encodeEffect(schema)({ ...place, id: bytes("a") }))
      assert.include(encoding.message, "the field id is not a byte string of 4 bytes")
      assert.isString((yield* Effect.flip(Schema.decodeUnknownEffect(schema)("text"))).message)
    })
  )

  it.effect("stand inside schemas over bencode values", () =>
    Effect.gen(function* () {
      const outer = Bencode.fromBytes(Schema.Struct({ p: Shape.valueCodec(Place) }))
      const encoded = yield* Schema.encodeEffect(outer)({ p: place })
      assert.strictEqual(latin1(encoded), `d1:p${text}e`)
      assert.deepStrictEqual(yield* Schema.decodeEffect(outer)(encoded), { p: place })
      const wrong = bytes(`d1:p${text.replace("4:abcd", "0:")}e`)
      assert.include((yield* Effect.flip(Schema.decodeEffect(outer)(wrong))).message, "id is not a byte string")
    })
  )
})
