/**
 * Moves about in a tree that is being changed: to the page of some height that holds a key, and from
 * it to its neighbours. Pages are read when they are first come to, and once.
 */
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import type { Dht } from "./Dht.ts"
import type { DhtError } from "./DhtError.ts"
import type { PageStore, PageStoreError } from "./PageStore.ts"
import type * as Record from "./Record.ts"
import type { TreeError } from "./TreeError.ts"
import * as TreePage from "./TreePage.ts"
import * as TreeRead from "./TreeRead.ts"

/** A page that was read, and the way to it. */
export interface Place {
  readonly page: TreePage.Page
  readonly ref: TreePage.Ref
  readonly parent: Place | undefined
  /** Position of its entry in the parent. */
  readonly at: number
}

type Reading<A> = Effect.Effect<A, TreeError | DhtError | PageStoreError, Dht | PageStore>

export interface Walker {
  readonly root: Place
  /** The page of this height, at most the root's, in which `key` is, or would be. */
  readonly locate: (height: number, key: Uint8Array) => Reading<Place>
  readonly next: (place: Place) => Reading<Place | undefined>
  readonly previous: (place: Place) => Reading<Place | undefined>
  readonly child: (parent: Place, at: number) => Reading<Place>
}

export const make = Effect.fnUntraced(function* (target: Record.Target) {
  const read = new Map<string, Reading<TreePage.Page>>()

  const load = Effect.fnUntraced(function* (ref: TreePage.Ref) {
    const key = Hex.encode(ref.target)
    const known = read.get(key)
    if (known !== undefined) return yield* known
    const reading = yield* Effect.cached(TreeRead.load(ref))
    read.set(key, reading)
    return yield* reading
  })

  const child = Effect.fnUntraced(function* (parent: Place, at: number) {
    const ref = TreePage.childRef(parent.page, parent.ref, at)
    return { page: yield* load(ref), ref, parent, at } satisfies Place
  })

  const ref = TreePage.rootRef(target)
  const root: Place = { page: yield* load(ref), ref, parent: undefined, at: 0 }

  const locate = Effect.fnUntraced(function* (height: number, key: Uint8Array) {
    let place = root
    while (place.page.height > height) {
      // A key before all others belongs to the first page.
      place = yield* child(place, Math.max(0, TreePage.position(place.page.entries, key)))
    }
    return place
  })

  /** The neighbour `step` pages on, in the same level: up until there is one in that direction, and down its near edge. */
  const neighbour = (place: Place, step: 1 | -1): Reading<Place | undefined> =>
    Effect.gen(function* () {
      if (place.parent === undefined) return undefined
      const at = place.at + step
      if (at >= 0 && at < place.parent.page.entries.length) return yield* child(place.parent, at)
      const parent = yield* neighbour(place.parent, step)
      return parent === undefined ? undefined : yield* child(parent, step > 0 ? 0 : parent.page.entries.length - 1)
    })

  return {
    root,
    locate,
    child,
    next: (place) => neighbour(place, 1),
    previous: (place) => neighbour(place, -1)
  } satisfies Walker as Walker
})
