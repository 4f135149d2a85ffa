import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { Ed25519 } from "../../src/protocol/core/Ed25519.ts"
import * as PublicKey from "../../src/protocol/core/PublicKey.ts"
import * as NodeEd25519 from "../../src/runtime/crypto/NodeEd25519.ts"
import * as Vectors from "./Vectors.ts"

interface Wycheproof {
  readonly testGroups: ReadonlyArray<{
    readonly publicKey: { readonly pk: string }
    readonly tests: ReadonlyArray<{
      readonly tcId: number
      readonly msg: string
      readonly sig: string
      readonly result: string
    }>
  }>
}
interface Rfc8032 {
  readonly name: string
  readonly seed: string
  readonly pub: string
  readonly msg: string
  readonly sig: string
}
interface Speccheck {
  readonly n: number
  readonly msg: string
  readonly pub: string
  readonly sig: string
  readonly S: string
  readonly A_order: string
  readonly R_order: string
  readonly cofactorless: string
}
interface Cctv {
  readonly n: number
  readonly pub: string
  readonly sig: string
  readonly msg_utf8: string
  readonly flags: ReadonlyArray<string>
}

/** Conditions of CCTV under which a strict, cofactorless verifier refuses. */
const REFUSED: ReadonlySet<string> = new Set([
  "non_canonical_R",
  "non_canonical_A",
  "low_order_A",
  "low_order_R",
  "low_order_residue"
])

const hex = Vectors.fromHex

/** Registers the same tests for each implementation. */
const byEach = (define: (layer: Layer.Layer<Ed25519>) => void) => {
  for (const [name, layer] of [
    ["noble", Ed25519.layerNoble],
    ["node:crypto", NodeEd25519.layer]
  ] as const) {
    describe(`by ${name}`, () => {
      define(layer)
    })
  }
}

Vectors.topic("ed25519", ({ file, others }) => {
  file<ReadonlyArray<Rfc8032>>("rfc8032.json", (cases) => {
    byEach((layer) => {
      it.effect("gives the keys and signatures of RFC 8032, and accepts them", () =>
        Effect.gen(function* () {
          const ed25519 = yield* Ed25519
          for (const c of cases) {
            assert.deepStrictEqual(ed25519.publicKeyOf(hex(c.seed)), hex(c.pub), c.name)
            assert.deepStrictEqual(ed25519.sign(hex(c.msg), hex(c.seed)), hex(c.sig), c.name)
            assert.strictEqual(ed25519.verify(hex(c.sig), hex(c.msg), hex(c.pub)), true, c.name)
          }
        }).pipe(Effect.provide(layer))
      )
    })
  })

  file<Wycheproof>("ed25519_test.json", ({ testGroups }) => {
    byEach((layer) => {
      it.effect("agrees with Wycheproof", () =>
        Effect.gen(function* () {
          const ed25519 = yield* Ed25519
          const wrong = testGroups.flatMap((group) =>
            group.tests.filter(
              (t) => ed25519.verify(hex(t.sig), hex(t.msg), hex(group.publicKey.pk)) !== (t.result === "valid")
            )
          )
          assert.deepStrictEqual(wrong, [])
        }).pipe(Effect.provide(layer))
      )
    })
  })

  file<ReadonlyArray<Speccheck>>("speccheck.json", (cases) => {
    byEach((layer) => {
      it.effect(
        "accepts of speccheck only canonical points of large order with a cofactorless equation and S < L",
        () =>
          Effect.gen(function* () {
            const ed25519 = yield* Ed25519
            const expected = (c: Speccheck) =>
              c.cofactorless === "V" &&
              c.S === "0<S<L" &&
              [c.A_order, c.R_order].every((order) => order === "L" || order === "mixed")
            const wrong = cases.filter((c) => ed25519.verify(hex(c.sig), hex(c.msg), hex(c.pub)) !== expected(c))
            assert.deepStrictEqual(wrong, [])
          }).pipe(Effect.provide(layer))
      )
    })
  })

  file<ReadonlyArray<Cctv>>("cctv.json", (cases) => {
    byEach((layer) => {
      it.effect("refuses of CCTV exactly what a strict cofactorless verifier must", () =>
        Effect.gen(function* () {
          const ed25519 = yield* Ed25519
          const wrong = cases.filter(
            (c) =>
              ed25519.verify(hex(c.sig), new TextEncoder().encode(c.msg_utf8), hex(c.pub)) !==
              !c.flags.some((flag) => REFUSED.has(flag))
          )
          assert.deepStrictEqual(wrong, [])
        }).pipe(Effect.provide(layer))
      )
    })
  })

  file<Readonly<Record<string, ReadonlyArray<string>>>>("small_order_points.json", (lists) => {
    it("small-order points are no public keys in any spelling", () => {
      for (const point of Object.values(lists).flat()) {
        const bytes = hex(point)
        assert.strictEqual(Option.isNone(PublicKey.fromBytes(bytes)), true, point)
        assert.strictEqual(Option.isNone(PublicKey.parse(point)), true, point)
        assert.strictEqual(Option.isNone(PublicKey.parse(Buffer.from(bytes).toString("base64"))), true, point)
      }
    })
  })

  others()
})
