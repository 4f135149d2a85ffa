import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fc from "fast-check"
import * as Option from "effect/Option"
import { Ed25519 } from "../src/protocol/core/Ed25519.ts"
import * as PublicKey from "../src/protocol/core/PublicKey.ts"
import * as VerifiedSignatures from "../src/protocol/core/VerifiedSignatures.ts"
import * as NodeEd25519 from "../src/runtime/crypto/NodeEd25519.ts"
import { runs, runsUpTo } from "./Runs.ts"

const P = 2n ** 255n - 19n
/** One y of the points of order 8, as C2SP CCTV lists it; the other is its negative. */
const ORDER_8_Y = 0x7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7n
const WEAK_Y = [0n, 1n, P - 1n, ORDER_8_Y, P - ORDER_8_Y]

const toBytes = (n: bigint): Uint8Array =>
  Uint8Array.from({ length: 32 }, (_, i) => Number((n >> BigInt(8 * i)) & 0xffn))
const yOf = (point: Uint8Array): bigint =>
  point.reduceRight((n, byte) => (n << 8n) | BigInt(byte), 0n) & (2n ** 255n - 1n)

/** The definition, without the shortcut that the module takes. */
const isStrong = (point: Uint8Array): boolean => yOf(point) < P && !WEAK_Y.includes(yOf(point))

/** Any 32 bytes, and bytes near the weak encodings: one of them with one byte changed. */
const point = fc.oneof(
  fc.uint8Array({ minLength: 32, maxLength: 32 }),
  fc
    .tuple(
      fc.constantFrom(...WEAK_Y, P, P + 1n, 2n ** 255n - 1n),
      fc.boolean(),
      fc.nat({ max: 31 }),
      fc.nat({ max: 255 })
    )
    .map(([y, sign, at, byte]) => {
      const bytes = toBytes(y | (sign ? 1n << 255n : 0n))
      if (byte > 64) bytes[at] = byte
      return bytes
    })
)

const layers = Effect.gen(function* () {
  const noble = yield* Effect.provide(Effect.service(Ed25519), Ed25519.layerNoble)
  const node = yield* Effect.provide(Effect.service(Ed25519), NodeEd25519.layer)
  return { noble, node }
})

const seed = fc.uint8Array({ minLength: 32, maxLength: 32 })
const message = fc.uint8Array({ maxLength: 100 })

describe("PublicKey", () => {
  it("isStrongPoint is y < p and not of small order, for every 32 bytes", () => {
    fc.assert(
      fc.property(point, (bytes) => {
        assert.strictEqual(PublicKey.isStrongPoint(bytes), isStrong(bytes))
      }),
      runs
    )
  })

  it("round trip: parse reads every spelling of a key back", () => {
    fc.assert(
      fc.property(point, (bytes) => {
        const key = PublicKey.fromBytes(bytes)
        assert.strictEqual(Option.isSome(key), isStrong(bytes))
        if (Option.isNone(key)) return
        for (const spell of [PublicKey.toBase64, PublicKey.toHex, PublicKey.toOverlay]) {
          assert.deepStrictEqual(PublicKey.parse(spell(key.value)), key)
        }
      }),
      runs
    )
  })
})

describe("Ed25519", () => {
  it.effect("backends agree: equal keys, equal signatures, and every signature holds on both", () =>
    Effect.map(layers, ({ noble, node }) => {
      fc.assert(
        fc.property(seed, message, (s, m) => {
          const key = noble.publicKeyOf(s)
          assert.deepStrictEqual(node.publicKeyOf(s), key)
          const signature = noble.sign(m, s)
          assert.deepStrictEqual(node.sign(m, s), signature)
          assert.isTrue(noble.verify(signature, m, key))
          assert.isTrue(node.verify(signature, m, key))
        }),
        runsUpTo(100)
      )
    })
  )

  it.effect("tamper-evident: any one bit flipped in signature, message or key is refused by both", () =>
    Effect.map(layers, ({ noble, node }) => {
      fc.assert(
        fc.property(seed, fc.uint8Array({ minLength: 1, maxLength: 100 }), fc.nat(), (s, m, position) => {
          const key: Uint8Array = node.publicKeyOf(s)
          const all = Uint8Array.from([...node.sign(m, s), ...key, ...m])
          const bit = position % (all.length * 8)
          all[bit >> 3]! ^= 1 << (bit & 7)
          const parts = [all.subarray(0, 64), all.subarray(96), all.subarray(64, 96)] as const
          assert.isFalse(noble.verify(...parts))
          assert.isFalse(node.verify(...parts))
        }),
        runsUpTo(200)
      )
    })
  )

  it.effect("one verdict: both backends say the same of any key and any R, and never throw", () =>
    Effect.map(layers, ({ noble, node }) => {
      fc.assert(
        fc.property(point, point, fc.uint8Array({ minLength: 32, maxLength: 32 }), message, (A, R, S, m) => {
          const signature = Uint8Array.from([...R, ...S.subarray(0, 31), S[31]! & 0x0f])
          assert.strictEqual(node.verify(signature, m, A), noble.verify(signature, m, A))
        }),
        runsUpTo(200)
      )
    })
  )
})

describe("VerifiedSignatures", () => {
  it.effect("a memory changes no verdict, whatever is asked in whatever order, replayed and forged", () =>
    Effect.map(layers, ({ node }) => {
      const seeds = [1, 2].map((fill) => new Uint8Array(32).fill(fill))
      const messages = [0, 1, 2].map((length) => new Uint8Array(length).fill(7))
      const keys = seeds.map((each): Uint8Array => node.publicKeyOf(each))
      const signatures = seeds.flatMap((each) => messages.map((m) => node.sign(m, each)))
      // The same first or second half as a genuine one, so that it is looked up in the same place.
      const forged = signatures.flatMap((each) => [
        Uint8Array.of(...each.subarray(0, 63), each[63]! ^ 1),
        Uint8Array.of(each[0]! ^ 1, ...each.subarray(1)),
        each.subarray(0, 63)
      ])
      const triples = [...signatures, ...forged].flatMap((signature) =>
        messages.flatMap((m) => keys.map((key) => [signature, m, key] as const))
      )
      const verdicts = new Map(triples.map((triple) => [triple, node.verify(...triple)]))
      fc.assert(
        fc.property(
          fc.array(fc.oneof(fc.constantFrom(...triples), fc.constantFrom(...triples.slice(0, 8))), { maxLength: 30 }),
          fc.integer({ min: 1, max: 4 }),
          (asked, capacity) => {
            const verify = VerifiedSignatures.remembering(node.verify, capacity)
            for (const triple of asked) assert.strictEqual(verify(...triple), verdicts.get(triple))
          }
        ),
        runsUpTo(300)
      )
    })
  )
})
