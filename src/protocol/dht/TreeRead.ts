/**
 * Reads trees page by page: from the pages held here, then from the DHT. Nothing that a page says is
 * used before its hash, its form and its place in the tree are checked, and the work is bounded by
 * the number of entries that the caller allows, so that a hostile tree costs no more than an honest one.
 */
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { Dht } from "./Dht.ts"
import type { DhtError } from "./DhtError.ts"
import { PageStore, type PageStoreError } from "./PageStore.ts"
import * as Record from "./Record.ts"
import { InvalidPage, MissingPage, TreeError, TreeTooLarge } from "./TreeError.ts"
import * as TreePage from "./TreePage.ts"

/** Pages of each height that a listing reads ahead. */
export const READ_AHEAD = 4

const fail = (reason: TreeError["reason"]) => new TreeError({ reason })

const hasTarget = (target: Record.Target) => (bytes: Uint8Array) =>
  Bytes.Equivalence(Record.immutableTargetOf(bytes), target)

/** The bytes of a page, whose hash is right. */
const fetch = Effect.fnUntraced(function* (target: Record.Target) {
  const store = yield* PageStore
  const held = Option.filter(yield* store.find(target), hasTarget(target))
  if (Option.isSome(held)) return held
  const dht = yield* Dht
  return Option.filter(yield* dht.getImmutable(target), hasTarget(target))
})

/** The page at `ref`, checked against its place. Fails with `MissingPage` or `InvalidPage`. */
export const load = Effect.fnUntraced(function* (ref: TreePage.Ref) {
  const target = Hex.encode(ref.target)
  const bytes = yield* fetch(ref.target)
  if (Option.isNone(bytes)) return yield* fail(new MissingPage({ target }))
  const decoded = TreePage.decode(bytes.value)
  if (Result.isFailure(decoded)) return yield* fail(new InvalidPage({ target, problem: decoded.failure }))
  const problem = TreePage.misfit(decoded.success, ref)
  if (problem !== undefined) return yield* fail(new InvalidPage({ target, problem }))
  return decoded.success
})

/** The value under `key`, by one page read for each level. */
export const get = Effect.fn("Tree.get")(function* (root: Record.Target, key: Uint8Array) {
  let ref = TreePage.rootRef(root)
  for (;;) {
    const page: TreePage.Page = yield* load(ref)
    const at = TreePage.position(page.entries, key)
    const entry = page.entries[at]
    if (entry === undefined) return Option.none<Uint8Array>()
    if (page.height === 0) return Bytes.Equivalence(entry.key, key) ? Option.some(entry.value) : Option.none()
    ref = TreePage.childRef(page, ref, at)
  }
})

/** `from` ≤ key < `to`; without them from the first, to the last. */
export interface Range {
  readonly from?: Uint8Array | undefined
  readonly to?: Uint8Array | undefined
}

const isBefore = (self: Uint8Array | undefined, that: Uint8Array | undefined): boolean =>
  self === undefined || that === undefined || Bytes.Order(self, that) < 0

const childrenWithin = (page: TreePage.Page, ref: TreePage.Ref, { from, to }: Range): ReadonlyArray<TreePage.Ref> =>
  TreePage.children(page, ref).filter((child) => isBefore(child.first, to) && isBefore(from, child.below))

const entriesWithin = ({ entries }: TreePage.Page, { from, to }: Range): ReadonlyArray<TreePage.Entry> =>
  from === undefined && to === undefined
    ? entries
    : entries.filter(({ key }) => isBefore(key, to) && (from === undefined || Bytes.Order(from, key) <= 0))

interface Loaded {
  readonly page: TreePage.Page
  readonly ref: TreePage.Ref
}

const loadAt = (ref: TreePage.Ref) => Effect.map(load(ref), (page): Loaded => ({ page, ref }))

/**
 * The entries in the order of their keys, read as they are asked for and a little ahead. Only pages
 * that reach into the range are read. Fails with `TreeTooLarge` after `limit` entries (by default
 * {@link TreePage.ENTRIES_MAX}), and with `MissingPage` or `InvalidPage` where it comes to one.
 */
export const entries = (
  root: Record.Target,
  options?: Range & { readonly limit?: number | undefined }
): Stream.Stream<TreePage.Entry, TreeError | DhtError | PageStoreError, Dht | PageStore> => {
  const range = options ?? {}
  const limit = options?.limit ?? TreePage.ENTRIES_MAX
  const below = (pages: Stream.Stream<Loaded, TreeError | DhtError | PageStoreError, Dht | PageStore>) =>
    pages.pipe(
      Stream.flatMap(({ page, ref }) => Stream.fromArray(childrenWithin(page, ref, range))),
      Stream.mapEffect(loadAt, { concurrency: READ_AHEAD })
    )
  return Stream.unwrap(
    Effect.map(loadAt(TreePage.rootRef(root)), (top) => {
      let pages: ReturnType<typeof below> = Stream.succeed(top)
      for (let height = top.page.height; height > 0; height--) pages = below(pages)
      return pages.pipe(
        Stream.flatMap(({ page }) => Stream.fromArray(entriesWithin(page, range))),
        Stream.mapAccumArrayEffect(
          () => 0,
          (count, found) => {
            const total = count + found.length
            return total > limit
              ? Effect.fail(fail(new TreeTooLarge({ root: Hex.encode(root), limit })))
              : Effect.succeed([total, found] as const)
          }
        )
      )
    })
  )
}
