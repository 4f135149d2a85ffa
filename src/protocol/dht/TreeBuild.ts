/**
 * Makes a tree from all of its entries. Which entries share a page follows from the entries alone,
 * so equal contents give equal trees whatever their history, and a change moves only the page
 * boundaries near it: each cut depends on one page's worth of entries after the last cut.
 */
import * as Bytes from "effect/Bytes"
import { sha1 } from "../core/Digest.ts"
import * as Record from "./Record.ts"
import * as TreePage from "./TreePage.ts"

/**
 * A page may end once it has this many bytes. The wider the choice of where to cut, the sooner cuts fall
 * into step again behind a change; the fuller the pages, the fewer there are.
 */
export const PAGE_FILL_MIN_BYTES = 400

/** A page that was made, and what its parent says of it. */
export interface Made {
  readonly page: TreePage.Page
  readonly bytes: Uint8Array
  readonly target: Record.Target
}

/** `pages` holds children before their parents, the root last. */
export interface Built {
  readonly root: Record.Target
  readonly pages: ReadonlyArray<Uint8Array>
}

/**
 * Position behind the last entry of the page that begins at `start`. `entries` are of one height and
 * reach past what fits into the page, or to the end of the level.
 *
 * What fits whole is one page. Otherwise the page ends before the entry whose key has the smallest
 * SHA-1, among those with at least {@link PAGE_FILL_MIN_BYTES} before them in the page; where there
 * is none, before the first that does not fit.
 */
export const cut = (height: number, entries: ReadonlyArray<TreePage.Entry>, start: number): number => {
  let size = TreePage.emptyBytes(height)
  let best = -1
  let lowest: Uint8Array | undefined
  for (let at = start; at < entries.length; at++) {
    const entry = entries[at]!
    if (size >= PAGE_FILL_MIN_BYTES) {
      const rank = sha1(entry.key)
      if (lowest === undefined || Bytes.Order(rank, lowest) < 0) {
        best = at
        lowest = rank
      }
    }
    size += TreePage.entryBytes(entry)
    if (size > TreePage.PAGE_MAX_BYTES) return best < 0 ? at : best
  }
  return entries.length
}

export const make = (height: number, entries: ReadonlyArray<TreePage.Entry>): Made => {
  const page = { height, entries }
  const bytes = TreePage.encode(page)
  return { page, bytes, target: Record.immutableTargetOf(bytes) }
}

/** The entry that a parent has for a page. */
export const toEntry = ({ page, target }: Made): TreePage.Entry => ({ key: page.entries[0]!.key, value: target })

const level = (height: number, entries: ReadonlyArray<TreePage.Entry>): ReadonlyArray<Made> => {
  const pages: Array<Made> = []
  for (let start = 0; start < entries.length;) {
    const end = cut(height, entries, start)
    pages.push(make(height, entries.slice(start, end)))
    start = end
  }
  return pages
}

/** All pages from `height` up to the root over the entries of that height: children first, the root last. */
export const levels = (height: number, entries: ReadonlyArray<TreePage.Entry>): ReadonlyArray<Made> => {
  if (height > TreePage.HEIGHT_MAX) throw new RangeError(`a tree is higher than ${TreePage.HEIGHT_MAX}`)
  const pages = level(height, entries)
  return pages.length === 1 ? pages : [...pages, ...levels(height + 1, pages.map(toEntry))]
}

/** Throws `RangeError` for an entry that no tree can have: keys and values of known kinds always fit. */
export const assertEntry = (entry: TreePage.Entry, previous: Uint8Array | undefined): void => {
  const problem = TreePage.entryProblem(entry, previous, 0)
  if (problem !== undefined) throw new RangeError(`cannot put an entry into a tree: ${problem}`)
}

/**
 * The tree of 1 to {@link TreePage.ENTRIES_MAX} entries in strictly ascending order of their key
 * bytes. Throws `RangeError` where they are not that, which is a caller's bug.
 */
export const build = (entries: ReadonlyArray<TreePage.Entry>): Built => {
  if (entries.length === 0 || entries.length > TreePage.ENTRIES_MAX) {
    throw new RangeError(`a tree has 1 to ${TreePage.ENTRIES_MAX} entries, not ${entries.length}`)
  }
  entries.forEach((entry, at) => assertEntry(entry, entries[at - 1]?.key))
  const made = levels(0, entries)
  return { root: made.at(-1)!.target, pages: made.map(({ bytes }) => bytes) }
}
