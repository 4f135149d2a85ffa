import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import * as Bencode from "../../../src/protocol/core/Bencode.ts"
import { Dht } from "../../../src/protocol/dht/Dht.ts"
import * as KeyString from "../../../src/protocol/dht/KeyString.ts"
import * as Record from "../../../src/protocol/dht/Record.ts"
import * as Tree from "../../../src/protocol/dht/Tree.ts"
import * as Announce from "../../../src/protocol/registry/Announce.ts"
import * as AnnounceDocument from "../../../src/protocol/registry/AnnounceDocument.ts"
import type { RegistryError } from "../../../src/protocol/registry/RegistryError.ts"
import * as DhtMemory from "../../../src/protocol/testing/DhtMemory.ts"
import * as TreeNetwork from "../dht/TreeNetwork.ts"
import * as Fixtures from "./Fixtures.ts"

const { name, text, version } = Fixtures

const NOW = 1_700_000_000_000

const entriesOf = (count: number): ReadonlyArray<Announce.Entry> =>
  Array.from({ length: count }, (_, i) => [name(`package-${String(i).padStart(6, "0")}`), version("1.2.3")])

const make = (entries: Iterable<Announce.Entry>, t = NOW) => Effect.runSync(Announce.make(entries, t))

const listed = (announce: Announce.Announce) =>
  Stream.runCollect(Announce.packages(announce)).pipe(
    Effect.map((packages) => packages.map((each): Announce.Entry => [each.name, each.version]))
  )

const tagOf = (error: RegistryError): string =>
  error.reason._tag === "TreeError" ? error.reason.reason._tag : error.reason._tag

/** An announce over a tree of these texts, whatever they are. */
const overTree = (count: number, pairs: ReadonlyArray<readonly [string, string]>) => {
  const { pages, root } = Tree.build(pairs.map(([key, value]) => TreeNetwork.entry(key, value)))
  return { announce: { c: count, r: root, t: NOW } satisfies Announce.Announce, network: TreeNetwork.make(pages) }
}

describe("the announce record", () => {
  it("is a list while that fits, and refers to a tree when it does not", async () => {
    let last: Announce.Draft | undefined
    for (let count = 0; count < 60; count++) {
      const draft = make(entriesOf(count))
      if (draft.announce.r !== undefined) break
      last = draft
    }
    const most = last!.announce.c
    assert.isAtMost(last!.value.length, Record.VALUE_MAX_BYTES)
    const next = make(entriesOf(most + 1))
    assert.isUndefined(next.announce.p)
    assert.strictEqual(next.announce.c, most + 1)
    assert.deepStrictEqual(await TreeNetwork.make(next.pages).run(listed(next.announce)), [...entriesOf(most + 1)])
  })

  it("is spelled as the specification has it", () => {
    const { value } = make([
      [name("b"), version("2.0.0")],
      [name("a"), version("1.0.0")]
    ])
    assert.strictEqual(new TextDecoder().decode(value), "d1:ci2e1:pll1:a5:1.0.0el1:b5:2.0.0ee1:ti1700000000000ee")
  })

  const root = new Uint8Array(20)
  const a = [text("a"), text("1.0.0")]
  const b = [text("b"), text("1.0.0")]
  for (const [problem, value] of [
    ["neither list nor tree", { c: 0, t: 1 }],
    ["both list and tree", { c: 1, p: [a], r: root, t: 1 }],
    ["a count that its list has not", { c: 2, p: [a], t: 1 }],
    ["a tree without packages", { c: 0, r: root, t: 1 }],
    ["more packages than a publisher may have", { c: Announce.PACKAGES_MAX + 1, r: root, t: 1 }],
    ["a root of another length", { c: 1, r: root.slice(1), t: 1 }],
    ["packages out of order", { c: 2, p: [b, a], t: 1 }],
    ["a package twice", { c: 2, p: [a, a], t: 1 }],
    ["a name that is none", { c: 1, p: [[text("A B"), text("1.0.0")]], t: 1 }],
    ["a version that is none", { c: 1, p: [[text("a"), text("v1")]], t: 1 }],
    ["no date", { c: 0, p: [] }],
    ["a further key", { c: 0, p: [], t: 1, x: 1 }]
  ] as const satisfies ReadonlyArray<readonly [string, Bencode.Value]>) {
    it(`is refused with ${problem}`, () => {
      assert.isTrue(Result.isFailure(Announce.decode(Bencode.encode(value))))
    })
  }

  it("may list nothing", () => {
    assert.isTrue(Result.isSuccess(Announce.decode(make([]).value)))
  })
})

