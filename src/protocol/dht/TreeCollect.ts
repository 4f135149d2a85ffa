/**
 * Reads a whole tree, or all of it that is new, level by level. What is missing or wrong is named and
 * passed over, so that the rest can still be used, put back or merged.
 */
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import type * as Record from "./Record.ts"
import * as TreePage from "./TreePage.ts"
import * as TreeRead from "./TreeRead.ts"

/** Pages asked for at once. */
export const READS_AT_ONCE = 16

/** What there is of a tree, and what is not to be had of it. */
export interface Collected {
  /** In the order of their keys; at most the limit. */
  readonly entries: ReadonlyArray<TreePage.Entry>
  /** Pages that are gone, or are not what they should be. What lies under them is not in `entries`. */
  readonly missing: ReadonlyArray<Record.Target>
  /** Page reads one after another. */
  readonly depth: number
  /** Whether there is more than the limit. */
  readonly isCut: boolean
}

/** The addresses of a tree's pages, parents first. */
export interface Reachable {
  readonly targets: ReadonlyArray<Record.Target>
  /** Of these, inner pages that are gone or invalid: what lies under them cannot be named. */
  readonly missing: ReadonlyArray<Record.Target>
  /** Whether there is more than the limit. */
  readonly isCut: boolean
}

interface WalkOptions {
  readonly limit: number
  /** Whether pages of height 0 are read, and not only named. */
  readonly withLeaves: boolean
  /** Targets in hex of pages that are left out, with all that lies under them. */
  readonly except?: ReadonlySet<string>
}

/** Inner pages other than the last of a level have two children or more: so many pages of a height can stand over `limit` entries. */
const pagesMax = (height: number, limit: number): number => Math.floor((limit - 1) / 2 ** height) + 1

const walk = Effect.fnUntraced(function* (root: Record.Target, { except, limit, withLeaves }: WalkOptions) {
  const targets: Array<Record.Target> = []
  const missing: Array<Record.Target> = []
  const entries: Array<TreePage.Entry> = []
  let isCut = false
  let depth = 0
  const isWanted = ({ target }: TreePage.Ref) => except === undefined || !except.has(Hex.encode(target))
  let refs: ReadonlyArray<TreePage.Ref> = [TreePage.rootRef(root)].filter(isWanted)
  while (refs.length > 0) {
    for (const { target } of refs) targets.push(target)
    if (refs[0]!.height === 0 && !withLeaves) break
    const pages = yield* Effect.forEach(refs, depth === 0 ? readRoot : readAnother, { concurrency: READS_AT_ONCE })
    depth++
    const next: Array<TreePage.Ref> = []
    for (const [at, page] of pages.entries()) {
      const ref = refs[at]!
      if (page === undefined) missing.push(ref.target)
      else if (page.height === 0) entries.push(...page.entries)
      else if (next.length <= pagesMax(page.height - 1, limit)) next.push(...TreePage.children(page, ref))
    }
    const most = next.length === 0 ? 0 : pagesMax(next[0]!.height!, limit)
    isCut ||= next.length > most
    refs = next.slice(0, most).filter(isWanted)
  }
  isCut ||= entries.length > limit
  return { targets, missing, depth, isCut, entries: entries.slice(0, limit) }
})

/** `undefined` for a page that is gone or invalid. Where the root cannot even be asked for, nothing can. */
const readRoot = (ref: TreePage.Ref) => TreeRead.load(ref).pipe(Effect.catchTag("TreeError", () => Effect.undefined))

/** A failure to ask for one page takes nothing from the others. */
const readAnother = (ref: TreePage.Ref) => readRoot(ref).pipe(Effect.catchTag("DhtError", () => Effect.undefined))

/**
 * Whatever can be read of a tree, up to `limit` entries, {@link READS_AT_ONCE} pages at a time. Fails
 * only where the own store or, for the root, the DHT does.
 */
export const collect = Effect.fn("Tree.collect")(function* (root: Record.Target, options: { readonly limit: number }) {
  const { depth, entries, isCut, missing } = yield* walk(root, { limit: options.limit, withLeaves: true })
  return { entries, missing, depth, isCut } satisfies Collected
})

/** Every page of a tree, for whoever keeps it alive; fails as {@link collect}. Pages of height 0 are named without being read. */
export const reachable = Effect.fn("Tree.reachable")(function* (
  root: Record.Target,
  options?: { readonly limit?: number | undefined }
) {
  const limit = options?.limit ?? TreePage.ENTRIES_MAX
  const { isCut, missing, targets } = yield* walk(root, { limit, withLeaves: false })
  return { targets, missing, isCut } satisfies Reachable
})

/**
 * As {@link collect}, but without the pages that `base` has too. Of two trees that are mostly alike
 * that leaves a few pages: all entries in which they differ, and some around them.
 */
export const difference = Effect.fn("Tree.difference")(function* (
  root: Record.Target,
  base: Record.Target,
  options: { readonly limit: number }
) {
  const { targets } = yield* walk(base, { limit: options.limit, withLeaves: false })
  const except = new Set(targets.map((target) => Hex.encode(target)))
  const { depth, entries, isCut, missing } = yield* walk(root, { limit: options.limit, withLeaves: true, except })
  return { entries, missing, depth, isCut } satisfies Collected
})
