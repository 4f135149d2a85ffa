import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import * as PeerAddress from "../src/protocol/core/PeerAddress.ts"
import * as Version from "../src/protocol/core/Version.ts"
import type { Dht } from "../src/protocol/dht/Dht.ts"
import { PageStore } from "../src/protocol/dht/PageStore.ts"
import { VALUE_MAX_BYTES } from "../src/protocol/dht/Record.ts"
import * as Package from "../src/protocol/registry/Package.ts"
import type * as Release from "../src/protocol/registry/Release.ts"
import * as DhtMemory from "../src/protocol/testing/DhtMemory.ts"
import * as Fixtures from "../test/protocol/registry/Fixtures.ts"
import { runs, runsUpTo } from "./Runs.ts"

const T = 1_750_000_000_000
const { deprecated, yanked } = Package.Flag

/** One store for all runs: a page is found by its hash, so runs cannot disturb each other. */
const services = Effect.runSync(Effect.scoped(Layer.build(Fixtures.host(DhtMemory.make()))))
const run = <A, E>(work: Effect.Effect<A, E, Dht | PageStore>): A =>
  Effect.runSync(Effect.provideContext(work, services))

/** The draft's package, its pages kept as publishing keeps them. */
const kept = <E, R>(work: Effect.Effect<Package.Draft, E, R>) =>
  Effect.flatMap(work, (draft) => Effect.flatMap(PageStore, (store) => Effect.as(store.keep(draft.pages), draft)))

const versionOf = ([major, minor, pre]: readonly [number, number, string]) =>
  Version.Version.make(`${major}.${minor}.0${pre}`)

const version = fc.tuple(fc.nat(2), fc.nat(3), fc.constantFrom("", "-rc.1", "+b")).map(versionOf)

type Edit =
  | { readonly kind: "add"; readonly version: Version.Version }
  | { readonly kind: "flag"; readonly version: Version.Version; readonly flag: number; readonly undo: boolean }

const editOf = (versions: fc.Arbitrary<Version.Version>): fc.Arbitrary<Edit> =>
  fc.oneof(
    fc.record({ kind: fc.constant("add" as const), version: versions }),
    fc.record({
      kind: fc.constant("flag" as const),
      version: versions,
      flag: fc.constantFrom(yanked, deprecated),
      undo: fc.boolean()
    })
  )

const releaseOf = (each: Version.Version): Release.Release => Fixtures.release("a", each)

/** What is to come of edits: flags by version. */
type Model = ReadonlyMap<Version.Version, number>

const flagged = (flags: number, { flag, undo }: Extract<Edit, { kind: "flag" }>): number =>
  undo ? flags & ~flag : flags | flag

const applyToModel = (model: Model, edit: Edit): Model => {
  const known = model.get(edit.version)
  if (edit.kind === "add") return known === undefined ? new Map([...model, [edit.version, 0]]) : model
  return known === undefined ? model : new Map([...model, [edit.version, flagged(known, edit)]])
}

const apply = Effect.fnUntraced(function* (pkg: Package.Package, edit: Edit) {
  if (edit.kind === "add") return (yield* kept(Package.add(pkg, releaseOf(edit.version), T))).pkg
  const known = yield* Package.flagsOf(pkg, edit.version)
  if (Option.isNone(known)) return pkg
  const atHand = (other: Version.Version) => Effect.succeedSome(releaseOf(other))
  return (yield* kept(Package.setFlags(pkg, edit.version, flagged(known.value, edit), T, atHand))).pkg
})

const first = (each: Version.Version): Package.Package => run(kept(Package.add(undefined, releaseOf(each), T))).pkg

const grown = (versions: ReadonlyArray<Version.Version>): Package.Package =>
  versions.slice(1).reduce((pkg, each) => run(apply(pkg, { kind: "add", version: each })), first(versions[0]!))

const isPreferred = (model: Model) => (self: Version.Version, that: Version.Version) =>
  (model.get(self)! & yanked) - (model.get(that)! & yanked) || Package.newestFirst(self, that)

const agrees = (pkg: Package.Package, model: Model) => {
  assert.strictEqual(pkg.c, model.size)
  assert.deepStrictEqual(
    run(Package.versions(pkg)),
    [...model].toSorted(([a], [b]) => Package.newestFirst(a, b))
  )
  for (const [each, flags] of model) assert.deepStrictEqual(run(Package.flagsOf(pkg, each)), Option.some(flags))
  assert.strictEqual(pkg.l.v, [...model.keys()].toSorted(isPreferred(model))[0])
  assert.isAtMost(Package.toBytes(pkg).length, VALUE_MAX_BYTES)
  assert.strictEqual(Package.isWhole(pkg), pkg.vs.length === pkg.c)
}

/** About as many versions as fit into a record, so that edits take the package over its edge and beyond. */
const many = Array.from({ length: 75 }, (_, i) => versionOf([1, i, ""]))
const sizes = [56, 62, 75]
const large = new Map(sizes.map((size) => [size, grown(many.slice(0, size))]))

