/**
 * One step for one item: ask the network who holds it, and put it where that is wanted. A record that
 * the network has a newer one of is replaced by it, and the shared record of a name is only ever put
 * as the network holds it, after the claims that it lacks were merged into it.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type { PackageName } from "../core/PackageName.ts"
import { type Answer, Dht } from "../dht/Dht.ts"
import { PageStore } from "../dht/PageStore.ts"
import * as Record from "../dht/Record.ts"
import { RecordStore } from "../dht/RecordStore.ts"
import * as TreePage from "../dht/TreePage.ts"
import * as NameIndex from "./NameIndex.ts"
import * as NameIndexMemory from "./NameIndexMemory.ts"
import * as RePutNews from "./RePutNews.ts"
import type { Item, NameItem, PageItem, RecordItem } from "./RePutItem.ts"

/** What came of a visit. `holders` is how many nodes held the item before; `undefined` where nobody asked or could tell. */
export interface Visited {
  readonly holders: number | undefined
  /** Whether the network was asked. */
  readonly isLook: boolean
  /** Whether it was written. */
  readonly isPut: boolean
  /** Nodes that hold it after a put, as far as they can be told. */
  readonly acks: number | undefined
  /** Sequence number of the newer record that took its place. */
  readonly supersededBy: number | undefined
  /** Whether claims were put back that the network lacked. */
  readonly isMended: boolean
  /** `gone`: no longer held here. `missing`: nobody has it. `blank`: a name of which no claims are known. */
  readonly absence: "none" | "gone" | "missing" | "blank"
  /** Whether a page was fetched that this host lacked. */
  readonly isFetched: boolean
}

const nothing: Visited = {
  holders: undefined,
  isLook: false,
  isPut: false,
  acks: undefined,
  supersededBy: undefined,
  isMended: false,
  absence: "none",
  isFetched: false
}

export interface Orders {
  /** Without a look the item is put, whoever holds it. */
  readonly looks: boolean
  /** Whether to put what so many nodes hold. */
  readonly wants: (holders: number | undefined) => boolean
}

/** A layer that found a value but names nobody cannot tell who holds it. */
const countOf = ({ responders, value }: Answer<unknown>): number | undefined =>
  Option.isNone(value) ? 0 : responders.length === 0 ? undefined : responders.length

/** Nodes that were just seen to hold the item need not acknowledge it again. */
const taken = (visited: Visited, acks: number): Visited => ({
  ...visited,
  isPut: true,
  acks: Math.max(acks, visited.holders ?? 0)
})

/** `onNewer` is told of the record that the network has instead of an older one. */
const putRecord = Effect.fnUntraced(function* <E, R>(
  record: Record.Record,
  visited: Visited,
  onNewer: (newer: Record.Record) => Effect.Effect<void, E, R>
) {
  const dht = yield* Dht
  return yield* dht.put(record).pipe(
    Effect.map(({ acks }) => taken(visited, acks)),
    Effect.catchIf(
      (error) => error.reason._tag === "StaleSeq",
      () =>
        Effect.gen(function* () {
          const answer = yield* dht.lookup(record.publicKey, record.salt)
          if (Option.isSome(answer.value)) yield* onNewer(answer.value.value)
          const supersededBy = Option.match(answer.value, { onNone: () => record.seq, onSome: ({ seq }) => seq })
          return { ...visited, isLook: true, holders: countOf(answer), supersededBy }
        })
    )
  )
})

const visitRecord = Effect.fnUntraced(function* (item: RecordItem, orders: Orders) {
  const dht = yield* Dht
  const store = yield* RecordStore
  const held = Option.getOrUndefined(yield* store.find(item.publicKey, item.salt))
  if (held === undefined) return { ...nothing, absence: "gone" } satisfies Visited
  const onNewer = (newer: Record.Record) => RePutNews.note(item, held, newer)
  if (!orders.looks) return yield* putRecord(held, nothing, onNewer)
  const answer = yield* dht.lookup(item.publicKey, item.salt)
  const found = Option.getOrUndefined(answer.value)
  const isOther = found !== undefined && !Record.isSame(held, found)
  const isNews = isOther && RePutNews.mayReplace(item) && Record.newer(held, found) === found
  if (isOther) yield* RePutNews.note(item, held, found)
  const current = isNews ? found : held
  const visited: Visited = {
    ...nothing,
    isLook: true,
    // Nodes that hold an older one do not hold this one.
    holders: found === undefined || Record.isSame(current, found) ? countOf(answer) : 0,
    supersededBy: isNews ? current.seq : undefined
  }
  return orders.wants(visited.holders) ? yield* putRecord(current, visited, onNewer) : visited
})

/** Whether there is anything to put back: who took a package from a known publisher never met the claims on its name. */
const hasClaims = Effect.fnUntraced(function* (name: PackageName) {
  const { claims } = yield* NameIndexMemory.recall(yield* NameIndexMemory.placeOf(name))
  return claims.size > 0
})

const visitName = Effect.fnUntraced(function* (item: NameItem, orders: Orders) {
  const dht = yield* Dht
  const before = yield* dht.lookup(item.publicKey, item.salt)
  if (Option.isNone(before.value) && !(yield* hasClaims(item.name))) {
    return { ...nothing, absence: "blank" } satisfies Visited
  }
  const record = yield* NameIndex.mend(item.name)
  const isMended = !Option.exists(before.value, (found) => Record.isSame(found, record))
  if (isMended) {
    const after = yield* dht.lookup(item.publicKey, item.salt)
    return { ...nothing, isMended, isPut: true, acks: countOf(after) } satisfies Visited
  }
  const visited: Visited = { ...nothing, isLook: true, holders: countOf(before) }
  // What others wrote there meanwhile is not ours to keep: the claims in it are, and the next reading takes them.
  return !orders.looks || orders.wants(visited.holders) ? yield* putRecord(record, visited, () => Effect.void) : visited
})

/** Whoever signed a root can point it at anything; only pages of trees are worth a place here. */
const isPage = (bytes: Uint8Array): boolean => Result.isSuccess(TreePage.decode(bytes))

const visitPage = Effect.fnUntraced(function* (item: PageItem, orders: Orders) {
  const dht = yield* Dht
  const store = yield* PageStore
  const held = Option.getOrUndefined(yield* store.find(item.at))
  const answer = orders.looks || held === undefined ? yield* dht.lookupImmutable(item.at) : undefined
  const page = held ?? Option.getOrUndefined(Option.filter(answer?.value ?? Option.none(), isPage))
  const visited: Visited = {
    ...nothing,
    isLook: answer !== undefined,
    holders: answer === undefined ? undefined : countOf(answer),
    isFetched: held === undefined && page !== undefined
  }
  if (page === undefined) return { ...visited, absence: "missing" } satisfies Visited
  if (visited.isFetched) yield* store.keep([page])
  if (orders.looks && !orders.wants(visited.holders)) return visited
  const { acks } = yield* dht.putImmutable(page)
  return taken(visited, acks)
})

/** Fails with whatever the network or a store failed with. */
export const visit = Effect.fnUntraced(function* (item: Item, orders: Orders) {
  switch (item._tag) {
    case "Record":
      return yield* visitRecord(item, orders)
    case "Name":
      return yield* visitName(item, orders)
    case "Page":
      return yield* visitPage(item, orders)
  }
})
