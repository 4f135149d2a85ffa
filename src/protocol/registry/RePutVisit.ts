/**
 * One step for one item: ask the network who holds it, and put it where that is wanted. A record that
 * the network has a newer one of is replaced by it, and the shared record of a name is only ever put
 * as the network holds it, after the claims that it lacks were merged into it.
 *
 * A look that hardly anybody answered says nothing: then only what is put whoever holds it is put.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type { PackageName } from "../core/PackageName.ts"
import { type Answer, Dht, type Holders, type PutReceipt } from "../dht/Dht.ts"
import type { DhtError } from "../dht/DhtError.ts"
import { PageStore } from "../dht/PageStore.ts"
import * as Record from "../dht/Record.ts"
import { RecordStore } from "../dht/RecordStore.ts"
import * as TreePage from "../dht/TreePage.ts"
import * as NameIndex from "./NameIndex.ts"
import * as NameIndexMemory from "./NameIndexMemory.ts"
import * as RePutNews from "./RePutNews.ts"
import type { Item, NameItem, PageItem, RecordItem } from "./RePutItem.ts"

/** Who holds an item: how many, and their names (`host:port`) as far as the layer tells them. */
export interface Found {
  readonly count: number
  readonly nodes: ReadonlyArray<string>
}

/** What came of a visit. */
export interface Visited {
  /** Who held the item before; `undefined` where nobody asked, nobody answered, or the layer cannot tell. */
  readonly holders: Found | undefined
  /** Whether the network was asked, and answered. */
  readonly isLook: boolean
  /** Whether it was written. */
  readonly isPut: boolean
  /** Who holds it after a put; `undefined` where the layer cannot tell. */
  readonly keepers: Found | undefined
  /** Sequence number of the newer record that took its place. */
  readonly supersededBy: number | undefined
  /** Whether claims were put back that the network lacked. */
  readonly isMended: boolean
  /**
   * `gone`: no longer held here. `missing`: nobody has it. `blank`: a name of which no claims are known. `unheard`: too
   * few nodes answered to know anything.
   */
  readonly absence: "none" | "gone" | "missing" | "blank" | "unheard"
  /** Whether a page was fetched that this host lacked. */
  readonly isFetched: boolean
}

const nothing: Visited = {
  holders: undefined,
  isLook: false,
  isPut: false,
  keepers: undefined,
  supersededBy: undefined,
  isMended: false,
  absence: "none",
  isFetched: false
}

const unheard: Visited = { ...nothing, absence: "unheard" }

export interface Orders {
  /** Without a look the item is put, whoever holds it. */
  readonly looks: boolean
  /** Whether to put what these nodes hold; of what nobody knows who holds it, `undefined`. */
  readonly wants: (holders: Found | undefined) => boolean
  /** Nodes that should hold it after a put. */
  readonly minAcks: number
}

/** Answers that say who holds an item: as many as say that nobody does. Fewer have to be half of those asked. */
const ANSWERS_MIN = 8

const isHeard = ({ answered, asked }: { readonly asked?: number; readonly answered?: number }): boolean =>
  asked === undefined || answered === undefined || answered >= ANSWERS_MIN || 2 * answered >= asked

/** A layer that found a value but names nobody cannot tell who holds it. */
const namedIn = ({ responders, value }: Answer<unknown>): Found | undefined =>
  Option.isSome(value) && responders.length === 0 ? undefined : { count: responders.length, nodes: responders }

/** Who holds this version; a layer that asks no nodes cannot tell. */
const holdersIn = ({ asked, holders }: Holders, seq: number): Found | undefined => {
  const nodes = holders.filter((holder) => holder.seq === seq).map(({ node }) => node)
  return asked === 0 ? undefined : { count: nodes.length, nodes }
}

/** Of so few answers that they say nothing, `None`. */
const heard = <A extends { readonly asked?: number; readonly answered?: number }, R>(
  look: Effect.Effect<A, DhtError, R>
): Effect.Effect<Option.Option<A>, DhtError, R> =>
  look.pipe(
    Effect.map(Option.liftPredicate(isHeard)),
    Effect.catchIf(
      ({ reason }) => reason._tag === "TooFewAnswers",
      () => Effect.succeedNone
    )
  )

/** Nodes that were just seen to hold the item need not acknowledge it again. */
const taken = (visited: Visited, { acks, stored }: PutReceipt): Visited => {
  const nodes = [...new Set([...stored, ...(visited.holders?.nodes ?? [])])]
  const count = Math.max(acks, visited.holders?.count ?? 0, nodes.length)
  return { ...visited, isPut: true, absence: "none", keepers: { count, nodes } }
}

/** `onNewer` is told of the record that the network has instead of an older one. */
const putRecord = Effect.fnUntraced(function* <E, R>(
  record: Record.Record,
  visited: Visited,
  { minAcks }: Orders,
  onNewer: (newer: Record.Record) => Effect.Effect<void, E, R>
) {
  const dht = yield* Dht
  return yield* dht.put(record, { minAcks }).pipe(
    Effect.map((receipt) => taken(visited, receipt)),
    Effect.catchIf(
      (error) => error.reason._tag === "StaleSeq",
      () =>
        Effect.gen(function* () {
          const answer = yield* dht.lookup(record.publicKey, record.salt)
          if (Option.isSome(answer.value)) yield* onNewer(answer.value.value)
          const supersededBy = Option.match(answer.value, { onNone: () => record.seq, onSome: ({ seq }) => seq })
          const holders = namedIn(answer)
          return { ...visited, isLook: true, absence: "none", holders, supersededBy } satisfies Visited
        })
    )
  )
})