describe("packages", () => {
  it("a package equals a map of flags by version under random additions, yanks, deprecations and their undoing", () => {
    fc.assert(
      fc.property(version, fc.array(editOf(version), { maxLength: 8 }), (start, edits) => {
        let pkg = first(start)
        let model: Model = new Map([[start, 0]])
        for (const edit of edits) {
          pkg = run(apply(pkg, edit))
          model = applyToModel(model, edit)
        }
        agrees(pkg, model)
      }),
      runs
    )
  })

  it("a package with a tree equals a map of flags by version under random edits", () => {
    const nearby = fc.oneof(
      version,
      fc.nat({ max: 80 }).map((minor) => versionOf([1, minor, ""]))
    )
    fc.assert(
      fc.property(fc.constantFrom(...sizes), fc.array(editOf(nearby), { maxLength: 12 }), (size, edits) => {
        let pkg = large.get(size)!
        let model: Model = new Map(many.slice(0, size).map((each) => [each, 0]))
        for (const edit of edits) {
          pkg = run(apply(pkg, edit))
          model = applyToModel(model, edit)
        }
        agrees(pkg, model)
      }),
      runsUpTo(250)
    )
  })

  it("a package is a function of the set of versions, not of the order or number of their additions", () => {
    const shuffled = fc
      .array(version, { minLength: 1, maxLength: 8 })
      .chain((each) =>
        fc.tuple(fc.constant(each), fc.shuffledSubarray([...each, ...each], { minLength: 2 * each.length }))
      )
    fc.assert(
      fc.property(shuffled, ([each, other]) =>
        assert.deepStrictEqual(Package.toBytes(grown(other)), Package.toBytes(grown(each)))
      ),
      runsUpTo(250)
    )
  })

  it("a package fits into a record whatever the lengths of names, versions, piece hashes and hints", () => {
    const hint = Option.toArray(PeerAddress.make("192.0.2.1", 6881))
    const shape = fc.record({
      name: fc.integer({ min: 1, max: 214 }).map((length) => "n".repeat(length)),
      versions: fc.array(fc.integer({ min: 1, max: 249 }), { minLength: 1, maxLength: 6 }),
      pieces: fc.integer({ min: 1, max: 16 }),
      hints: fc.nat(4)
    })
    fc.assert(
      fc.property(shape, ({ hints, name, pieces, versions }) => {
        const releases = versions.map((length, i) => ({
          ...Fixtures.release(name, `${i}.0.0-${"x".repeat(length)}`),
          p: new Uint8Array(20 * pieces),
          ...(hints === 0 ? {} : { x: Array.from({ length: hints }, () => hint[0]!) })
        }))
        let pkg: Package.Package | undefined
        for (const release of releases) {
          const draft = run(kept(Package.add(pkg, release, T)))
          pkg = draft.pkg
          assert.isAtMost(draft.value.length, VALUE_MAX_BYTES)
          assert.deepStrictEqual(Result.getOrThrow(Package.decode(draft.value)), pkg)
        }
        assert.strictEqual(run(Package.versions(pkg!)).length, releases.length)
      }),
      runsUpTo(150)
    )
  })
})

describe("packages that two machines signed", () => {
  const signed = (pkg: Package.Package, seq: number): Package.Signed => ({
    record: { seq, value: Package.toBytes(pkg) },
    value: pkg
  })
  /** Two that began with the same versions, each with edits of its own. */
  const two = fc
    .record({
      size: fc.constantFrom(undefined, undefined, undefined, 62),
      start: version,
      edits: fc.tuple(fc.array(editOf(version), { maxLength: 4 }), fc.array(editOf(version), { maxLength: 4 })),
      seqs: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 }))
    })
    .map(({ edits, seqs, size, start }) => {
      const base = size === undefined ? first(start) : large.get(size)!
      return edits.map((each, i) =>
        signed(
          each.reduce((pkg, edit) => run(apply(pkg, edit)), base),
          seqs[i]!
        )
      ) as [Package.Signed, Package.Signed]
    })
  const merge = (self: Package.Signed, that: Package.Signed) => run(kept(Package.merge(self, that)))
  const flagsIn = ({ value }: Package.Signed) => new Map(run(Package.versions(value)))

  it("merge is commutative", () => {
    fc.assert(
      fc.property(two, ([a, b]) => assert.deepStrictEqual(merge(a, b).value, merge(b, a).value)),
      runsUpTo(250)
    )
  })

  it("merge is idempotent, and merging again changes nothing", () => {
    fc.assert(
      fc.property(two, ([a, b]) => {
        assert.deepStrictEqual(merge(a, a).value, a.record.value)
        const { pkg } = merge(a, b)
        const merged = signed(pkg, Math.max(a.record.seq, b.record.seq) + 1)
        assert.deepStrictEqual(merge(merged, a).value, merged.record.value)
        assert.deepStrictEqual(merge(b, merged).value, merged.record.value)
      }),
      runsUpTo(250)
    )
  })

  it("merge loses no version and no flag, but those that the newer record may have taken away knowingly", () => {
    fc.assert(
      fc.property(two, ([a, b]) => {
        const merged = flagsIn(signed(merge(a, b).pkg, 9))
        const [inA, inB] = [flagsIn(a), flagsIn(b)]
        assert.deepStrictEqual(new Set(merged.keys()), new Set([...inA.keys(), ...inB.keys()]))
        for (const [each, flags] of merged) {
          const [ofA, ofB] = [inA.get(each), inB.get(each)]
          const either = (ofA ?? 0) | (ofB ?? 0)
          if (ofA === undefined || ofB === undefined || a.record.seq === b.record.seq) {
            assert.strictEqual(flags, either)
          } else {
            assert.include([a.record.seq > b.record.seq ? ofA : ofB, either], flags)
          }
        }
      }),
      runsUpTo(250)
    )
  })
})
