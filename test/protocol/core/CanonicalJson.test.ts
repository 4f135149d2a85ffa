import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as CanonicalJson from "../../../src/protocol/core/CanonicalJson.ts"

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const read = (text: string, limits?: Partial<CanonicalJson.Limits>): CanonicalJson.Json =>
  Result.getOrThrow(CanonicalJson.decode(bytes(text), limits))
const refusal = (text: string, limits?: Partial<CanonicalJson.Limits>): CanonicalJson.CanonicalJsonError =>
  Result.getOrThrow(Result.flip(CanonicalJson.decode(bytes(text), limits)))
const write = (value: CanonicalJson.Json): string =>
  new TextDecoder().decode(Result.getOrThrow(CanonicalJson.encode(value)))
const unwritable = (value: unknown): string =>
  Result.getOrThrow(Result.flip(CanonicalJson.encode(value as CanonicalJson.Json))).problem

const nested = (depth: number): string => "[".repeat(depth) + "]".repeat(depth)
const keyed = (depth: number): string => `${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`

describe("decode", () => {
  it("reads every kind of value, with white space anywhere", () => {
    assert.deepEqual(read(' {"a" : [1, -2.5e+3 ,0,1E2,true,false,null,""],\r\n\t"b":{} , "c":[ ]} '), {
      a: [1, -2500, 0, 100, true, false, null, ""],
      b: {},
      c: []
    })
  })

  it("reads escapes and raw text alike", () => {
    assert.strictEqual(read('"\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\uD834\\udd1e é𝄞\u007f"'), '"\\/\b\f\n\r\té𝄞 é𝄞\u007f')
  })

  it("says where and what is wrong", () => {
    const expected: ReadonlyArray<readonly [string, number, string]> = [
      ["", 0, "no value"],
      [" ", 1, "no value"],
      ["{}x", 2, "more text"],
      ["\ufeff{}", 0, "no value"],
      ["[1,]", 3, "no value"],
      ["[1 2]", 3, "comma or bracket"],
      ["[1", 2, "comma or bracket"],
      ['{"a":1,}', 7, "name should begin"],
      ['{"a" 1}', 5, "colon"],
      ['{"a":1 "b":2}', 7, "comma or brace"],
      ['{"é":1,"\\u00e9":2}', 8, "twice"],
      ['{"a":{"b":1,"b":2}}', 12, "twice"],
      ["[01]", 2, "comma or bracket"],
      ["[-]", 1, "no value"],
      ["[+1]", 1, "no value"],
      ["[1.]", 2, "comma or bracket"],
      ["[1e]", 2, "comma or bracket"],
      ["[1e400]", 1, "larger than a double"],
      ["[-1e400]", 1, "larger than a double"],
      ["[nul]", 1, "no value"],
      ["[NaN]", 1, "no value"],
      ['"a', 2, "not closed"],
      ['"a\\', 2, "unknown escape"],
      ['"\\x"', 1, "unknown escape"],
      ['"\\u12"', 1, "four hex digits"],
      ['"\\u 123"', 1, "four hex digits"],
      ['"a\nb"', 2, "control character"],
      ['"\u0000"', 1, "control character"],
      ['"\\ud800"', 0, "lone surrogate"],
      ['"\\udc00\\ud800"', 0, "lone surrogate"],
      ['{"\\ud834":1}', 1, "lone surrogate"]
    ]
    for (const [text, offset, problem] of expected) {
      const error = refusal(text)
      assert.include(error.problem, problem, text)
      if (!problem.includes("surrogate")) assert.strictEqual(error.offset, offset, text)
      assert.include(error.message, "at byte")
    }
  })

  it("refuses malformed UTF-8", () => {
    for (const bad of [[0xff], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xe2, 0x82], [0xf8, 0x88, 0x80, 0x80, 0x80]]) {
      const result = CanonicalJson.decode(Uint8Array.of(0x22, ...bad, 0x22))
      assert.include(Result.getOrThrow(Result.flip(result)).problem, "UTF-8")
    }
  })

  it("takes __proto__ and its like for plain names", () => {
    const value = read('{"__proto__":{"polluted":1},"constructor":2,"toString":3}')
    assert.deepStrictEqual(Object.keys(value as object), ["__proto__", "constructor", "toString"])
    assert.notProperty({}, "polluted")
    assert.include(refusal('{"__proto__":1,"__proto__":2}').problem, "twice")
    assert.strictEqual(write(value), '{"__proto__":{"polluted":1},"constructor":2,"toString":3}')
  })

  it("accepts input of exactly maxBytes", () => {
    assert.strictEqual(read('"é"', { maxBytes: 4 }), "é")
    assert.include(refusal('"é"', { maxBytes: 3 }).problem, "longer than 3 bytes")
    assert.strictEqual(CanonicalJson.defaultLimits.maxBytes, CanonicalJson.MAX_BYTES)
  })

  it("accepts nesting of exactly maxDepth, arrays and objects alike", () => {
    for (const shape of [nested, keyed]) {
      read(shape(2), { maxDepth: 2 })
      assert.include(refusal(shape(3), { maxDepth: 2 }).problem, "deeper than 2")
      read(shape(CanonicalJson.MAX_DEPTH))
      assert.include(refusal(shape(CanonicalJson.MAX_DEPTH + 1)).problem, "deeper")
      read(shape(CanonicalJson.DEPTH_CEILING), { maxDepth: Infinity })
      assert.include(refusal(shape(100_000), { maxDepth: Infinity }).problem, "deeper")
    }
  })

  it("holds no more memory for names that look like array indices", () => {
    const before = process.memoryUsage().heapUsed
    const value = read(`[${'{"1023":0},'.repeat(20_000)}0]`) as ReadonlyArray<CanonicalJson.Json>
    assert.strictEqual(value.length, 20_001)
    assert.isBelow(process.memoryUsage().heapUsed - before, 60_000_000)
  })
})

