import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Bencode from "../../../src/protocol/core/Bencode.ts"

const bytes = (text: string): Uint8Array => Uint8Array.from(text, (char) => char.charCodeAt(0))
const latin1 = (data: Uint8Array): string => String.fromCharCode(...data)
const read = (text: string, options?: Bencode.Options): Bencode.Value =>
  Result.getOrThrow(Bencode.decode(bytes(text), options))
const refusal = (text: string, options?: Bencode.Options): Bencode.BencodeError =>
  Result.getOrThrow(Result.flip(Bencode.decode(bytes(text), options)))

const nested = (depth: number): string => "l".repeat(depth) + "e".repeat(depth)
const keyed = (depth: number): string => `${"d1:a".repeat(depth)}i1e${"e".repeat(depth)}`

describe("decode", () => {
  it("reads every kind of value", () => {
    assert.deepEqual(read("d1:ai-42e1:bl0:3:abce1:cdee"), {
      a: -42,
      b: [new Uint8Array(0), bytes("abc")],
      c: {}
    })
  })

  it("keeps integers exact on both sides of 2^53", () => {
    assert.strictEqual(read("i9007199254740991e"), 9007199254740991)
    assert.strictEqual(read("i-9007199254740991e"), -9007199254740991)
    assert.strictEqual(read("i9007199254740992e"), 9007199254740992n)
    assert.strictEqual(read("i-9007199254740993e"), -9007199254740993n)
    assert.strictEqual(read("i999999999999999e"), 999999999999999)
    assert.strictEqual(read("i1000000000000000e"), 1000000000000000)
  })

  it("reads the whole range of int64 and nothing beyond", () => {
    assert.strictEqual(read("i9223372036854775807e"), 2n ** 63n - 1n)
    assert.strictEqual(read("i-9223372036854775808e"), -(2n ** 63n))
    assert.include(refusal("i9223372036854775808e").problem, "64 bits")
    assert.include(refusal("i-9223372036854775809e").problem, "64 bits")
    assert.include(refusal("i10000000000000000000e").problem, "19 digits")
  })

  it("says where and what is wrong", () => {
    const expected: ReadonlyArray<readonly [string, number, string]> = [
      ["", 0, "ends"],
      ["x", 0, "no value"],
      ["i-0e", 0, "leading zero"],
      ["i01e", 0, "leading zero"],
      ["i1", 2, "up to an e"],
      ["i--1e", 2, "up to an e"],
      ["01:a", 0, "leading zero"],
      ["2:a", 0, "longer than the input"],
      ["1", 1, "colon"],
      ["99999999999999999999999:a", 0, "longer than the input"],
      ["l", 1, "ends"],
      ["li1e", 4, "ends"],
      ["d1:a", 4, "ends"],
      ["di1ei1ee", 1, "length should begin"],
      ["d1:ae", 4, "no value"],
      ["d1:bi1e1:ai1ee", 7, "not sorted"],
      ["d2:aai1e1:ai1ee", 8, "not sorted"],
      ["d1:\x80i1e1:\x7fi1ee", 7, "not sorted"],
      ["d1:ai1e1:ai1ee", 7, "twice"],
      ["i1ei2e", 3, "more bytes"]
    ]
    for (const [text, offset, problem] of expected) {
      const error = refusal(text)
      assert.strictEqual(error.offset, offset, text)
      assert.include(error.problem, problem, text)
      assert.include(error.message, `byte ${offset}`)
      assert.strictEqual(error.exitCode, 4)
    }
  })

  it("accepts unsorted keys when asked, but never duplicates", () => {
    assert.deepEqual(read("d1:bi1e1:ai2ee", { canonicalKeys: false }), { a: 2, b: 1 })
    assert.include(refusal("d1:ai1e1:ai2ee", { canonicalKeys: false }).problem, "twice")
    assert.include(refusal("d1:bi1e1:ai2e1:bi3ee", { canonicalKeys: false }).problem, "twice")
    assert.include(refusal("d1:ci0e1:ai1e1:bi2e1:ai3ee", { canonicalKeys: false }).problem, "twice")
  })

  it("takes keys of Object.prototype for plain keys", () => {
    const value = read("d9:__proto__d8:pollutedi1ee11:constructori2e8:toStringi3ee") as Bencode.Dictionary
    assert.deepStrictEqual(Object.keys(value), ["__proto__", "constructor", "toString"])
    assert.isNull(Object.getPrototypeOf(value))
    assert.notProperty({}, "polluted")
  })

  it("keeps every byte of a key", () => {
    const key = String.fromCharCode(...Array.from({ length: 256 }, (_, i) => i))
    const text = `d256:${key}i1ee`
    assert.deepEqual(read(text), { [key]: 1 })
    assert.strictEqual(latin1(Bencode.encode(read(text))), text)
  })

  it("copies byte strings, out of Node buffers too", () => {
    const input = Buffer.from("3:abc")
    const value = Result.getOrThrow(Bencode.decode(input)) as Uint8Array
    input.fill(0)
    assert.deepStrictEqual(value, bytes("abc"))
    assert.strictEqual(value.constructor, Uint8Array)
  })

  it("accepts input of exactly maxBytes", () => {
    assert.deepStrictEqual(read("3:abc", { maxBytes: 5 }), bytes("abc"))
    assert.include(refusal("3:abc", { maxBytes: 4 }).problem, "longer than 4 bytes")
    assert.strictEqual(Bencode.defaultLimits.maxBytes, Bencode.MAX_BYTES)
  })

  it("accepts nesting of exactly maxDepth, lists and dictionaries alike", () => {
    assert.deepEqual(read(nested(2), { maxDepth: 2 }), [[]])
    assert.include(refusal(nested(3), { maxDepth: 2 }).problem, "deeper than 2")
    assert.include(refusal("i1ei2e", { maxDepth: 0 }).problem, "more bytes")
    for (const shape of [nested, keyed]) {
      read(shape(Bencode.MAX_DEPTH))
      assert.strictEqual(refusal(shape(Bencode.MAX_DEPTH + 1))._tag, "BencodeError")
      read(shape(Bencode.DEPTH_CEILING), { maxDepth: Infinity })
      assert.strictEqual(refusal(shape(100_000), { maxDepth: Infinity })._tag, "BencodeError")
    }
  })

  it("holds no more memory for keys that look like array indices", () => {
    const many = 20_000
    const before = process.memoryUsage().heapUsed
    const value = read(`l${"d4:1023i0ee".repeat(many)}e`) as ReadonlyArray<Bencode.Value>
    assert.strictEqual(value.length, many)
    // Without the precaution V8 holds 12 kB for each: 240 MB.
    assert.isBelow(process.memoryUsage().heapUsed - before, 60_000_000)
  })

  it("keeps index keys in byte order when it writes them back", () => {
    const text = "d1:1i1e2:10i2e1:2i3e10:4294967294i4e1:xi5ee"
    assert.strictEqual(latin1(Bencode.encode(read(text))), text)
  })
})

