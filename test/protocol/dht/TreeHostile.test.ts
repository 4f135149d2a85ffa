import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Stream from "effect/Stream"
import * as Bencode from "../../../src/protocol/core/Bencode.ts"
import { PageStore } from "../../../src/protocol/dht/PageStore.ts"
import * as Record from "../../../src/protocol/dht/Record.ts"
import * as Tree from "../../../src/protocol/dht/Tree.ts"
import * as TreeNetwork from "./TreeNetwork.ts"

const { bytes, catalogue } = TreeNetwork

const page = (height: Bencode.Value, list: ReadonlyArray<Bencode.Value>): Uint8Array =>
  Bencode.encode({ e: list, h: height })
const targetOf = Record.immutableTargetOf

const all = (root: Record.Target, limit?: number) => Stream.runCollect(Tree.entries(root, { limit }))

/** What each way of reading makes of a tree: the tag of its error, or what it gave. */
const outcomes = async (network: TreeNetwork.TreeNetwork, root: Record.Target, key: Uint8Array) => {
  const failed = <A>(
    work: Effect.Effect<A, Effect.Error<ReturnType<typeof all>>, Effect.Services<ReturnType<typeof all>>>
  ) =>
    network.run(
      work.pipe(
        Effect.map(() => "read"),
        Effect.catch((error) => Effect.succeed(error._tag === "TreeError" ? error.reason._tag : error._tag))
      )
    )
  return {
    entries: await failed(all(root)),
    get: await failed(Tree.get(root, key)),
    update: await failed(Tree.update(root, [{ key, value: bytes("other") }])),
    missing: (await network.run(Tree.collect(root, { limit: 100 }))).missing.map((target) => Hex.encode(target))
  }
}

/** Readers must refuse `bad` as the root of a tree. */
const refusesRoot = async (bad: Uint8Array) => {
  const root = targetOf(bad)
  assert.deepStrictEqual(await outcomes(TreeNetwork.make([bad]), root, bytes("a")), {
    entries: "InvalidPage",
    get: "InvalidPage",
    update: "InvalidPage",
    missing: [Hex.encode(root)]
  })
}

const leaf = (...texts: ReadonlyArray<string>) => page(0, texts.map(bytes))

describe("a page that is none", () => {
  const target = new Uint8Array(20)
  const cases: ReadonlyArray<readonly [string, Uint8Array]> = [
    ["is empty", new Uint8Array()],
    ["is no bencode", bytes("hello")],
    ["is no dictionary", bytes("l1:ae")],
    ["lacks its height", bytes("d1:el1:a1:1ee")],
    ["lacks its entries", bytes("d1:hi0ee")],
    ["has a further key", Bencode.encode({ e: [bytes("a"), bytes("1")], h: 0, x: 1 })],
    ["has its keys in another order", bytes("d1:hi0e1:el1:a1:1ee")],
    ["has bytes behind it", bytes("d1:el1:a1:1e1:hi0eex")],
    ["spells its height with a leading zero", bytes("d1:el1:a1:1e1:hi00ee")],
    ["has a height below 0", page(-1, [bytes("a"), bytes("1")])],
    ["has a height that is text", page(bytes("0"), [bytes("a"), bytes("1")])],
    ["has a height over the limit", page(Tree.HEIGHT_MAX + 1, [bytes("a"), target, bytes("b"), target])],
    ["has an immense height", page(2n ** 62n, [bytes("a"), bytes("1")])],
    ["has no entries", leaf()],
    ["has a key without a value", leaf("a", "1", "b")],
    ["has an integer for a value", page(0, [bytes("a"), 1])],
    ["has a list for a key", page(0, [[bytes("a")], bytes("1")])],
    ["has an empty key", leaf("", "1")],
    ["has a key that is too long", leaf("k".repeat(Tree.KEY_MAX_BYTES + 1), "1")],
    ["has a value that is too long", leaf("a", "v".repeat(Tree.ENTRY_VALUE_MAX_BYTES + 1))],
    ["has a key twice", leaf("a", "1", "a", "2")],
    ["has keys in descending order", leaf("b", "1", "a", "2")],
    ["is longer than a DHT item", leaf("a", "v".repeat(500), "b", "v".repeat(500))],
    ["refers to a page by 19 bytes", page(1, [bytes("a"), target, bytes("b"), target.slice(1)])],
    ["refers to a page by 32 bytes", page(1, [bytes("a"), target, bytes("b"), new Uint8Array(32)])],
    ["is a root that refers to one page only", page(1, [bytes("a"), target])]
  ]
  for (const [problem, bad] of cases) it(`is refused where it ${problem}`, () => refusesRoot(bad))

  it("is taken at the limits", async () => {
    const edge = page(0, [new Uint8Array(Tree.KEY_MAX_BYTES).fill(97), new Uint8Array(Tree.ENTRY_VALUE_MAX_BYTES)])
    const network = TreeNetwork.make([edge])
    assert.strictEqual((await network.run(all(targetOf(edge)))).length, 1)
  })
})

