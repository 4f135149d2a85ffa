/**
 * Changes one level of a tree: which of its pages go, and which are made in their place. The pages
 * around a change are cut as a build would cut them, which needs no more of the level than about a
 * page's worth before the change and, mostly, a page or two after it.
 */
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as TreeBuild from "./TreeBuild.ts"
import * as TreePage from "./TreePage.ts"
import { READS_AT_ONCE } from "./TreeCollect.ts"
import type { Place, Walker } from "./TreeWalker.ts"

/** `value: undefined` takes the key out. */
export interface Change {
  readonly key: Uint8Array
  readonly value: Uint8Array | undefined
}

export interface Outcome {
  /** Pages that the level has no more. */
  readonly removed: ReadonlyArray<Place>
  /** Pages that it did not have. */
  readonly made: ReadonlyArray<TreeBuild.Made>
  /** All pages that lie where something was changed; of the top level, all there are. In order of their keys there. */
  readonly pages: ReadonlyArray<TreeBuild.Made>
  /** Entries more than before. */
  readonly growth: number
}

/** A page of the old level, with the exchanges that do not move any cut made in it. */
interface Old {
  readonly place: Place
  readonly entries: ReadonlyArray<TreePage.Entry>
}

/** Makes `changes`, in order of their keys, in the pages of `height`. */
export const rewrite = Effect.fnUntraced(function* (walker: Walker, height: number, changes: ReadonlyArray<Change>) {
  const { exchanged, growth, moving } = yield* sort(walker, height, changes)
  const old = (place: Place): Old =>
    exchanged.get(Hex.encode(place.ref.target)) ?? { place, entries: place.page.entries }
  const regions: Array<Region> = []
  let done = 0
  let floor: Uint8Array | undefined
  while (done < moving.length) {
    const { key } = moving[done]!
    const start = yield* firstAffected(walker, yield* walker.locate(height, key), key, floor)
    const region = yield* recut(walker, old, start, moving, done)
    regions.push(region)
    for (const { ref } of region.removed) exchanged.delete(Hex.encode(ref.target))
    done = region.done
    floor = region.end
  }
  // The level above is made from all pages of the top one, so its old page counts even where new ones only come before it.
  const { root } = walker
  const isTop = height === root.page.height
  if (isTop && regions.length > 0 && !regions.some((region) => region.removed.length > 0)) {
    exchanged.set(Hex.encode(root.ref.target), old(root))
  }
  const inPlace = [...exchanged.values()]
  const removed = [...regions.flatMap((region) => region.removed), ...inPlace.map(({ place }) => place)]
  const pages = [
    ...regions.flatMap((region) => region.made),
    ...inPlace.map(({ entries }) => TreeBuild.make(height, entries))
  ]
  const before = new Set(removed.map(({ ref }) => Hex.encode(ref.target)))
  const after = new Set(pages.map(({ target }) => Hex.encode(target)))
  return {
    removed: removed.filter(({ ref }) => !after.has(Hex.encode(ref.target))),
    made: pages.filter(({ target }) => !before.has(Hex.encode(target))),
    pages,
    growth
  } satisfies Outcome
})

/**
 * Takes the changes apart: `exchanged` pages have values replaced by others of the same length, so
 * that no cut can move; `moving` are the other changes. What changes nothing is left out.
 */
const sort = Effect.fnUntraced(function* (walker: Walker, height: number, changes: ReadonlyArray<Change>) {
  const exchanged = new Map<string, Old>()
  const moving: Array<Change> = []
  let growth = 0
  // All pages at once first: one by one, a hundred changes would be a hundred waits on the network.
  yield* Effect.forEach(changes, ({ key }) => walker.locate(height, key), { concurrency: READS_AT_ONCE, discard: true })
  for (const change of changes) {
    const { key, value } = change
    const place = yield* walker.locate(height, key)
    const target = Hex.encode(place.ref.target)
    const entries = exchanged.get(target)?.entries ?? place.page.entries
    const at = TreePage.position(entries, key)
    const known = at >= 0 && Bytes.Equivalence(entries[at]!.key, key) ? entries[at] : undefined
    if (known === undefined && value === undefined) continue
    if (known !== undefined && value !== undefined && known.value.length === value.length) {
      if (!Bytes.Equivalence(known.value, value))
        exchanged.set(target, { place, entries: entries.with(at, { key, value }) })
      continue
    }
    growth += Number(value !== undefined) - Number(known !== undefined)
    moving.push(change)
  }
  return { exchanged, growth, moving }
})