describe("encode", () => {
  it("sorts keys by their bytes", () => {
    assert.strictEqual(
      latin1(Bencode.encode({ "\xff": 1, b: 2, aa: 3, a: 4, "": 5 })),
      "d0:i5e1:ai4e2:aai3e1:bi2e1:\xffi1ee"
    )
  })

  it("writes numbers, bigints and −0", () => {
    assert.strictEqual(
      latin1(Bencode.encode([0, -0, -1, 2 ** 53 - 1, 2n ** 63n - 1n, 5n])),
      "li0ei0ei-1ei9007199254740991ei9223372036854775807ei5ee"
    )
  })

  it("grows past its first buffer", () => {
    const long = new Uint8Array(10_000).fill(7)
    const encoded = Bencode.encode([long, 1, long])
    assert.deepStrictEqual(Result.getOrThrow(Bencode.decode(encoded)), [long, 1, long])
    assert.strictEqual(encoded.buffer.byteLength, encoded.length)
  })

  it("throws TypeError for what has no bencode", () => {
    const wrong: ReadonlyArray<unknown> = [
      1.5,
      NaN,
      Infinity,
      2 ** 53,
      2n ** 63n,
      -(2n ** 63n) - 1n,
      { "\u0100": 1 },
      "text",
      null,
      undefined,
      true,
      { a: undefined },
      [null]
    ]
    for (const value of wrong) assert.throws(() => Bencode.encode(value as Bencode.Value), TypeError)
  })
})

