import * as Exit from "effect/Exit"
import * as fc from "fast-check"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import SemVer from "semver/classes/semver.js"
import { assert, describe, it } from "vitest"
import * as Bencode from "../src/protocol/core/Bencode.ts"
import type { PublicKey } from "../src/protocol/core/PublicKey.ts"
import * as Shape from "../src/protocol/core/Shape.ts"
import * as Version from "../src/protocol/core/Version.ts"
import * as NameClaim from "../src/protocol/registry/NameClaim.ts"
import * as Release from "../src/protocol/registry/Release.ts"
import { bytes, flipBit, release, time, version } from "./RecordArbitraries.ts"
import { runs } from "./Runs.ts"

/** A shape, a value of it, and the value as plain bencode. */
interface Sample {
  readonly shape: Shape.Shape<unknown>
  readonly value: unknown
  readonly plain: Bencode.Value
}

const wellFormed = fc.string({ unit: "binary", maxLength: 12 }).filter((text) => text.isWellFormed())

const integers = fc
  .tuple(fc.maxSafeInteger(), fc.maxSafeInteger(), fc.maxSafeInteger())
  .map((each) => each.toSorted((a, b) => a - b))
  .map(([minimum, value, maximum]): Sample => ({ shape: Shape.integer(minimum, maximum), value, plain: value! }))

const texts = wellFormed.map((value): Sample => ({
  shape: Shape.anyText,
  value,
  plain: new TextEncoder().encode(value)
}))

const strings = fc
  .uint8Array({ maxLength: 70 })
  .chain((value) =>
    fc
      .constantFrom(
        Shape.anyBytes,
        Shape.bytes(value.length),
        Shape.bytesBetween(0, value.length),
        value.length > 0 ? Shape.units(value.length, 1) : Shape.anyBytes
      )
      .map((shape): Sample => ({ shape, value, plain: value }))
  )

const fieldName = fc.stringMatching(/^[ -~]{0,5}$/).filter((text) => text !== "__proto__")

const { sample } = fc.letrec<{ sample: Sample }>((tie) => ({
  sample: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    integers,
    texts,
    strings,
    fc.tuple(tie("sample"), fc.nat({ max: 3 })).map(([{ plain, shape, value }, length]): Sample => ({
      shape: Shape.list(shape, 3),
      value: Array.from({ length }, () => value),
      plain: Array.from({ length }, () => plain)
    })),
    fc.array(tie("sample"), { maxLength: 4 }).map((items): Sample => ({
      shape: Shape.tuple(items.map(({ shape }) => shape)),
      value: items.map(({ value }) => value),
      plain: items.map(({ plain }) => plain)
    })),
    fc
      .uniqueArray(fc.tuple(fieldName, tie("sample"), fc.constantFrom("there", "optional", "absent")), {
        selector: ([key]) => key,
        maxLength: 5
      })
      .map((entries): Sample => {
        const present = entries.filter(([, , kind]) => kind !== "absent")
        return {
          shape: Shape.dictionary(
            Object.fromEntries(
              entries.map(([key, { shape }, kind]) => [key, kind === "there" ? shape : Shape.optional(shape)])
            )
          ),
          value: Object.fromEntries(present.map(([key, { value }]) => [key, value])),
          plain: Object.fromEntries(present.map(([key, { plain }]) => [key, plain]))
        }
      })
  )
}))

const success = <A, E>(result: Result.Result<A, E>): A => Result.getOrThrow(result)

/** A second spelling would be accepted and written back otherwise. */
const isOneSpelling = <A>(shape: Shape.Shape<A>, input: Uint8Array): void => {
  const decoded = Shape.decoder(shape)(input)
  if (Result.isFailure(decoded)) return assert.match(decoded.failure, /^(?:the |Not canonical)/)
  assert.isTrue(Shape.isOf(shape)(decoded.success))
  assert.deepStrictEqual(Shape.encoder(shape)(decoded.success), input)
  assert.deepStrictEqual(Bencode.encode(success(Bencode.decode(input))), input)
}

const isOneSpellingOrAnother = <A>(shape: Shape.Shape<A>, value: A, choice: number): void => {
  const input = Shape.encoder(shape)(value)
  const changed = flipBit(input, choice)
  const decoded = Shape.decoder(shape)(changed)
  if (Result.isSuccess(decoded)) {
    assert.notDeepEqual(decoded.success, value)
    assert.deepStrictEqual(Shape.encoder(shape)(decoded.success), changed)
  }
}

