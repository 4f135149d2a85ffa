import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Record from "../../../src/protocol/dht/Record.ts"
import * as Tree from "../../../src/protocol/dht/Tree.ts"
import * as TreeNetwork from "./TreeNetwork.ts"

const { bytes, catalogue, entry } = TreeNetwork

const hex = (targets: ReadonlyArray<Record.Target>) => targets.map((target) => Hex.encode(target)).toSorted()
const targetsOf = (pages: ReadonlyArray<Uint8Array>) => hex(pages.map(Record.immutableTargetOf))

const without = (from: ReadonlyArray<string>, those: ReadonlyArray<string>) => {
  const set = new Set(those)
  return from.filter((each) => !set.has(each))
}

/** Checks an update against a build of what should come out of it. */
const check = async (
  before: ReadonlyArray<Tree.Entry>,
  changes: ReadonlyArray<Tree.Change>,
  after: ReadonlyArray<Tree.Entry>
) => {
  const old = Tree.build(before)
  const network = TreeNetwork.make(old.pages)
  const updated = await network.run(Tree.update(old.root, changes))
  const wanted = after.length === 0 ? undefined : Tree.build(after)
  assert.deepStrictEqual(updated.root, wanted?.root)
  const [was, is] = [targetsOf(old.pages), targetsOf(wanted?.pages ?? [])]
  assert.deepStrictEqual(targetsOf(updated.added), without(is, was))
  assert.deepStrictEqual(hex(updated.removed), without(was, is))
  assert.strictEqual(updated.growth, after.length - before.length)
  return { updated, network }
}

describe("Tree.update", () => {
  const entries = catalogue(2_000)

  it("begins a tree where there is none", async () => {
    const built = Tree.build([entry("a", "1"), entry("b", "2")])
    const changes = [entry("b", "2"), entry("a", "0"), entry("a", "1"), { key: bytes("c"), value: undefined }]
    const updated = await TreeNetwork.make().run(Tree.update(undefined, changes))
    assert.deepStrictEqual(updated, { root: built.root, added: built.pages, removed: [], growth: 2 })
  })

  it("has no root where nothing is left", async () => {
    const gone = entries.map(({ key }) => ({ key, value: undefined }))
    await check(entries, gone, [])
    const nothing = { root: undefined, added: [], removed: [], growth: 0 }
    assert.deepStrictEqual(await TreeNetwork.make().run(Tree.update(undefined, gone)), nothing)
  })

  it("does nothing where nothing changes", async () => {
    const changes = [entries[5]!, { key: bytes("no such key"), value: undefined }]
    const { updated } = await check(entries, changes, entries)
    assert.deepStrictEqual([updated.added, updated.removed], [[], []])
    await check(entries, [], entries)
  })

  it("reads and writes one page a level for a value of the same length", async () => {
    const changed = entry("package-001234", "1.2.4")
    const { network, updated } = await check(entries, [changed], entries.with(1234, changed))
    assert.strictEqual(updated.added.length, 3)
    assert.strictEqual(network.asked.length, 3)
  })

  for (const [what, key] of [
    ["before all others", "a"],
    ["in the middle", "package-001000x"],
    ["after all others", "z"]
  ] as const) {
    it(`puts a key in ${what}, and takes it out again`, async () => {
      const added = entry(key, "1.0.0")
      const more = [...entries, added].toSorted((a, b) => (Hex.encode(a.key) < Hex.encode(b.key) ? -1 : 1))
      await check(entries, [added], more)
      await check(more, [{ key: added.key, value: undefined }], entries)
    })
  }

  it("keeps a full root as it is where a page comes before or after it", async () => {
    const wide = (key: string) => entry(key, "x".repeat(500))
    for (const [before, added] of [
      [["b"], "a"],
      [["a"], "b"],
      [["b", "c"], "a"],
      [["a", "b"], "c"]
    ] as const) {
      const old = before.map(wide)
      const after = [...before, added].toSorted().map(wide)
      await check(old, [wide(added)], after)
    }
  })

  it("grows by several levels at once, and shrinks again", async () => {
    await check(entries.slice(0, 1), entries.slice(1), entries)
    const gone = entries.slice(1).map(({ key }) => ({ key, value: undefined }))
    await check(entries, gone, entries.slice(0, 1))
    const allButLast = entries.slice(0, -1).map(({ key }) => ({ key, value: undefined }))
    await check(entries, allButLast, entries.slice(-1))
  })

  it("takes many changes all over the tree at once", async () => {
    const changes = entries.flatMap((each, i): ReadonlyArray<Tree.Change> => {
      if (i % 50 === 0) return [{ key: each.key, value: undefined }]
      return i % 70 === 0 ? [{ key: each.key, value: bytes("10.20.30") }] : []
    })
    const value = new Map(changes.map((change) => [change.key, change.value]))
    const after = entries.flatMap((each) => {
      if (!value.has(each.key)) return [each]
      const changed = value.get(each.key)
      return changed === undefined ? [] : [{ key: each.key, value: changed }]
    })
    await check(entries, changes.toReversed(), after)
  })

  it("writes a few pages of a large catalogue for a release, and a few more for a package that is new", async () => {
    const large = catalogue(20_000)
    const built = Tree.build(large)
    const network = TreeNetwork.make(built.pages)
    let root = built.root
    const written: Array<number> = []
    for (let i = 0; i < 60; i++) {
      const key = `package-${String((i * 7919) % 20_000).padStart(6, "0")}${i % 3 === 2 ? "-x" : ""}`
      const updated = await network.run(Tree.update(root, [entry(key, i % 3 === 0 ? "1.2.4" : "1.10.0")]))
      network.hold(updated.added)
      written.push(updated.added.length)
      root = updated.root!
    }
    const sorted = written.toSorted((a, b) => a - b)
    assert.isAtMost(sorted[30]!, 5)
    assert.isAtMost(sorted.at(-1)!, 12)
  })

  it("fails with the page that is missing, where it is needed", async () => {
    const { pages, root } = Tree.build(entries)
    const network = TreeNetwork.make(pages.slice(1))
    const error = await network.run(Effect.flip(Tree.update(root, [entry("package-000000", "9.9.9")])))
    assert.strictEqual(error._tag === "TreeError" && error.reason._tag, "MissingPage")
    const elsewhere = await network.run(Tree.update(root, [entry("package-001999", "9.9.9")]))
    assert.strictEqual(elsewhere.added.length, 3)
  })

  it("refuses entries that no tree can hold", async () => {
    const exit = await TreeNetwork.make().run(Effect.exit(Tree.update(undefined, [entry("", "1")])))
    assert.strictEqual(exit._tag, "Failure")
  })
})