describe("utf8 and text", () => {
  it("convert both ways, and text refuses malformed bytes", () => {
    assert.deepStrictEqual(Bencode.text(Bencode.utf8("é€𝄞")), Option.some("é€𝄞"))
    assert.deepStrictEqual(Bencode.text(Uint8Array.of(0xef, 0xbb, 0xbf, 0x61)), Option.some("\ufeffa"))
    for (const bad of [[0xff], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xe2, 0x82]]) {
      assert.deepStrictEqual(Bencode.text(Uint8Array.from(bad)), Option.none())
    }
  })
})

describe("fromBytes", () => {
  const Point = Bencode.fromBytes(
    Schema.Struct({
      id: Bencode.bytesOfLength(4),
      name: Bencode.Utf8,
      note: Schema.optionalKey(Bencode.Utf8),
      versions: Schema.Array(Schema.Tuple([Bencode.Utf8, Bencode.Integer])),
      inner: Schema.Struct({ n: Bencode.Integer })
    })
  )
  const point = { id: bytes("abcd"), name: "é", versions: [["1.0.0", 1]] as const, inner: { n: 2 } }
  const text = "d2:id4:abcd5:innerd1:ni2ee4:name2:\xc3\xa98:versionsll5:1.0.0i1eeee"
  const decode = Schema.decodeUnknownEffect(Point)
  const failure = (input: unknown) => Effect.map(Effect.flip(decode(input)), (error) => error.message)

  it.effect("decodes bytes and encodes them back", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* decode(bytes(text)), point)
      assert.strictEqual(latin1(yield* Schema.encodeEffect(Point)(point)), text)
      const noted = { ...point, note: "n" }
      assert.deepStrictEqual(yield* decode(yield* Schema.encodeEffect(Point)(noted)), noted)
    })
  )

  it.effect("refuses keys that the schema does not name, at any depth", () =>
    Effect.gen(function* () {
      assert.include(yield* failure(bytes(`${text.slice(0, -1)}1:xi1ee`)), `["x"]`)
      assert.include(yield* failure(bytes(text.replace("1:ni2e", "1:ni2e1:oi3e"))), `["o"]`)
    })
  )

  it.effect("refuses missing keys, wrong types, wrong lengths, bad UTF-8 and negative integers", () =>
    Effect.gen(function* () {
      assert.include(yield* failure(bytes(text.replace("4:name2:\xc3\xa9", ""))), "name")
      assert.include(yield* failure(bytes(text.replace("2:\xc3\xa9", "i1e"))), "name")
      assert.include(yield* failure(bytes(text.replace("4:abcd", "3:abc"))), "4 bytes")
      assert.include(yield* failure(bytes(text.replace("2:\xc3\xa9", "1:\xff"))), "UTF-8")
      assert.include(yield* failure(bytes(text.replace("1:ni2e", "1:ni-2e"))), "n")
      assert.include(yield* failure(bytes(text.replace("1:ni2e", "1:ni9007199254740992e"))), "n")
    })
  )

  it.effect("refuses what is not bencode, with the place", () =>
    Effect.gen(function* () {
      assert.include(yield* failure(bytes(`${text}x`)), `byte ${text.length}`)
      assert.isString(yield* failure("text"))
    })
  )

  it.effect("refuses to encode a lone surrogate", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Schema.encodeEffect(Point)({ ...point, name: "\ud800" }))
      assert.include(error.message, "surrogate")
    })
  )

  it.effect("takes limits of its own", () =>
    Effect.gen(function* () {
      const Small = Bencode.fromBytes(Schema.Uint8Array, { maxBytes: 4 })
      assert.deepStrictEqual(yield* Schema.decodeEffect(Small)(bytes("2:ab")), bytes("ab"))
      assert.include((yield* Effect.flip(Schema.decodeEffect(Small)(bytes("3:abc")))).message, "longer than 4")
    })
  )
})