/** A look-up and not the query for holders: a newer record, or a rival of this one, is to be noticed as well. */
const visitRecord = Effect.fnUntraced(function* (item: RecordItem, orders: Orders) {
  const dht = yield* Dht
  const store = yield* RecordStore
  const held = Option.getOrUndefined(yield* store.find(item.publicKey, item.salt))
  if (held === undefined) return { ...nothing, absence: "gone" } satisfies Visited
  const onNewer = (newer: Record.Record) => RePutNews.note(item, held, newer)
  if (!orders.looks) return yield* putRecord(held, nothing, orders, onNewer)
  const answer = Option.getOrUndefined(yield* heard(dht.lookup(item.publicKey, item.salt)))
  if (answer === undefined) return orders.wants(undefined) ? yield* putRecord(held, unheard, orders, onNewer) : unheard
  const found = Option.getOrUndefined(answer.value)
  const isOther = found !== undefined && !Record.isSame(held, found)
  const isNews = isOther && RePutNews.mayReplace(item) && Record.newer(held, found) === found
  if (isOther) yield* RePutNews.note(item, held, found)
  const current = isNews ? found : held
  const visited: Visited = {
    ...nothing,
    isLook: true,
    // Nodes that hold an older one do not hold this one.
    holders: found === undefined || Record.isSame(current, found) ? namedIn(answer) : { count: 0, nodes: [] },
    supersededBy: isNews ? current.seq : undefined
  }
  return orders.wants(visited.holders) ? yield* putRecord(current, visited, orders, onNewer) : visited
})

/** Whether there is anything to put back: who took a package from a known publisher never met the claims on its name. */
const hasClaims = Effect.fnUntraced(function* (name: PackageName) {
  const { claims } = yield* NameIndexMemory.recall(yield* NameIndexMemory.placeOf(name))
  return claims.size > 0
})

const visitName = Effect.fnUntraced(function* (item: NameItem, orders: Orders) {
  const dht = yield* Dht
  const before = Option.getOrUndefined(yield* heard(dht.lookup(item.publicKey, item.salt)))
  if (before === undefined) return unheard
  if (Option.isNone(before.value) && !(yield* hasClaims(item.name))) {
    return { ...nothing, absence: "blank" } satisfies Visited
  }
  const record = yield* NameIndex.mend(item.name)
  const isMended = !Option.exists(before.value, (found) => Record.isSame(found, record))
  if (isMended) {
    const after = yield* dht.holders(item.publicKey, item.salt)
    return { ...nothing, isMended, isPut: true, keepers: holdersIn(after, record.seq) } satisfies Visited
  }
  const visited: Visited = { ...nothing, isLook: true, holders: namedIn(before) }
  if (orders.looks && !orders.wants(visited.holders)) return visited
  // What others wrote there meanwhile is not ours to keep: the claims in it are, and the next reading takes them.
  return yield* putRecord(record, visited, orders, () => Effect.void)
})

/** Whoever signed a root can point it at anything; only pages of trees are worth a place here. */
const isPage = (bytes: Uint8Array): boolean => Result.isSuccess(TreePage.decode(bytes))

/** A page that nobody here holds: the network is asked for it. */
const fetchPage = Effect.fnUntraced(function* ({ at }: PageItem) {
  const dht = yield* Dht
  const store = yield* PageStore
  const answer = Option.getOrUndefined(yield* heard(dht.lookupImmutable(at)))
  if (answer === undefined) return { visited: unheard, page: undefined }
  const page = Option.getOrUndefined(Option.filter(answer.value, isPage))
  if (page === undefined) return { visited: { ...nothing, isLook: true, absence: "missing" } satisfies Visited, page }
  yield* store.keep([page])
  return { visited: { ...nothing, isLook: true, isFetched: true, holders: namedIn(answer) } satisfies Visited, page }
})

/** What a page says is known from its hash: it is enough to ask who holds it. */
const lookAtPage = Effect.fnUntraced(function* ({ at }: PageItem) {
  const dht = yield* Dht
  return Option.match(yield* heard(dht.holdersImmutable(at)), {
    onNone: (): Visited => unheard,
    onSome: (answer): Visited => ({ ...nothing, isLook: true, holders: holdersIn(answer, 0) })
  })
})

const visitPage = Effect.fnUntraced(function* (item: PageItem, orders: Orders) {
  const dht = yield* Dht
  const store = yield* PageStore
  const held = Option.getOrUndefined(yield* store.find(item.at))
  const { page, visited } =
    held === undefined
      ? yield* fetchPage(item)
      : { page: held, visited: orders.looks ? yield* lookAtPage(item) : nothing }
  if (page === undefined) return visited
  if (orders.looks && !orders.wants(visited.holders)) return visited
  return taken(visited, yield* dht.putImmutable(page, { minAcks: orders.minAcks }))
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