describe("Announce.add", () => {
  it("begins with one package, and dates never go back", async () => {
    const network = TreeNetwork.make()
    const first = await network.run(Announce.add(undefined, name("b"), version("1.0.0"), NOW))
    assert.deepStrictEqual(first.announce, { c: 1, p: [[name("b"), version("1.0.0")]], t: NOW })
    const second = await network.run(Announce.add(first.announce, name("a"), version("0.1.0"), NOW - 5))
    assert.deepStrictEqual(second.value, make([...second.announce.p!]).value)
    assert.strictEqual(second.announce.t, NOW)
    assert.strictEqual(Announce.renew(second.announce, NOW + 9).announce.t, NOW + 9)
  })

  it("gives the record and the pages that a new announce of all packages would have", async () => {
    const network = TreeNetwork.make()
    let announce: Announce.Announce | undefined
    for (const [each, at] of entriesOf(120)) {
      const draft = await network.run(Announce.add(announce, each, at, NOW))
      network.hold(draft.pages)
      announce = draft.announce
    }
    assert.deepStrictEqual(announce, make(entriesOf(120)).announce)
    const raised = await network.run(Announce.add(announce, name("package-000077"), version("1.3.0"), NOW))
    assert.strictEqual(raised.announce.c, 120)
    assert.strictEqual(raised.pages.length, 2)
    network.hold(raised.pages)
    const wanted = entriesOf(120).map((each, i) => (i === 77 ? ([each[0], version("1.3.0")] as const) : each))
    assert.deepStrictEqual(raised.value, make(wanted).value)
    assert.deepStrictEqual(await network.run(listed(raised.announce)), wanted)
  })

  it("goes back into the record where shorter versions make room", async () => {
    const long = version(`1.0.0-${"a".repeat(200)}`)
    const entries = ["a", "b", "c", "d", "e"].map((each): Announce.Entry => [name(each), long])
    const tree = make(entries)
    assert.isDefined(tree.announce.r)
    const network = TreeNetwork.make(tree.pages)
    const { announce, pages } = await network.run(Announce.add(tree.announce, name("c"), version("1.0.0"), NOW))
    assert.deepStrictEqual(announce.p, entries.with(2, [name("c"), version("1.0.0")]))
    assert.deepStrictEqual(pages, [])
  })

  it("refuses one package more than a publisher may have, and still raises the versions of those there are", async () => {
    const full = make(entriesOf(Announce.PACKAGES_MAX))
    const network = TreeNetwork.make(full.pages)
    const error = await network.run(Effect.flip(Announce.add(full.announce, name("zero"), version("1.0.0"), NOW)))
    assert.strictEqual(tagOf(error), "TooManyPackages")
    const raised = await network.run(Announce.add(full.announce, name("package-054321"), version("1.2.4"), NOW))
    assert.isAtMost(raised.pages.length, 5)
  })
})

describe("reading an announce", () => {
  it("finds the newest version of a package", async () => {
    for (const count of [10, 500]) {
      const { announce, pages } = make(entriesOf(count))
      const network = TreeNetwork.make(pages)
      const seventh = await network.run(Announce.versionOf(announce, name("package-000007")))
      assert.deepStrictEqual(seventh, Option.some(version("1.2.3")))
      assert.isTrue(Option.isNone(await network.run(Announce.versionOf(announce, name("left-pad")))))
    }
  })

  for (const [problem, pairs] of [
    ["a name that is none", [["UPPER", "1.0.0"]]],
    ["a version that is none", [["a", "one"]]],
    ["no version", [["a", ""]]]
  ] as const) {
    it(`refuses a tree with ${problem}`, async () => {
      const { announce, network } = overTree(1, pairs)
      assert.strictEqual(tagOf(await network.run(Effect.flip(listed(announce)))), "InvalidPage")
    })
  }

  it("refuses a tree with a name that is not UTF-8", async () => {
    const { pages, root } = Tree.build([{ key: Uint8Array.of(0xff), value: text("1.0.0") }])
    const error = await TreeNetwork.make(pages).run(Effect.flip(listed({ c: 1, r: root, t: NOW })))
    assert.strictEqual(tagOf(error), "InvalidPage")
  })

  it("refuses the version of a package that is none", async () => {
    const { announce, network } = overTree(1, [["a", "latest"]])
    const error = await network.run(Effect.flip(Announce.versionOf(announce, name("a"))))
    assert.strictEqual(tagOf(error), "InvalidPage")
  })

  it("refuses a tree with another number of packages than the record counts", async () => {
    const pairs = entriesOf(100).map(([each, at]): readonly [string, string] => [each, at])
    const more = overTree(99, pairs)
    assert.strictEqual(tagOf(await more.network.run(Effect.flip(listed(more.announce)))), "TreeTooLarge")
    const fewer = overTree(101, pairs)
    assert.strictEqual(tagOf(await fewer.network.run(Effect.flip(listed(fewer.announce)))), "InvalidPage")
  })

  it("fails where a page is missing, after what comes before it", async () => {
    const { announce, pages } = make(entriesOf(500))
    const network = TreeNetwork.make(pages)
    network.pages.delete(Hex.encode(Record.immutableTargetOf(pages[5]!)))
    const seen: Array<string> = []
    const error = await network.run(
      Announce.packages(announce).pipe(
        Stream.tap((each) => Effect.sync(() => seen.push(each.name))),
        Stream.runDrain,
        Effect.flip
      )
    )
    assert.strictEqual(tagOf(error), "MissingPage")
    assert.deepStrictEqual(
      seen,
      entriesOf(500)
        .slice(0, seen.length)
        .map(([each]) => each)
    )
    assert.isTrue(seen.length > 50 && seen.length < 250)
  })
})

