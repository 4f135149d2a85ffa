import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Bencode from "../../../src/protocol/core/Bencode.ts"
import { explain } from "../../../src/protocol/core/Errors.ts"
import { PageStore } from "../../../src/protocol/dht/PageStore.ts"
import { VALUE_MAX_BYTES } from "../../../src/protocol/dht/Record.ts"
import * as Tree from "../../../src/protocol/dht/Tree.ts"
import * as Package from "../../../src/protocol/registry/Package.ts"
import type * as Release from "../../../src/protocol/registry/Release.ts"
import * as DhtMemory from "../../../src/protocol/testing/DhtMemory.ts"
import * as Fixtures from "./Fixtures.ts"

const { name, release, version } = Fixtures

const T = 1_750_000_000_000

const numbered = (count: number) => Array.from({ length: count }, (_, i) => `1.${i}.0`)

const addAll = Effect.fnUntraced(function* (
  versions: ReadonlyArray<string>,
  releaseOf: (version: string) => Release.Release = (each) => release("a", each)
) {
  let draft: Package.Draft | undefined
  for (const each of versions) {
    draft = yield* Package.add(draft?.pkg, releaseOf(each), T)
    yield* Effect.flatMap(PageStore, (store) => store.keep(draft!.pages))
  }
  return draft!
})

const listed = (pkg: Package.Package) => pkg.vs.map(([each]) => String(each))