describe("a page in the wrong place", () => {
  /** A root over these pages under these keys. */
  const over = (height: number, ...children: ReadonlyArray<readonly [string, Uint8Array]>) => {
    const root = page(
      height,
      children.flatMap(([key, child]) => [bytes(key), targetOf(child)])
    )
    return { root: targetOf(root), network: TreeNetwork.make([root, ...children.map(([, child]) => child)]) }
  }
  const [a, b] = [leaf("a", "1", "b", "2"), leaf("c", "3", "d", "4")]

  const refuses = async (tree: ReturnType<typeof over>, bad: Uint8Array, key: string) => {
    assert.deepStrictEqual(await outcomes(tree.network, tree.root, bytes(key)), {
      entries: "InvalidPage",
      get: "InvalidPage",
      update: "InvalidPage",
      missing: [Hex.encode(targetOf(bad))]
    })
  }

  it("is taken where it is right", async () => {
    const tree = over(1, ["a", a], ["c", b])
    assert.strictEqual((await tree.network.run(all(tree.root))).length, 4)
  })

  it("is refused where its parent names another first key", () => refuses(over(1, ["a", a], ["bb", b]), b, "d"))
  it("is refused where it reaches into the next page", () => refuses(over(1, ["a", a], ["b", leaf("b", "9")]), a, "a"))
  it("is refused where its height is not one less", async () => {
    const inner = page(1, [bytes("a"), targetOf(leaf("a", "1")), bytes("b"), targetOf(leaf("b", "9"))])
    const tree = over(2, ["a", inner], ["c", b])
    tree.network.hold([leaf("a", "1"), leaf("b", "9")])
    await refuses(tree, b, "c")
  })

  it("is refused where it is its parent's neighbour's", async () => {
    const inner = page(1, [bytes("a"), targetOf(a), bytes("c"), targetOf(b)])
    const last = leaf("d", "9")
    const other = page(1, [bytes("d"), targetOf(last)])
    const tree = over(2, ["a", inner], ["d", other])
    tree.network.hold([a, b, last])
    await refuses(tree, b, "c")
  })

  it("is refused where an inner page has one child and is not the last", async () => {
    const single = page(1, [bytes("a"), targetOf(a)])
    const last = page(1, [bytes("c"), targetOf(b)])
    const tree = over(2, ["a", single], ["c", last])
    tree.network.hold([a, b])
    await refuses(tree, single, "a")
    assert.strictEqual((await tree.network.run(Tree.collect(tree.root, { limit: 9 }))).entries.length, 2)
  })
})