describe("Announce.merge", () => {
  const signed = ({ announce, value }: Announce.Draft, seq: number): Announce.Signed => ({
    record: { seq, value },
    value: announce
  })

  for (const count of [5, 1000]) {
    it(`joins two catalogues that grew from one of ${count}, in either order, from few pages`, async () => {
      const base = make(entriesOf(count))
      const network = TreeNetwork.make(base.pages)
      const [one, two, raised] = [name("one"), name("two"), name("package-000003")]
      const add = async (self: Announce.Draft, each: typeof one, at: string, now: number) => {
        const draft = await network.run(Announce.add(self.announce, each, version(at), now))
        network.hold(draft.pages)
        return draft
      }
      const here = await add(await add(base, one, "1.0.0", NOW + 1), raised, "2.0.0", NOW + 2)
      const there = await add(await add(base, two, "1.0.0", NOW + 3), raised, "1.9.0", NOW + 4)
      network.asked.length = 0
      const merged = await network.run(Announce.merge(signed(here, 8), signed(there, 7)))
      assert.isAtMost(network.asked.length, 40)
      const wanted = new Map([
        ...entriesOf(count),
        [raised, version("2.0.0")],
        [one, version("1.0.0")],
        [two, version("1.0.0")]
      ])
      assert.deepStrictEqual(merged.value, make(wanted, NOW + 4).value)
      assert.deepStrictEqual(await network.run(Announce.merge(signed(there, 7), signed(here, 8))), merged)
      network.hold(merged.pages)
      const again = await network.run(Announce.merge(signed(merged, 9), signed(here, 8)))
      assert.deepStrictEqual([again.value, again.pages], [merged.value, []])
    })
  }
})

describe("an announce in the network", () => {
  const published = (count: number) =>
    Effect.gen(function* () {
      const keyPair = yield* Fixtures.keyPair(`announcer of ${count}`)
      const draft = make(entriesOf(count))
      const salt = KeyString.saltOf(KeyString.announce(keyPair.publicKey))
      yield* Tree.publish(draft.pages)
      const record = Record.sign(keyPair, { salt, seq: 4, value: draft.value })
      yield* Effect.flatMap(Dht, (dht) => dht.put(record))
      return Option.getOrThrow(yield* Announce.find(keyPair.publicKey))
    })

  const asHost = <A, E>(work: Effect.Effect<A, E, Fixtures.Host>) =>
    Effect.provide(work, Fixtures.host(DhtMemory.make()))

  it.effect("is found by its publisher's key", () =>
    asHost(
      Effect.gen(function* () {
        const found = yield* published(200)
        assert.deepStrictEqual(yield* listed(found.value), [...entriesOf(200)])
        const nobody = yield* Fixtures.keyPair("nobody")
        assert.isTrue(Option.isNone(yield* Announce.find(nobody.publicKey)))
      })
    )
  )

  it.effect("reads as a document that proves itself", () =>
    asHost(
      Effect.gen(function* () {
        for (const count of [2, 200]) {
          const found = yield* published(count)
          const document = yield* AnnounceDocument.make(found)
          assert.deepInclude(document, { protocol: "libreseed/1", announceVersion: 1, sequence: 4, timestamp: NOW })
          assert.deepStrictEqual(document.packages[0], {
            name: name("package-000000"),
            latestVersion: version("1.2.3")
          })
          const verified = yield* AnnounceDocument.verify(JSON.parse(JSON.stringify(document)))
          assert.deepStrictEqual(verified.value, found.value)
          assert.deepStrictEqual(verified.record.value, found.record.value)
        }
      })
    )
  )

  it.effect("is refused as a document in which anything was changed", () =>
    asHost(
      Effect.gen(function* () {
        const document = yield* AnnounceDocument.make(yield* published(3))
        const other = yield* Fixtures.keyPair("somebody else")
        const [first, ...rest] = document.packages
        const changed: ReadonlyArray<unknown> = [
          null,
          { ...document, sequence: 5 },
          { ...document, timestamp: NOW + 1 },
          { ...document, packages: rest },
          { ...document, packages: [first, first, ...rest] },
          { ...document, packages: [{ ...first, latestVersion: "1.2.4" }, ...rest] },
          { ...document, packages: [{ ...first, name: "Not A Name" }, ...rest] },
          { ...document, signature: document.signature.replace(/..==$/, "AA==") },
          { ...document, signature: "?" },
          { ...document, pubkey: "AAAA" },
          {
            ...document,
            pubkey: (yield* AnnounceDocument.make({
              ...(yield* published(3)),
              record: Record.sign(other, { salt: KeyString.saltOf("x"), seq: 4, value: make([]).value })
            })).pubkey
          },
          { ...document, announceVersion: 2 },
          { ...document, note: "hello" }
        ]
        for (const each of changed) {
          assert.strictEqual(tagOf(yield* Effect.flip(AnnounceDocument.verify(each))), "InvalidRecord")
        }
      })
    )
  )
})
