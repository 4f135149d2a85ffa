import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import * as Record from "../src/protocol/dht/Record.ts"
import * as Tree from "../src/protocol/dht/Tree.ts"
import * as TreePage from "../src/protocol/dht/TreePage.ts"
import * as TreeNetwork from "../test/protocol/dht/TreeNetwork.ts"
import { runs, runsUpTo } from "./Runs.ts"
import * as TreeModel from "./TreeModel.ts"

const { apply, build, hexOf, targetsOf, toSorted } = TreeModel

const all = (root: Record.Target, options?: Parameters<typeof Tree.entries>[1]) =>
  Stream.runCollect(Tree.entries(root, options))

const same = (self: ReadonlyArray<Tree.Entry>, that: ReadonlyArray<Tree.Entry>) => {
  assert.strictEqual(self.length, that.length)
  for (const [at, { key, value }] of self.entries()) {
    assert.isTrue(Bytes.Equivalence(key, that[at]!.key) && Bytes.Equivalence(value, that[at]!.value))
  }
}

const heightsOf = (pages: ReadonlyArray<Uint8Array>) =>
  pages.map((page) => Result.getOrThrow(TreePage.decode(page)).height)

describe("trees", () => {
  it("a tree under any edits equals a sorted map: get, entries, ranges", async () => {
    const law = fc.asyncProperty(
      TreeModel.story(3).filter(({ start }) => start.size > 0),
      fc.infiniteStream(fc.nat()),
      async ({ batches, start }, choices) => {
        const pick = (of: TreeModel.Model) => {
          const keys = [...of.values()].map(({ key }) => key)
          const key = keys[choices.next().value % keys.length]!
          const step = choices.next().value % 3
          return step === 0 ? key : step === 1 ? key.subarray(0, -1) : Bytes.concat([key, Uint8Array.of(0)])
        }
        const network = TreeNetwork.make()
        let now = start
        let { root } = build(start)
        network.hold(build(start).pages)
        for (const batch of batches) {
          now = apply(now, batch)
          const updated = await network.run(Tree.update(root, batch))
          network.hold(updated.added)
          root = updated.root
        }
        if (root === undefined) return assert.strictEqual(now.size, 0)
        same(await network.run(all(root)), toSorted(now))
        const [from, to] = [pick(now), pick(start)]
        const within = toSorted(now).filter(({ key }) => Bytes.Order(from, key) <= 0 && Bytes.Order(key, to) < 0)
        same(await network.run(all(root, { from, to })), within)
        for (const key of [from, to]) {
          const found = await network.run(Tree.get(root, key))
          assert.deepStrictEqual(Option.getOrUndefined(found), now.get(Hex.encode(key))?.value)
        }
      }
    )
    await fc.assert(law, runsUpTo(300))
  })

  it("an update equals a rebuild: the same root, and just the pages that come and go", async () => {
    const law = fc.asyncProperty(TreeModel.story(1), async ({ batches, start }) => {
      const after = apply(start, batches[0]!)
      const [before, wanted] = [build(start), build(after)]
      const updated = await TreeNetwork.make(before.pages).run(Tree.update(before.root, batches[0]!))
      assert.strictEqual(hexOf(updated.root), hexOf(wanted.root))
      const [was, is] = [new Set(targetsOf(before.pages)), new Set(targetsOf(wanted.pages))]
      assert.deepStrictEqual(
        targetsOf(updated.added),
        [...is].filter((target) => !was.has(target))
      )
      const removed = updated.removed.map((target) => Hex.encode(target)).toSorted()
      assert.deepStrictEqual(
        removed,
        [...was].filter((target) => !is.has(target))
      )
      assert.strictEqual(updated.growth, after.size - start.size)
    })
    await fc.assert(law, runs)
  })

  it("a tree is a function of its contents, whatever their history", async () => {
    const law = fc.asyncProperty(
      TreeModel.story(3),
      fc.infiniteStream(fc.nat()),
      async ({ batches, start }, choices) => {
        const network = TreeNetwork.make(build(start).pages)
        const by = async (changes: ReadonlyArray<ReadonlyArray<Tree.Change>>, from: Record.Target | undefined) => {
          let root = from
          for (const batch of changes) {
            const updated = await network.run(Tree.update(root, batch))
            network.hold(updated.added)
            root = updated.root
          }
          return hexOf(root)
        }
        const end = apply(start, batches.flat())
        const wanted = hexOf(build(end).root)
        assert.strictEqual(await by(batches, build(start).root), wanted)
        assert.strictEqual(await by([batches.flat()], build(start).root), wanted)
        // From nothing, in any order, a third of it at a time.
        const parts: [Array<Tree.Change>, Array<Tree.Change>, Array<Tree.Change>] = [[], [], []]
        for (const entry of end.values()) parts[choices.next().value % 3]!.push(entry)
        assert.strictEqual(await by(parts, undefined), wanted)
      }
    )
    await fc.assert(law, runsUpTo(150))
  })

  it("what an update adds, with what it leaves of the old tree, is the new tree", async () => {
    const law = fc.asyncProperty(TreeModel.story(1), async ({ batches, start }) => {
      const before = build(start)
      const network = TreeNetwork.make(before.pages)
      const updated = await network.run(Tree.update(before.root, batches[0]!))
      for (const target of updated.removed) network.pages.delete(Hex.encode(target))
      network.hold(updated.added)
      const { pages, root } = build(apply(start, batches[0]!))
      assert.deepStrictEqual([...network.pages.keys()].toSorted(), targetsOf(pages))
      if (root !== undefined) same(await network.run(all(root)), toSorted(apply(start, batches[0]!)))
    })
    await fc.assert(law, runsUpTo(500))
  })

  it("an update of any valid tree, however it is cut, reads as the map after the edits", async () => {
    const law = fc.asyncProperty(
      TreeModel.story(1).filter(({ start }) => start.size > 0),
      fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 5 }),
      async ({ batches, start }, sizes) => {
        const before = TreeModel.buildOtherwise(toSorted(start), sizes)
        const network = TreeNetwork.make(before.pages)
        same(await network.run(all(before.root)), toSorted(start))
        const updated = await network.run(Tree.update(before.root, batches[0]!))
        network.hold(updated.added)
        assert.isTrue(updated.added.every((page) => page.length <= TreePage.PAGE_MAX_BYTES))
        const after = apply(start, batches[0]!)
        if (updated.root === undefined) return assert.strictEqual(after.size, 0)
        same(await network.run(all(updated.root)), toSorted(after))
      }
    )
    await fc.assert(law, runsUpTo(300))
  })

  it("every page fits a DHT item, reads as it was written, and its tree is no higher than its entries are many, halved and halved", () => {
    const law = fc.property(TreeModel.model, (model) => {
      const { pages } = build(model)
      for (const page of pages) {
        assert.isAtMost(page.length, Record.VALUE_MAX_BYTES)
        assert.deepStrictEqual(TreePage.encode(Result.getOrThrow(TreePage.decode(page))), page)
      }
      const heights = heightsOf(pages)
      assert.deepStrictEqual(
        heights,
        heights.toSorted((a, b) => a - b)
      )
      assert.isAtMost(heights.at(-1)!, Math.ceil(Math.log2(model.size)))
    })
    fc.assert(law, runs)
  })

  it("a page has one spelling: with any byte changed it is refused, or is another page", () => {
    const law = fc.property(
      TreeModel.model,
      fc.nat(),
      fc.nat(),
      fc.integer({ min: 1, max: 255 }),
      (model, at, offset, flip) => {
        const { pages } = build(model)
        const page = pages[at % pages.length]!
        const changed = page.with(offset % page.length, page[offset % page.length]! ^ flip)
        assert.notStrictEqual(hexOf(Record.immutableTargetOf(changed)), hexOf(Record.immutableTargetOf(page)))
        const decoded = TreePage.decode(changed)
        if (Result.isSuccess(decoded)) assert.deepStrictEqual(TreePage.encode(decoded.success), changed)
      }
    )
    fc.assert(law, runs)
  })

  it("a byte changed in any page is noticed by every reader that comes to it", async () => {
    const law = fc.asyncProperty(
      TreeModel.model,
      fc.nat(),
      fc.nat(),
      fc.integer({ min: 1, max: 255 }),
      async (model, at, offset, flip) => {
        const { pages, root } = build(model)
        const page = pages[at % pages.length]!
        const network = TreeNetwork.make(pages)
        const target = hexOf(Record.immutableTargetOf(page))
        network.pages.set(target, page.with(offset % page.length, page[offset % page.length]! ^ flip))
        const error = await network.run(Effect.flip(all(root!)))
        assert.deepInclude(error._tag === "TreeError" ? error.reason : error, { _tag: "MissingPage", target })
        const collected = await network.run(Tree.collect(root!, { limit: model.size }))
        assert.deepStrictEqual(collected.missing.map(hexOf), [target])
        assert.isBelow(collected.entries.length, model.size)
      }
    )
    await fc.assert(law, runs)
  })

  it("collect gives exactly what can still be reached, and names exactly what is in the way", async () => {
    const law = fc.asyncProperty(
      TreeModel.model,
      fc.infiniteStream(fc.integer({ min: 0, max: 9 })),
      async (model, luck) => {
        const { pages, root } = build(model)
        const network = TreeNetwork.make(pages.filter(() => luck.next().value > 0))
        const readable: Array<Tree.Entry> = []
        const missing: Array<string> = []
        const visit = (target: string): void => {
          const page = network.pages.get(target)
          if (page === undefined) return void missing.push(target)
          const { entries, height } = Result.getOrThrow(TreePage.decode(page))
          if (height === 0) readable.push(...entries)
          else for (const { value } of entries) visit(Hex.encode(value))
        }
        visit(hexOf(root))
        const collected = await network.run(Tree.collect(root!, { limit: model.size }))
        same(collected.entries, readable)
        assert.deepStrictEqual(collected.missing.map(hexOf).toSorted(), missing.toSorted())
        assert.isFalse(collected.isCut)
        assert.isAtMost(collected.depth, Math.max(...heightsOf(pages)) + 1)
      }
    )
    await fc.assert(law, runs)
  })

  it("a look-up asks for one page of each level, and for no other", async () => {
    const law = fc.asyncProperty(TreeModel.model, fc.nat(), async (model, at) => {
      const { pages, root } = build(model)
      const network = TreeNetwork.make(pages)
      const entries = toSorted(model)
      const { key, value } = entries[at % entries.length]!
      assert.deepStrictEqual(await network.run(Tree.get(root!, key)), Option.some(value))
      assert.strictEqual(network.asked.length, heightsOf(pages).at(-1)! + 1)
    })
    await fc.assert(law, runs)
  })

  it("reachable names each page of a tree once", async () => {
    const law = fc.asyncProperty(TreeModel.model, async (model) => {
      const { pages, root } = build(model)
      const reachable = await TreeNetwork.make(pages).run(Tree.reachable(root!))
      assert.deepStrictEqual(reachable.targets.map(hexOf).toSorted(), targetsOf(pages))
    })
    await fc.assert(law, runs)
  })

  it("the entries in which two trees differ are among their differences", async () => {
    const law = fc.asyncProperty(TreeModel.story(1), async ({ batches, start }) => {
      const after = apply(start, batches[0]!)
      const [one, two] = [build(start), build(after)]
      if (one.root === undefined || two.root === undefined) return
      const network = TreeNetwork.make([...one.pages, ...two.pages])
      const found = TreeModel.fromEntries(
        (await network.run(Tree.difference(two.root, one.root, { limit: after.size }))).entries
      )
      for (const [key, { value }] of after) {
        const old = start.get(key)
        if (old === undefined || !Bytes.Equivalence(old.value, value)) assert.isTrue(found.has(key))
      }
      if (hexOf(one.root) === hexOf(two.root)) assert.strictEqual(found.size, 0)
    })
    await fc.assert(law, runs)
  })

  it("pages put together by an enemy are refused, or read as ascending entries within the limit, at bounded cost", async () => {
    const LIMIT = 20
    const key = fc.uint8Array({ minLength: 1, maxLength: 2, max: 4 })
    const hostilePage = fc.record({
      height: fc.integer({ min: 0, max: 4 }),
      keys: fc.array(key, { minLength: 1, maxLength: 5 }),
      refs: fc.array(fc.nat(), { minLength: 5, maxLength: 5 }),
      isSorted: fc.integer({ min: 0, max: 9 }).map((luck) => luck > 0)
    })
    const law = fc.asyncProperty(fc.array(hostilePage, { minLength: 1, maxLength: 12 }), key, async (plan, wanted) => {
      const network = TreeNetwork.make()
      const made: Array<Record.Target> = []
      for (const { height, isSorted, keys, refs } of plan) {
        const distinct = isSorted
          ? toSorted(TreeModel.fromEntries(keys.map((each) => ({ key: each, value: each }))))
          : keys.map((each) => ({ key: each }))
        const entries = distinct.map((each, at) => ({
          key: each.key,
          value: height > 0 && made.length > 0 ? made[refs[at]! % made.length]! : new Uint8Array(at)
        }))
        const page = TreePage.encode({ height, entries })
        network.hold([page])
        made.push(Record.immutableTargetOf(page))
      }
      const root = made.at(-1)!
      const read = await network.run(Effect.result(all(root, { limit: LIMIT })))
      if (Result.isSuccess(read)) {
        const entries = read.success
        assert.isAtMost(entries.length, LIMIT)
        for (let at = 1; at < entries.length; at++)
          assert.isBelow(Bytes.Order(entries[at - 1]!.key, entries[at]!.key), 0)
      } else assert.strictEqual(read.failure._tag, "TreeError")
      network.asked.length = 0
      const collected = await network.run(Tree.collect(root, { limit: LIMIT }))
      assert.isAtMost(network.asked.length, 2 * LIMIT + Tree.HEIGHT_MAX)
      assert.isAtMost(collected.entries.length, LIMIT)
      await network.run(Effect.result(Tree.get(root, wanted)))
      const updated = await network.run(Effect.result(Tree.update(root, [{ key: wanted, value: wanted }])))
      assert.isTrue(Result.isSuccess(updated) || updated.failure._tag === "TreeError")
    })
    await fc.assert(law, runsUpTo(500))
  })
})