describe("Package", () => {
  const test = (title: string, body: Effect.Effect<void, unknown, Fixtures.Host>) =>
    it.effect(title, () => Effect.provide(body, Layer.fresh(Fixtures.host(DhtMemory.make()))))

  test(
    "lists releases newest first, and every pre-release after them",
    Effect.gen(function* () {
      const { pkg } = yield* addAll(["1.0.0-rc.1", "0.9.0", "2.0.0-beta.1", "1.0.0", "1.0.0+build"])
      assert.deepStrictEqual(listed(pkg), ["1.0.0+build", "1.0.0", "0.9.0", "2.0.0-beta.1", "1.0.0-rc.1"])
      assert.strictEqual(pkg.l.v, "1.0.0+build")
    })
  )

  test(
    "inlines the piece hashes of the newest release only while all versions fit beside them",
    Effect.gen(function* () {
      const withPieces = (each: string) => ({ ...release("a", each), p: new Uint8Array(320).fill(7) })
      const few = yield* addAll(["1.0.0"], withPieces)
      assert.isDefined(few.pkg.l.p)
      const many = yield* addAll(numbered(42), withPieces)
      assert.isUndefined(many.pkg.l.p)
      assert.isTrue(Package.isWhole(many.pkg))
    })
  )

  test(
    "has a tree of all its versions exactly when the record cannot have them",
    Effect.gen(function* () {
      let pkg: Package.Package | undefined
      let wasWhole = true
      for (const each of numbered(80)) {
        const draft = yield* Package.add(pkg, release("a", each), T)
        pkg = draft.pkg
        yield* Effect.flatMap(PageStore, (store) => store.keep(draft.pages))
        assert.isAtMost(draft.value.length, VALUE_MAX_BYTES)
        assert.strictEqual(Package.isWhole(pkg), pkg.vs.length === pkg.c)
        assert.strictEqual(listed(pkg)[0], each)
        if (wasWhole && !Package.isWhole(pkg)) assert.isNotEmpty(draft.pages)
        wasWhole = Package.isWhole(pkg)
      }
      assert.isFalse(wasWhole)
      const all = yield* Package.versions(pkg!)
      assert.deepStrictEqual(
        all.map(([each]) => String(each)),
        numbered(80).toReversed()
      )
    })
  )

  test(
    "has the tree that its versions make, however it grew",
    Effect.gen(function* () {
      const { pkg } = yield* addAll(numbered(80))
      const entries = (yield* Package.versions(pkg)).map(([each, flags]) => ({
        key: Bencode.utf8(each),
        value: Uint8Array.of(flags)
      }))
      const built = Tree.build(entries.toSorted((a, b) => (Hex.encode(a.key) < Hex.encode(b.key) ? -1 : 1)))
      assert.deepStrictEqual(Package.rootOf(pkg), built.root)
    })
  )

  test(
    "finds the flags of a version in the record or in the tree, and none of a version that it has not",
    Effect.gen(function* () {
      const { pkg } = yield* addAll(numbered(80))
      const none = () => Effect.succeedNone
      const draft = yield* Package.setFlags(pkg, version("1.3.0"), Package.Flag.deprecated, T, none)
      yield* Effect.flatMap(PageStore, (store) => store.keep(draft.pages))
      assert.deepStrictEqual(yield* Package.flagsOf(draft.pkg, version("1.79.0")), Option.some(0))
      assert.isFalse(Package.lists(draft.pkg, version("1.3.0")))
      assert.deepStrictEqual(yield* Package.flagsOf(draft.pkg, version("1.3.0")), Option.some(2))
      assert.deepStrictEqual(yield* Package.flagsOf(draft.pkg, version("1.3.1")), Option.none())
      assert.deepStrictEqual(yield* Package.flagsOf(draft.pkg, version("9.0.0")), Option.none())
    })
  )

  test(
    "inlines the newest version that is not yanked, where its release is at hand, and goes back to a newer one",
    Effect.gen(function* () {
      const { pkg } = yield* addAll(["1.0.0", "1.1.0", "1.2.0"])
      const atHand = (each: string) => Effect.succeedSome(release("a", each))
      const { yanked } = Package.Flag
      const without12 = (yield* Package.setFlags(pkg, version("1.2.0"), yanked, T, atHand)).pkg
      assert.strictEqual(without12.l.v, "1.1.0")
      const without11 = (yield* Package.setFlags(without12, version("1.1.0"), yanked, T, () => Effect.succeedNone)).pkg
      assert.strictEqual(without11.l.v, "1.1.0", "its release was not to be had")
      const none = (yield* Package.setFlags(without11, version("1.0.0"), yanked, T, atHand)).pkg
      assert.deepStrictEqual(Package.selectable(none), [])
      const back = (yield* Package.setFlags(none, version("1.2.0"), 0, T, atHand)).pkg
      assert.strictEqual(back.l.v, "1.2.0")
      const newer = (yield* Package.add(without12, release("a", "1.1.1"), T)).pkg
      assert.strictEqual(newer.l.v, "1.1.1", "a version that is yanked is not the newest")
    })
  )

  test(
    "reads the tree for the newest version when all those in the record are yanked",
    Effect.gen(function* () {
      const store = yield* PageStore
      let { pkg } = yield* addAll(numbered(80))
      const inRecord = listed(pkg)
      for (const each of inRecord) {
        const draft = yield* Package.setFlags(pkg, version(each), Package.Flag.yanked, T, (next) =>
          Effect.succeedSome(release("a", next))
        )
        yield* store.keep(draft.pages)
        pkg = draft.pkg
      }
      assert.strictEqual(pkg.l.v, `1.${79 - inRecord.length}.0`)
    })
  )

  test(
    "fits into a record with the longest name and versions that there can be",
    Effect.gen(function* () {
      const longName = `@${"s".repeat(100)}/${"n".repeat(112)}`
      const long = (i: number) => `${i}.0.0-${"x".repeat(256 - 6)}`.slice(0, 256)
      const { pkg, value } = yield* addAll([long(1), long(2), long(3)], (each) => ({
        ...release(longName, each),
        p: new Uint8Array(320)
      }))
      assert.isAtMost(value.length, VALUE_MAX_BYTES)
      assert.strictEqual(pkg.vs.length, 1)
      assert.strictEqual((yield* Package.versions(pkg)).length, 3)
    })
  )

  test(
    "has room for 10,000 versions and says so at the next one",
    Effect.gen(function* () {
      const store = yield* PageStore
      const { pkg } = yield* addAll(["10000.0.0"])
      const entries = Array.from({ length: Package.VERSIONS_MAX - 1 }, (_, i) => ({
        key: Bencode.utf8(`${i}.0.0`),
        value: Uint8Array.of(0)
      })).concat({ key: Bencode.utf8("10000.0.0"), value: Uint8Array.of(0) })
      const built = Tree.build(entries.toSorted((a, b) => (Hex.encode(a.key) < Hex.encode(b.key) ? -1 : 1)).slice(1))
      yield* store.keep(built.pages)
      const almost: Package.Package = { ...pkg, c: Package.VERSIONS_MAX - 1, r: built.root }
      const full = yield* Package.add(almost, release("a", "10001.0.0"), T)
      yield* store.keep(full.pages)
      assert.strictEqual(full.pkg.c, Package.VERSIONS_MAX)
      assert.strictEqual((yield* Package.versions(full.pkg)).length, Package.VERSIONS_MAX)
      assert.isAtMost(full.pages.length, 4, "only the way to one leaf is new")
      const error = yield* Effect.flip(Package.add(full.pkg, release("a", "10002.0.0"), T))
      assert.strictEqual(explain(error)?._tag, "TooManyVersions")
    })
  )

  test(
    "refuses a tree that has another number of versions than it counts",
    Effect.gen(function* () {
      const { pkg } = yield* addAll(numbered(80))
      const error = yield* Effect.flip(Package.versions({ ...pkg, c: 81 }))
      assert.strictEqual(explain(error)?._tag, "InvalidRecord")
      assert.include(error.message, "81")
    })
  )

  test(
    "decodes only what lists all its versions, or has a tree of them",
    Effect.gen(function* () {
      const { pkg } = yield* addAll(["1.0.0", "1.1.0"])
      const r = new Uint8Array(20).fill(1)
      const isRefused = (lie: Partial<Package.Package>) => {
        const wire = Bencode.decode(Package.toBytes(pkg))
        const { c, vs } = { ...pkg, ...lie }
        const changed = {
          ...(Result.getOrThrow(wire) as Bencode.Dictionary),
          c,
          vs: vs.map(([each, flags]) => [Bencode.utf8(each), flags]),
          ...(lie.r === undefined ? {} : { r: lie.r })
        }
        return Result.isFailure(Package.decode(Bencode.encode(changed)))
      }
      const [first, second] = pkg.vs as [Package.Entry, Package.Entry]
      assert.isFalse(isRefused({}))
      assert.isFalse(isRefused({ c: 3, r }))
      assert.isTrue(isRefused({ c: 3 }), "a version is missing")
      assert.isTrue(isRefused({ r }), "a tree without need")
      assert.isTrue(isRefused({ c: 1 }), "more versions than it counts")
      assert.isTrue(isRefused({ vs: [], c: 1, r }), "no version")
      assert.isTrue(isRefused({ vs: [first, first] }), "one version twice")
      assert.isTrue(isRefused({ vs: [first, [second[0], 256]] }), "flags of more than a byte")
      assert.isTrue(isRefused({ c: Package.VERSIONS_MAX + 1, r }), "too many")
    })
  )

  test(
    "joins what two machines signed: all versions, the flags of both, the newest release",
    Effect.gen(function* () {
      const store = yield* PageStore
      const base = (yield* addAll(["1.0.0", "1.1.0"])).pkg
      const none = () => Effect.succeedNone
      const one = yield* Package.setFlags(base, version("1.0.0"), Package.Flag.deprecated, T, none)
      const other = yield* Package.add(base, release("a", "1.2.0"), T)
      const signed = ({ pkg, value }: Package.Draft, seq: number) => ({ record: { seq, value }, value: pkg })
      const joined = yield* Package.merge(signed(one, 4), signed(other, 3))
      assert.strictEqual(joined.pkg.l.v, "1.2.0")
      assert.deepStrictEqual(
        new Map(joined.pkg.vs),
        new Map([
          [version("1.0.0"), 2],
          [version("1.1.0"), 0],
          [version("1.2.0"), 0]
        ])
      )
      const apart = yield* Package.merge(signed(one, 3), signed(other, 4))
      assert.deepStrictEqual(
        yield* Package.flagsOf(apart.pkg, version("1.0.0")),
        Option.some(2),
        "one number, two changes"
      )
      const undone = yield* Package.merge(signed(one, 3), signed(other, 5))
      assert.deepStrictEqual(yield* Package.flagsOf(undone.pkg, version("1.0.0")), Option.some(0))
      assert.deepStrictEqual(undone.value, other.value, "the newer one lacks nothing")
      const many = yield* addAll(numbered(80))
      const wide = yield* Package.merge(signed(many, 9), signed(other, 8))
      yield* store.keep(wide.pages)
      assert.deepStrictEqual(wide.value, many.value)
      const behind = yield* Package.merge(signed(many, 8), signed(yield* addAll(["7.0.0"]), 9))
      yield* store.keep(behind.pages)
      assert.strictEqual(behind.pkg.c, 81)
      assert.strictEqual(behind.pkg.l.v, "7.0.0")
      assert.strictEqual(name("a"), behind.pkg.n)
    })
  )
})
