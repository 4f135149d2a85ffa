import * as Fs from "node:fs"
import * as Path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { MinAcks } from "../../../src/protocol/dht/Quorum.ts"
import { PageStore } from "../../../src/protocol/dht/PageStore.ts"
import * as Record from "../../../src/protocol/dht/Record.ts"
import * as Tree from "../../../src/protocol/dht/Tree.ts"
import * as TreePage from "../../../src/protocol/dht/TreePage.ts"
import { treeExamples } from "./TreeExamples.ts"
import * as TreeNetwork from "./TreeNetwork.ts"

const { bytes, catalogue, entry } = TreeNetwork

const all = (root: Record.Target, options?: Parameters<typeof Tree.entries>[1]) =>
  Stream.runCollect(Tree.entries(root, options))

const heightOf = (page: Uint8Array): number => {
  const decoded = TreePage.decode(page)
  assert.strictEqual(decoded._tag, "Success")
  return decoded._tag === "Success" ? decoded.success.height : -1
}

describe("Tree.build", () => {
  it("makes one page of what fits into one", () => {
    const built = Tree.build([entry("a", "1"), entry("b", "2")])
    assert.strictEqual(new TextDecoder().decode(built.pages[0]), "d1:el1:a1:11:b1:2e1:hi0ee")
    assert.deepStrictEqual(built.root, Record.immutableTargetOf(built.pages[0]!))
    assert.strictEqual(built.pages.length, 1)
  })

  it("gives children before their parents and the root last, each within a DHT item", () => {
    const { pages, root } = Tree.build(catalogue(2_000))
    const heights = pages.map(heightOf)
    assert.deepStrictEqual(heights, heights.toSorted())
    assert.strictEqual(heights.at(-1), 2)
    assert.deepStrictEqual(Record.immutableTargetOf(pages.at(-1)!), root)
    assert.isTrue(pages.every((page) => page.length <= Record.VALUE_MAX_BYTES))
  })

  it("fills pages to two fifths at least, but for the last of a level", () => {
    const { pages } = Tree.build(catalogue(2_000))
    const short = pages.filter((page) => page.length < Tree.PAGE_FILL_MIN_BYTES)
    assert.isAtMost(short.length, 3)
  })

  it("holds the largest entries, one a page, and their references, three a page", () => {
    const longest = Array.from({ length: 20 }, (_, i) => ({
      key: bytes(String(i).padStart(Tree.KEY_MAX_BYTES, "0")),
      value: new Uint8Array(Tree.ENTRY_VALUE_MAX_BYTES)
    }))
    const { pages } = Tree.build(longest)
    assert.strictEqual(pages.filter((page) => heightOf(page) === 0).length, 20)
    assert.isTrue(pages.every((page) => page.length <= Record.VALUE_MAX_BYTES))
    assert.isAtMost(heightOf(pages.at(-1)!), 4)
  })

  for (const [problem, entries] of [
    ["no entries", []],
    ["keys out of order", [entry("b", ""), entry("a", "")]],
    ["a key twice", [entry("a", "1"), entry("a", "2")]],
    ["an empty key", [entry("", "1")]],
    ["a key that is too long", [{ key: new Uint8Array(Tree.KEY_MAX_BYTES + 1), value: new Uint8Array() }]],
    ["a value that is too long", [{ key: bytes("a"), value: new Uint8Array(Tree.ENTRY_VALUE_MAX_BYTES + 1) }]]
  ] as const) {
    it(`refuses ${problem}`, () => {
      assert.throws(() => Tree.build(entries), RangeError)
    })
  }

  it("holds as many packages as a publisher may have in four levels", async () => {
    const { pages, root } = Tree.build(catalogue(Tree.ENTRIES_MAX))
    assert.strictEqual(heightOf(pages.at(-1)!), 3)
    const network = TreeNetwork.make(pages)
    const last = `package-0${Tree.ENTRIES_MAX - 1}`
    assert.deepStrictEqual(await network.run(Tree.get(root, bytes(last))), Option.some(bytes("1.2.3")))
    assert.strictEqual(network.asked.length, 4)
    assert.throws(() => Tree.build(catalogue(Tree.ENTRIES_MAX + 1)), RangeError)
  })
})