const bytesOf = (entries: ReadonlyArray<TreePage.Entry>): number =>
  entries.reduce((sum, entry) => sum + TreePage.entryBytes(entry), 0)

/**
 * The first page whose end a change at `key` can have moved: one that would still reach `key` were it
 * as full as can be. Pages before `floor` are cut anew already.
 */
const firstAffected = Effect.fnUntraced(function* (
  walker: Walker,
  place: Place,
  key: Uint8Array,
  floor: Uint8Array | undefined
) {
  const room = TreePage.PAGE_MAX_BYTES - TreePage.emptyBytes(place.page.height)
  let start = place
  let distance = bytesOf(place.page.entries.filter((entry) => Bytes.Order(entry.key, key) < 0))
  for (;;) {
    if (floor !== undefined && Bytes.Order(start.page.entries[0]!.key, floor) <= 0) return start
    const previous = yield* walker.previous(start)
    if (previous === undefined) return start
    distance += bytesOf(previous.page.entries)
    if (distance > room) return start
    start = previous
  }
})

interface Region {
  readonly removed: ReadonlyArray<Place>
  readonly made: ReadonlyArray<TreeBuild.Made>
  /** How many of the changes are made now. */
  readonly done: number
  /** First key of the page where old and new cuts meet; `undefined` at the end of the level. */
  readonly end: Uint8Array | undefined
}

/** Cuts anew from the page `start` on, making the changes from position `done` on, until a cut falls on an old one behind them. */
const recut = Effect.fnUntraced(function* (
  walker: Walker,
  old: (place: Place) => Old,
  start: Place,
  changes: ReadonlyArray<Change>,
  done: number
) {
  const { height } = start.page
  const room = TreePage.PAGE_MAX_BYTES - TreePage.emptyBytes(height)
  const made: Array<TreeBuild.Made> = []
  const pulled: Array<Place> = []
  const entries: Array<TreePage.Entry> = []
  let head = 0
  /** Bytes of the entries from `head` on. */
  let waiting = 0
  let last: Change | undefined
  for (;;) {
    const tail = pulled.at(-1)
    if (head === entries.length && last !== undefined) {
      return { removed: pulled, made, done, end: tail?.ref.below } satisfies Region
    }
    const meeting = head === entries.length ? -1 : meetingPage(pulled, entries[head]!.key, last)
    if (meeting >= 0) {
      return { removed: pulled.slice(0, meeting), made, done, end: entries[head]!.key } satisfies Region
    }
    const next: Place | undefined = tail === undefined ? start : waiting <= room ? yield* walker.next(tail) : undefined
    if (next !== undefined) {
      const from = done
      while (done < changes.length && isBelow(changes[done]!.key, next.ref.below)) last = changes[done++]
      for (const entry of merge(old(next).entries, changes.slice(from, done))) {
        entries.push(entry)
        waiting += TreePage.entryBytes(entry)
      }
      pulled.push(next)
    } else {
      const end = TreeBuild.cut(height, entries, head)
      const page = entries.slice(head, end)
      made.push(TreeBuild.make(height, page))
      waiting -= bytesOf(page)
      head = end
    }
  }
})

/** Position of the old page that begins with `key` where all changes made lie before it; -1 otherwise. */
const meetingPage = (pulled: ReadonlyArray<Place>, key: Uint8Array, last: Change | undefined): number =>
  last === undefined || Bytes.Order(last.key, key) >= 0
    ? -1
    : pulled.findIndex(({ page }) => Bytes.Equivalence(page.entries[0]!.key, key))

const isBelow = (key: Uint8Array, below: Uint8Array | undefined): boolean =>
  below === undefined || Bytes.Order(key, below) < 0

/** Entries with changes made; both in order. */
const merge = (
  entries: ReadonlyArray<TreePage.Entry>,
  changes: ReadonlyArray<Change>
): ReadonlyArray<TreePage.Entry> => {
  if (changes.length === 0) return entries
  const merged: Array<TreePage.Entry> = []
  let at = 0
  for (const { key, value } of changes) {
    while (at < entries.length && Bytes.Order(entries[at]!.key, key) < 0) merged.push(entries[at++]!)
    if (at < entries.length && Bytes.Equivalence(entries[at]!.key, key)) at++
    if (value !== undefined) merged.push({ key, value })
  }
  return [...merged, ...entries.slice(at)]
}
