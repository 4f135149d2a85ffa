import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Bencode from "../../../src/protocol/core/Bencode.ts"
import * as Record from "../../../src/protocol/dht/Record.ts"
import * as Tree from "../../../src/protocol/dht/Tree.ts"
import * as NameClaim from "../../../src/protocol/registry/NameClaim.ts"
import * as NameIndexRecord from "../../../src/protocol/registry/NameIndexRecord.ts"
import * as DhtMemory from "../../../src/protocol/testing/DhtMemory.ts"
import * as Fixtures from "./Fixtures.ts"
import { claimOf, claims, putPages } from "./NameIndexWorld.ts"

const { text } = Fixtures

const read = (value: Uint8Array, pages: ReadonlyArray<Uint8Array>) => {
  const network = DhtMemory.make()
  putPages(network, pages)
  return NameIndexRecord.contents(value).pipe(Effect.provide(Fixtures.host(network)))
}

const fields = (value: Uint8Array) => {
  const decoded = Bencode.decode(value)
  if (decoded._tag === "Failure") throw decoded.failure
  return decoded.success as Bencode.Dictionary & { readonly c: ReadonlyArray<Bencode.Dictionary> }
}

describe("NameIndexRecord", () => {
  it("holds the claims in the order of their publishers' keys, and their count", () => {
    const set = NameClaim.fromClaims(claims(4).toReversed())
    const { pages, value } = NameIndexRecord.make(set)
    const { c, k, r } = fields(value)
    const keys = c.map(({ k: key }) => Hex.encode(key as Uint8Array))
    assert.deepStrictEqual(keys, [...set.keys()].toSorted())
    assert.deepStrictEqual([k, r, pages.length], [4, undefined, 0])
  })

  it("is the empty list without claims", () => {
    assert.deepStrictEqual(NameIndexRecord.make(NameClaim.empty).value, text("d1:cle1:ki0ee"))
  })

  it.effect("puts into a tree what does not fit, and fills the record as far as it goes", () =>
    Effect.gen(function* () {
      for (const count of [5, 6, 7, 20, 60]) {
        const set = NameClaim.fromClaims(claims(count))
        const { pages, value } = NameIndexRecord.make(set)
        assert.isAtMost(value.length, Record.VALUE_MAX_BYTES)
        const { c, k, r } = fields(value)
        assert.strictEqual(k, count)
        assert.strictEqual(r === undefined, c.length === count)
        const next = NameClaim.toSorted(set)[c.length]
        if (next !== undefined) {
          assert.isAbove(value.length + NameClaim.encode(next).length, Record.VALUE_MAX_BYTES)
        }
        const { claims: found, missing } = yield* read(value, pages)
        assert.isTrue(NameClaim.equals(NameClaim.fromClaims(found), set))
        assert.deepStrictEqual(missing, [])
      }
    })
  )

  it.effect("has room for the longest versions", () =>
    Effect.gen(function* () {
      const longest = `1.0.0-${"a".repeat(250)}`
      const set = NameClaim.fromClaims(Array.from({ length: 12 }, (_, i) => claimOf(`${i}`, { version: longest })))
      const { pages, value } = NameIndexRecord.make(set)
      const { claims: found } = yield* read(value, pages)
      assert.isTrue(NameClaim.equals(NameClaim.fromClaims(found), set))
    })
  )

  it("uses the last byte before it needs a tree", () => {
    // Lengthens one version until the claims no longer fit: the record before that one is as full as can be.
    const five = claims(5)
    const withVersion = (length: number) =>
      NameIndexRecord.make(NameClaim.fromClaims([...five, claimOf("last", { version: `1.0.0-${"a".repeat(length)}` })]))
    const lengths = Array.from({ length: 200 }, (_, i) => withVersion(i + 1))
    const inline = lengths.filter(({ pages }) => pages.length === 0)
    assert.isAtLeast(inline.length, 1)
    assert.isAtLeast(inline.at(-1)!.value.length, Record.VALUE_MAX_BYTES - 1)
  })

  it("takes 10,000 claims and not one more", () => {
    const some = claimOf("x")
    const many = (count: number): NameClaim.ClaimSet =>
      new Map(
        Array.from({ length: count }, (_, i) => {
          const k = some.k.slice() as typeof some.k
          new DataView(k.buffer).setUint32(0, i)
          return [Hex.encode(k), { ...some, k }] as const
        })
      )
    assert.strictEqual(fields(NameIndexRecord.make(many(NameIndexRecord.CLAIMS_MAX)).value)["k"], 10_000)
    assert.throws(() => NameIndexRecord.make(many(NameIndexRecord.CLAIMS_MAX + 1)), RangeError)
  })

  it("reads the claims that make sense among others that do not", () => {
    const [good, other] = [claimOf("good"), claimOf("other")]
    const wire = ({ fs, k, lv, s, t }: NameClaim.NameClaim) => ({ fs, k, lv: text(lv), s, t })
    const bad: ReadonlyArray<Bencode.Value> = [
      { ...wire(other), k: new Uint8Array(32) },
      { ...wire(other), lv: text("one") },
      { ...wire(other), fs: -1 },
      { ...wire(other), more: 1 },
      7,
      [],
      {}
    ]
    const value = Bencode.encode({ c: [...bad, wire(good)], k: text("?"), r: text("short"), z: 1 })
    const listing = NameIndexRecord.parse(value)
    assert.deepStrictEqual(listing.claims, [good])
    assert.isUndefined(listing.root)
  })

  it("reads nothing from what is no such record", () => {
    for (const value of ["", "i1e", "le", "d1:ci1ee", "d1:c1:ae", "d1:cle", "x", "d1:cd1:ai1eee", "l".repeat(900)]) {
      assert.deepStrictEqual(NameIndexRecord.parse(text(value)), { claims: [], root: undefined })
    }
  })

  it.effect("passes over entries of the tree that are no claims", () =>
    Effect.gen(function* () {
      const good = claimOf("good")
      const { fs, lv, s, t } = good
      const rest = { fs, lv: text(lv), s, t }
      const key = (first: number, length: number) => new Uint8Array(length).fill(first)
      const entries = [
        { key: key(1, 31), value: Bencode.encode(rest) },
        { key: key(2, 32), value: Bencode.encode({ ...rest, k: good.k }) },
        { key: key(3, 32), value: text("") },
        { key: key(4, 33), value: Bencode.encode(rest) },
        { key: good.k, value: Bencode.encode(rest) }
      ].toSorted((a, b) => (Hex.encode(a.key) < Hex.encode(b.key) ? -1 : 1))
      const { pages, root } = Tree.build(entries)
      const { claims: found } = yield* read(Bencode.encode({ c: [], k: 5, r: root }), pages)
      assert.deepStrictEqual(found, [good])
    })
  )
})