describe("Tree.get and Tree.entries", () => {
  const entries = catalogue(1_500)
  const { pages, root } = Tree.build(entries)

  it("finds each entry and nothing else", async () => {
    const network = TreeNetwork.make(pages)
    for (const { key, value } of entries.filter((_, i) => i % 97 === 0)) {
      assert.deepStrictEqual(await network.run(Tree.get(root, key)), Option.some(value))
    }
    for (const key of ["a", "package-000007x", "z", "package-00000"]) {
      assert.isTrue(Option.isNone(await network.run(Tree.get(root, bytes(key)))))
    }
  })

  it("lists everything in order", async () => {
    assert.deepStrictEqual(await TreeNetwork.make(pages).run(all(root)), [...entries])
  })

  it("reads only pages that reach into the range", async () => {
    const network = TreeNetwork.make(pages)
    const range = { from: entries[700]!.key, to: entries[705]!.key }
    assert.deepStrictEqual(await network.run(all(root, range)), entries.slice(700, 705))
    assert.isAtMost(network.asked.length, 5)
  })

  it("takes ranges that begin and end between keys, or contain none", async () => {
    const network = TreeNetwork.make(pages)
    const between = await network.run(all(root, { from: bytes("package-000009x"), to: bytes("package-000012x") }))
    assert.deepStrictEqual(between, entries.slice(10, 13))
    assert.deepStrictEqual(await network.run(all(root, { from: bytes("z") })), [])
    assert.deepStrictEqual(await network.run(all(root, { to: bytes("a") })), [])
    assert.deepStrictEqual(await network.run(all(root, { from: bytes("package-5"), to: bytes("package-0") })), [])
  })

  it("reads no further than a little ahead of what is taken", async () => {
    const network = TreeNetwork.make(pages)
    const first = await network.run(Tree.entries(root).pipe(Stream.take(3), Stream.runCollect))
    assert.deepStrictEqual(first, entries.slice(0, 3))
    assert.isAtMost(network.asked.length, 3 * (Tree.READ_AHEAD + 2))
  })

  it("fails where the tree has more entries than are allowed, and not at the limit", async () => {
    const network = TreeNetwork.make(pages)
    assert.strictEqual((await network.run(all(root, { limit: 1_500 }))).length, 1_500)
    const error = await network.run(Effect.flip(all(root, { limit: 1_499 })))
    assert.strictEqual(error._tag === "TreeError" && error.reason._tag, "TreeTooLarge")
  })

  it("takes pages from the own store first", async () => {
    const network = TreeNetwork.make()
    await network.run(Effect.flatMap(PageStore, (store) => store.keep(pages)))
    assert.deepStrictEqual(await network.run(all(root)), [...entries])
    assert.strictEqual(network.asked.length, 0)
  })
})

describe("Tree.collect and Tree.reachable", () => {
  const entries = catalogue(1_500)
  const { pages, root } = Tree.build(entries)
  const targets = pages.map((page) => Hex.encode(Record.immutableTargetOf(page))).toSorted()

  it("reads one page after another as often as the tree has levels", async () => {
    const collected = await TreeNetwork.make(pages).run(Tree.collect(root, { limit: 1_500 }))
    assert.deepStrictEqual(collected, { entries: [...entries], missing: [], depth: 3, isCut: false })
  })

  it("names every page, reading only those that name others", async () => {
    const network = TreeNetwork.make(pages)
    const reachable = await network.run(Tree.reachable(root))
    assert.deepStrictEqual(reachable.targets.map((target) => Hex.encode(target)).toSorted(), targets)
    assert.deepStrictEqual([reachable.missing, reachable.isCut], [[], false])
    assert.strictEqual(network.asked.length, pages.filter((page) => heightOf(page) > 0).length)
  })

  it("gives no more than the limit, and says that there is more", async () => {
    const collected = await TreeNetwork.make(pages).run(Tree.collect(root, { limit: 10 }))
    assert.deepStrictEqual([...collected.entries], entries.slice(0, 10))
    assert.isTrue(collected.isCut)
    assert.isTrue((await TreeNetwork.make(pages).run(Tree.reachable(root, { limit: 10 }))).isCut)
  })

  it("has nothing but the root to name where the root is gone", async () => {
    const network = TreeNetwork.make()
    const collected = await network.run(Tree.collect(root, { limit: 10 }))
    assert.deepStrictEqual(collected, { entries: [], missing: [root], depth: 1, isCut: false })
    assert.deepStrictEqual(await network.run(Tree.reachable(root)), { targets: [root], missing: [root], isCut: false })
  })
})

describe("Tree.difference", () => {
  it("reads only what the other tree has not", async () => {
    const entries = catalogue(1_500)
    const [before, after] = [Tree.build(entries), Tree.build(entries.with(700, entry("package-000700", "9.9.9")))]
    const network = TreeNetwork.make([...before.pages, ...after.pages])
    const found = await network.run(Tree.difference(after.root, before.root, { limit: 1_500 }))
    const texts = found.entries.map(({ value }) => new TextDecoder().decode(value))
    assert.include(texts, "9.9.9")
    assert.isAtMost(texts.length, 50)
    const same = await network.run(Tree.difference(after.root, after.root, { limit: 1_500 }))
    assert.deepStrictEqual(same.entries, [])
  })
})

describe("Tree.publish", () => {
  const { pages, root } = Tree.build(catalogue(1_500))

  it("keeps all pages and puts children before their parents", async () => {
    const network = TreeNetwork.make()
    const receipts = await network.run(Tree.publish(pages.toReversed()))
    assert.strictEqual(receipts.length, pages.length)
    const heights = [...network.pages.values()].map(heightOf)
    assert.deepStrictEqual(heights, heights.toSorted())
    const kept = await network.run(Effect.flatMap(PageStore, (store) => store.targets))
    assert.strictEqual(kept.length, pages.length)
    assert.strictEqual((await network.run(all(root))).length, 1_500)
  })

  it("asks for as many acknowledgements as there are nodes", async () => {
    const network = TreeNetwork.make()
    const receipts = await network.run(Tree.publish(pages.slice(0, 1)).pipe(Effect.provideService(MinAcks, 8)))
    assert.deepStrictEqual(
      receipts.map(({ acks }) => acks),
      [1]
    )
  })
})

describe("the specification of trees", () => {
  const page = Fs.readFileSync(Path.resolve(import.meta.dirname, "../../../docs/spec/trees.md"), "utf8")
  for (const [name, block] of treeExamples) {
    it(`shows what the code makes: ${name}`, () => {
      assert.include(page, `<!-- ${name} -->\n\`\`\`\n${block}\n\`\`\``)
    })
  }
})