describe("shapes", () => {
  it("round trip: decode(encode(value)) = value, for every shape", () => {
    fc.assert(
      fc.property(sample, ({ shape, value }) => {
        assert.deepStrictEqual(success(Shape.decoder(shape)(Shape.encoder(shape)(value))), value)
      }),
      runs
    )
  })

  it("encode writes what Bencode.encode writes of the same value", () => {
    fc.assert(
      fc.property(sample, ({ plain, shape, value }) => {
        assert.deepStrictEqual(Shape.encoder(shape)(value), Bencode.encode(plain))
      }),
      runs
    )
  })

  it("one spelling: what decode accepts after a change of one byte, encode writes back byte for byte", () => {
    fc.assert(
      fc.property(sample, fc.nat(), fc.nat({ max: 255 }), ({ plain, shape }, at, byte) => {
        const input = Bencode.encode(plain)
        input[at % input.length] = byte
        isOneSpelling(shape, input)
      }),
      runs
    )
  })

  it("the bytes of another shape's value are refused, or spell a value of both", () => {
    fc.assert(
      fc.property(sample, sample, (one, other) => isOneSpelling(one.shape, Bencode.encode(other.plain))),
      runs
    )
  })

  it("total: decode of any bytes is a value or a sentence", () => {
    const alphabet = fc.constantFrom(...Array.from("0123456789:-ilde\xff", (char) => char.charCodeAt(0)))
    fc.assert(
      fc.property(sample, fc.array(alphabet, { maxLength: 30 }), ({ shape }, codes) =>
        isOneSpelling(shape, Uint8Array.from(codes))
      ),
      runs
    )
  })

  it("encode is total on the values of its shape, and throws RangeError for everything else", () => {
    fc.assert(
      fc.property(sample, fc.anything({ withTypedArray: true, withSparseArray: true }), ({ shape }, value) => {
        if (Shape.isOf(shape)(value)) {
          const written = Shape.encoder(shape)(value)
          assert.deepStrictEqual(Shape.encoder(shape)(success(Shape.decoder(shape)(written))), written)
        } else assert.throws(() => Shape.encoder(shape)(value), RangeError)
      }),
      runs
    )
  })

  it("the schema accepts, refuses and writes what the shape does", () => {
    const decode = Schema.decodeUnknownExit(Release.codec)
    const encode = Schema.encodeSync(Release.codec)
    fc.assert(
      fc.property(release, fc.nat(), fc.boolean(), (value, choice, change) => {
        const written = encode(value)
        assert.deepStrictEqual(written, Release.encode(value))
        const input = change ? flipBit(written, choice) : written
        const bySchema = Exit.getSuccess(decode(input))
        assert.deepStrictEqual(bySchema, Result.getSuccess(Release.decode(input)))
      }),
      runs
    )
  })
})

describe("versions", () => {
  /** The definition, without the shortcut that the module takes. */
  const isStrict = (text: string): boolean => {
    if (text.length > Version.MAX_CHARS) return false
    try {
      const parsed = new SemVer(text)
      return parsed.version + (parsed.build.length === 0 ? "" : `+${parsed.build.join(".")}`) === text
    } catch {
      return false
    }
  }
  const number = fc.oneof(
    fc.maxSafeNat().map(String),
    fc.nat({ max: 20 }).map(String),
    fc.constantFrom("00", "01", "9007199254740991", "9007199254740992", "999999999999999", "1000000000000000", "")
  )
  const plain = fc
    .tuple(
      fc.constantFrom("", "", "v", " ", "="),
      number,
      number,
      number,
      fc.constantFrom("", "", "-0", "\n", " ", "+1", ".0")
    )
    .map(([before, major, minor, patch, after]) => `${before}${major}.${minor}.${patch}${after}`)

  it("the shortcut for plain versions says what npm's parser says", () => {
    fc.assert(
      fc.property(fc.oneof(plain, fc.string({ maxLength: 12 })), (text) =>
        assert.strictEqual(Version.isVersion(text), isStrict(text))
      ),
      runs
    )
  })
})

describe("release records", () => {
  it("round trip", () => {
    fc.assert(
      fc.property(release, (value) => assert.deepStrictEqual(success(Release.decode(Release.encode(value))), value)),
      runs
    )
  })

  it("every change of one bit is refused, or is another release with this one spelling", () => {
    fc.assert(
      fc.property(release, fc.nat(), (value, choice) => isOneSpellingOrAnother(Release.shape, value, choice)),
      runs
    )
  })
})

describe("claims", () => {
  const claim: fc.Arbitrary<NameClaim.NameClaim> = fc.record({
    k: bytes(32).map((each) => Uint8Array.of(2, ...each.subarray(1)) as PublicKey),
    lv: version,
    fs: time,
    t: time,
    s: bytes(64)
  })

  it("round trip", () => {
    fc.assert(
      fc.property(claim, (value) => assert.deepStrictEqual(success(NameClaim.decode(NameClaim.encode(value))), value)),
      runs
    )
  })

  it("every change of one bit is refused, or is another claim with this one spelling", () => {
    fc.assert(
      fc.property(claim, fc.nat(), (value, choice) => isOneSpellingOrAnother(NameClaim.shape, value, choice)),
      runs
    )
  })
})