describe("a network that lies", () => {
  const entries = catalogue(300)
  const { pages, root } = Tree.build(entries)

  it("is not believed where it gives another page, or the page with a byte changed", async () => {
    for (const [at, good] of pages.entries()) {
      for (const bad of [pages[(at + 1) % pages.length]!, good.with(at % good.length, good[at % good.length]! ^ 1)]) {
        const network = TreeNetwork.make(pages)
        network.pages.set(Hex.encode(targetOf(good)), bad)
        const error = await network.run(Effect.flip(all(root)))
        assert.strictEqual(error._tag === "TreeError" && error.reason._tag, "MissingPage")
        const { missing } = await network.run(Tree.collect(root, { limit: 300 }))
        assert.deepStrictEqual(missing, [targetOf(good)])
      }
    }
  })

  it("is asked where the own store has a page damaged", async () => {
    const network = TreeNetwork.make(pages)
    const damaged = PageStore.of({
      keep: () => Effect.void,
      find: () => Effect.succeedSome(bytes("rotten")),
      targets: Effect.succeed([]),
      drop: () => Effect.void
    })
    const read = await network.run(all(root).pipe(Effect.provideService(PageStore, damaged)))
    assert.deepStrictEqual(read, [...entries])
  })

  it("gives what is left where some pages vanish, each missing one named", async () => {
    const leaves = pages.filter((each) => each.at(-3) === 0x30)
    const network = TreeNetwork.make(pages)
    for (const gone of leaves.slice(2, 4)) network.pages.delete(Hex.encode(targetOf(gone)))
    const collected = await network.run(Tree.collect(root, { limit: 300 }))
    assert.deepStrictEqual(collected.missing, leaves.slice(2, 4).map(targetOf))
    const kept = await TreeNetwork.make(leaves).run(
      Effect.forEach([...leaves.slice(0, 2), ...leaves.slice(4)], (each) => all(targetOf(each)))
    )
    assert.deepStrictEqual(collected.entries, kept.flat())
  })
})

describe("a tree made to cost much", () => {
  /** As many pages as can stand over few entries: every inner page has two children, every leaf one entry. */
  const tower = (levels: number) => {
    const pages: Array<Uint8Array> = []
    let row = Array.from({ length: 2 ** levels }, (_, i) => {
      const key = String(i).padStart(6, "0")
      return { key, made: leaf(key, "") }
    })
    pages.push(...row.map(({ made }) => made))
    for (let height = 1; row.length > 1; height++) {
      row = Array.from({ length: row.length / 2 }, (_, i) => {
        const pair = row.slice(2 * i, 2 * i + 2)
        return {
          key: pair[0]!.key,
          made: page(
            height,
            pair.flatMap(({ key, made }) => [bytes(key), targetOf(made)])
          )
        }
      })
      pages.push(...row.map(({ made }) => made))
    }
    return { root: targetOf(row[0]!.made), pages }
  }
  const { pages, root } = tower(10)

  it("is read where its entries are within the limit, whatever its form", async () => {
    assert.strictEqual((await TreeNetwork.make(pages).run(all(root, 1024))).length, 1024)
  })

  it("costs in pages at most twice the limit and one for each level", async () => {
    for (const limit of [1, 10, 100]) {
      const network = TreeNetwork.make(pages)
      const collected = await network.run(Tree.collect(root, { limit }))
      assert.strictEqual(collected.entries.length, limit)
      assert.isTrue(collected.isCut)
      assert.isAtMost(network.asked.length, 2 * limit + Tree.HEIGHT_MAX)
    }
  })

  it("is given up soon after the limit by a listing", async () => {
    const network = TreeNetwork.make(pages)
    const error = await network.run(Effect.flip(all(root, 10)))
    assert.strictEqual(error._tag === "TreeError" && error.reason._tag, "TreeTooLarge")
    assert.isAtMost(network.asked.length, 2 * 10 + 10 * 2 * Tree.READ_AHEAD)
  })

  it("is changed into a tree that reads as it should, with pages as they should be where it was changed", async () => {
    const network = TreeNetwork.make(pages)
    const updated = await network.run(Tree.update(root, [{ key: bytes("000500x"), value: bytes("new") }]))
    network.hold(updated.added)
    const read = await network.run(all(updated.root!))
    assert.strictEqual(read.length, 1025)
    assert.strictEqual(updated.growth, 1)
  })
})