describe("encode", () => {
  it("sorts names by UTF-16 code units", () => {
    assert.strictEqual(
      write({ "\ufb33": 1, "😀": 2, "\r": 3, "1": 4, "€": 5, "10": 6, "": 7, ö: 8 }),
      '{"":7,"\\r":3,"1":4,"10":6,"ö":8,"€":5,"😀":2,"\ufb33":1}'
    )
  })

  it("escapes only what must be escaped", () => {
    assert.strictEqual(
      write('"\\/\b\f\n\r\t\u0001\u001f\u007f\u2028<é'),
      '"\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\u007f\u2028<é"'
    )
  })

  it("writes numbers as ECMAScript does", () => {
    assert.strictEqual(
      write([-0, 1e21, 1e-7, 0.1, 1e20, -1.5, 5e-324]),
      "[0,1e+21,1e-7,0.1,100000000000000000000,-1.5,5e-324]"
    )
  })

  it("refuses what JSON cannot say", () => {
    assert.include(unwritable(NaN), "NaN")
    assert.include(unwritable([Infinity]), "Infinity")
    assert.include(unwritable("\ud800"), "surrogate")
    assert.include(unwritable({ "\udc00": 1 }), "surrogate")
    assert.include(unwritable(undefined), "undefined")
    assert.include(unwritable({ a: undefined }), "undefined")
    assert.include(unwritable(Array.from({ length: 2 })), "undefined")
    assert.include(unwritable(1n), "bigint")
    assert.include(unwritable(new Date(0)), "plain")
    assert.include(unwritable(new Map()), "plain")
    assert.include(unwritable(new Uint8Array(1)), "plain")
    const cycle: Array<unknown> = []
    cycle.push(cycle)
    assert.include(unwritable(cycle), "deeper")
  })
})

describe("decodeCanonical", () => {
  it("accepts what encode writes and nothing else", () => {
    const canonical = '{"a":[1,"é"],"b":null}'
    assert.deepEqual(Result.getOrThrow(CanonicalJson.decodeCanonical(bytes(canonical))), { a: [1, "é"], b: null })
    for (const [other, offset] of [
      [`${canonical}\n`, canonical.length + 1],
      ['{"b":null,"a":[1,"é"]}', 2],
      ['{"a":[1.0,"é"],"b":null}', 7],
      ['{"a":[1,"\\u00e9"],"b":null}', 9],
      ["-0", 0]
    ] as const) {
      const error = Result.getOrThrow(Result.flip(CanonicalJson.decodeCanonical(bytes(other))))
      assert.strictEqual(error.offset, offset, other)
      assert.include(error.problem, "RFC 8785")
    }
  })

  it("honours limits that are wider than the default", () => {
    const deep = bytes(nested(CanonicalJson.MAX_DEPTH + 1))
    assert.isTrue(Result.isFailure(CanonicalJson.decodeCanonical(deep)))
    assert.isTrue(Result.isSuccess(CanonicalJson.decodeCanonical(deep, { maxDepth: 200 })))
  })
})
