/**
 * Changes a tree by making only the pages that change. The result is the tree that a build from all
 * entries would give, byte for byte.
 *
 * Level by level from the leaves: entries of equal length are exchanged in place. Where lengths or
 * keys change, pages are cut anew from the first page whose end the change can have moved, until a
 * cut falls where there was one before. What became of the pages is the change of the level above.
 */
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import type * as Record from "./Record.ts"
import * as TreeBuild from "./TreeBuild.ts"
import * as TreeLevel from "./TreeLevel.ts"
import * as TreeWalker from "./TreeWalker.ts"

export interface Updated {
  /** `undefined` when no entry is left. */
  readonly root: Record.Target | undefined
  /** Pages that the old tree did not have, children before their parents. */
  readonly added: ReadonlyArray<Uint8Array>
  /** Pages of the old tree that this one does not have. Other trees may have them. */
  readonly removed: ReadonlyArray<Record.Target>
  /** Entries more than before; negative when there are fewer. */
  readonly growth: number
}

/** In order, the last change of each key; throws `RangeError` for what no tree can hold. */
const normalized = (changes: ReadonlyArray<TreeLevel.Change>): ReadonlyArray<TreeLevel.Change> => {
  for (const { key, value } of changes) TreeBuild.assertEntry({ key, value: value ?? new Uint8Array() }, undefined)
  const sorted = changes.toSorted((self, that) => Bytes.Order(self.key, that.key))
  return sorted.filter(({ key }, at) => {
    const following = sorted[at + 1]
    return following === undefined || !Bytes.Equivalence(key, following.key)
  })
}

const first = (changes: ReadonlyArray<TreeLevel.Change>): Updated => {
  const entries = changes.flatMap(({ key, value }) => (value === undefined ? [] : [{ key, value }]))
  if (entries.length === 0) return { root: undefined, added: [], removed: [], growth: 0 }
  const { pages, root } = TreeBuild.build(entries)
  return { root, added: pages, removed: [], growth: entries.length }
}

/** What becomes of a level is what changes in the level above: entries gone, and entries come or exchanged. */
const changesAbove = ({ made, removed }: TreeLevel.Outcome): ReadonlyArray<TreeLevel.Change> =>
  normalized([
    ...removed.map(({ page }) => ({ key: page.entries[0]!.key, value: undefined })),
    ...made.map(TreeBuild.toEntry)
  ])

/**
 * The tree with `changes` made, in any order; of several changes of one key the last counts. Without
 * a `root` it begins empty. Nothing is stored or put. Fails where a page that it must read is missing
 * or invalid, in which case the tree can be built anew from all its entries.
 */
export const update = Effect.fn("Tree.update")(function* (
  root: Record.Target | undefined,
  changes: ReadonlyArray<TreeLevel.Change>
) {
  if (root === undefined) return first(normalized(changes))
  const walker = yield* TreeWalker.make(root)
  let above = normalized(changes)
  let growth = 0
  let top: ReadonlyArray<TreeBuild.Made> = []
  const made: Array<TreeBuild.Made> = []
  const removed: Array<TreeWalker.Place> = []
  for (let height = 0; height <= walker.root.page.height; height++) {
    const outcome = yield* TreeLevel.rewrite(walker, height, above)
    if (outcome.made.length === 0 && outcome.removed.length === 0) {
      return { root, added: [], removed: [], growth: 0 } satisfies Updated
    }
    if (height === 0) growth = outcome.growth
    for (const each of outcome.made) made.push(each)
    for (const each of outcome.removed) removed.push(each)
    above = changesAbove(outcome)
    top = outcome.pages
  }
  const targets = removed.map(({ ref }) => ref.target)
  if (top.length === 0) return { root: undefined, added: [], removed: targets, growth } satisfies Updated
  if (top.length > 1) {
    const upper = TreeBuild.levels(walker.root.page.height + 1, top.map(TreeBuild.toEntry))
    return finished([...made, ...upper], targets, growth, upper.at(-1)!.target)
  }
  return yield* collapsed(walker, made, targets, growth)
})

const finished = (
  made: ReadonlyArray<TreeBuild.Made>,
  removed: ReadonlyArray<Record.Target>,
  growth: number,
  root: Record.Target
): Updated => ({ root, added: made.map(({ bytes }) => bytes), removed, growth })

/** A root that refers to one page only is not needed: that page is the root, and so on down. */
const collapsed = Effect.fnUntraced(function* (
  walker: TreeWalker.Walker,
  made: ReadonlyArray<TreeBuild.Made>,
  removed: ReadonlyArray<Record.Target>,
  growth: number
) {
  const left = new Map(made.map((each) => [Hex.encode(each.target), each]))
  const gone = [...removed]
  let { page, target } = made.at(-1)!
  while (page.height > 0 && page.entries.length === 1) {
    if (!left.delete(Hex.encode(target))) gone.push(target)
    const { key, value } = page.entries[0]!
    target = value as Record.Target
    page = left.get(Hex.encode(target))?.page ?? (yield* walker.locate(page.height - 1, key)).page
  }
  return finished([...left.values()], gone, growth, target)
})
