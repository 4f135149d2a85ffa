/**
 * What this host has to keep alive: read from its stores, again and again, since they change while it
 * runs. Trees are followed from the roots in held records through the pages held here; a page that is
 * lacking becomes an item too, and what lies under it is found once it was fetched.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type { Ed25519 } from "../core/Ed25519.ts"
import type { PackageName } from "../core/PackageName.ts"
import * as KeyString from "../dht/KeyString.ts"
import { PageStore } from "../dht/PageStore.ts"
import type * as Record from "../dht/Record.ts"
import { RecordStore } from "../dht/RecordStore.ts"
import * as TreePage from "../dht/TreePage.ts"
import * as RePutItem from "./RePutItem.ts"

/** Pages of one tree that are kept alive: those of 100,000 packages even if all names were as long as they may be. */
export const TREE_PAGES_MAX = 70_000

/** How long a page stays that no held record reaches: a publisher's record may be about to follow it. */
export const PAGE_GRACE = Duration.days(2)

/** The same while an inner page is lacking: what it reaches cannot be known, and this may be the last copy. */
export const PAGE_GRACE_BLIND = Duration.days(30)

/** A tree as far as it was followed. */
interface Growth {
  /** Its pages by target (hex). */
  readonly pages: Map<string, Record.Target>
  /** Those of them that were not looked into yet, because they are not held here. */
  open: ReadonlyArray<TreePage.Ref>
}

export interface Scan {
  readonly items: ReadonlyMap<string, RePutItem.Item>
  readonly dropped: number
}

const growthOf = (root: Record.Target): Growth => ({
  pages: new Map([[Hex.encode(root), root]]),
  open: [TreePage.rootRef(root)]
})

/** Where an inner page, or one that may be, is not held here. */
const isBlind = ({ open }: Growth): boolean => open.some(({ height }) => height !== 0)

/** Follows a tree through the pages held here. What is no page where it stands is not kept alive. */
const grow = Effect.fnUntraced(function* (growth: Growth) {
  const store = yield* PageStore
  let refs = growth.open
  const lacking: Array<TreePage.Ref> = []
  while (refs.length > 0) {
    const found: Array<TreePage.Ref> = []
    for (const ref of refs) {
      const bytes = yield* store.find(ref.target)
      if (Option.isNone(bytes)) {
        lacking.push(ref)
        continue
      }
      const page = Result.getOrUndefined(TreePage.decode(bytes.value))
      if (page === undefined || TreePage.misfit(page, ref) !== undefined) growth.pages.delete(Hex.encode(ref.target))
      else if (page.height > 0) found.push(...page.entries.map((_, at) => TreePage.childRef(page, ref, at)))
    }
    refs = found.slice(0, TREE_PAGES_MAX - growth.pages.size)
    for (const { target } of refs) growth.pages.set(Hex.encode(target), target)
  }
  growth.open = lacking
})

/** A reader of the stores that remembers what it found out: trees that are whole, and keys of names. */
export const make = Effect.gen(function* () {
  const records = yield* RecordStore
  const pageStore = yield* PageStore
  const context = yield* Effect.context<PageStore | Ed25519>()
  const trees = new Map<string, Growth>()
  const names = new Map<PackageName, RePutItem.NameItem>()
  const described = new WeakMap<Record.Record, RePutItem.Described>()
  const unreachedSince = new Map<string, number>()

  /** Hashes several key strings, which a store that keeps records in memory need not pay for every time. */
  const describe = (record: Record.Record): RePutItem.Described => {
    const known = described.get(record) ?? RePutItem.describe(record)
    described.set(record, known)
    return known
  }

  const nameItem = Effect.fnUntraced(function* (name: PackageName) {
    const known = names.get(name)
    if (known !== undefined) return known
    const { publicKey } = yield* KeyString.nameKeyOf(KeyString.nameIndex(name))
    const item = RePutItem.ofName(name, publicKey)
    names.set(name, item)
    return item
  })

  const followTrees = Effect.fnUntraced(function* (roots: ReadonlyMap<string, Record.Target>) {
    for (const root of trees.keys()) if (!roots.has(root)) trees.delete(root)
    for (const [key, root] of roots) {
      const growth = trees.get(key) ?? growthOf(root)
      trees.set(key, growth)
      if (growth.open.length > 0) yield* grow(growth)
    }
  })

  /** Forgets pages that were out of every tree's reach for long enough. */
  const dropUnreached = Effect.fnUntraced(function* (reached: ReadonlyMap<string, RePutItem.Item>, now: number) {
    const held = new Map((yield* pageStore.targets).map((target) => [Hex.encode(target), target]))
    const graceMs = Duration.toMillis([...trees.values()].some(isBlind) ? PAGE_GRACE_BLIND : PAGE_GRACE)
    for (const key of unreachedSince.keys()) {
      if (reached.has(key) || !held.has(key)) unreachedSince.delete(key)
    }
    const old: Array<Record.Target> = []
    for (const [key, target] of held) {
      if (reached.has(key)) continue
      const since = unreachedSince.get(key) ?? now
      unreachedSince.set(key, since)
      if (now - since >= graceMs) old.push(target)
    }
    if (old.length > 0) yield* pageStore.drop(old)
    return old.length
  })

  /** Everything that is held now, by target. Fails where a store cannot be read. */
  const scan = Effect.fnUntraced(function* (now: number) {
    const held = (yield* records.all).map(describe)
    const ofNames = yield* Effect.forEach(new Set(held.flatMap(({ name }) => name ?? [])), nameItem)
    const items = new Map<string, RePutItem.Item>(ofNames.map((item) => [item.target, item]))
    for (const { isForAll, item } of held) {
      if (isForAll && !items.has(item.target)) items.set(item.target, item)
    }
    const roots = held.flatMap(({ root }) => root ?? [])
    yield* followTrees(new Map(roots.map((root) => [Hex.encode(root), root])))
    for (const { pages } of trees.values()) {
      for (const [key, target] of pages) if (!items.has(key)) items.set(key, RePutItem.page(target))
    }
    return { items, dropped: yield* dropUnreached(items, now) } satisfies Scan
  })

  return { scan: (now: number) => Effect.provideContext(scan(now), context) }
})
