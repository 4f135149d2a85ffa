/**
 * Reads who publishes a name: the network's record with its tree, what peers under the name's topic
 * hand on, and what this host remembers, in one set of verified claims that is remembered in turn.
 *
 * Nothing in the shared record is believed but the publishers' own signatures, and whatever stands
 * there, reading it takes a bounded number of pages and signature checks.
 */
import * as Bytes from "effect/Bytes"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Option from "effect/Option"
import * as Deadline from "../core/Deadline.ts"
import type { PackageName } from "../core/PackageName.ts"
import { Dht } from "../dht/Dht.ts"
import type * as Record from "../dht/Record.ts"
import * as Transient from "../dht/Transient.ts"
import * as NameClaim from "./NameClaim.ts"
import * as NameIndexMemory from "./NameIndexMemory.ts"
import * as NameIndexRecord from "./NameIndexRecord.ts"
import { toRegistryError } from "./RegistryError.ts"
import * as TopicClaims from "./TopicClaims.ts"

/** Pages read from the network in one reading. 10,000 claims with the longest versions, two to a page, have under 5,800. */
export const PAGES_MAX = 6_000

/** How long a reader waits for the pages of a long list; those still missing then are read the next time. */
export const TREE_DEADLINE: Duration.Duration = Duration.seconds(20)

/** What is known of a name. All claims in it are signed by their publishers. */
export interface Snapshot {
  /** In the network, at peers or remembered; at most `CLAIMS_MAX`. */
  readonly claims: NameClaim.VerifiedClaims
  readonly inNetwork: NameClaim.VerifiedClaims
  /** The network's record, where there is one. */
  readonly record: Option.Option<Record.Record>
  /** Nodes that gave that record. */
  readonly responders: ReadonlyArray<string>
  /** Pages of its tree that were not to be had, or not in time: there may be more claims. */
  readonly missing: ReadonlyArray<Record.Target>
  /** Look-ups one after another: one, and one for each level of the tree. */
  readonly depth: number
  /** Valid claims that were left out because there are more than a name may have. */
  readonly dropped: number
  /** Package records of publishers in `claims` that peers gave, verified, by publisher (hex): for when the network lost them. */
  readonly packages: ReadonlyMap<string, Record.Record>
}

/** A snapshot, and what this host remembers after it. */
export interface View extends Snapshot {
  /** Whether other nodes hold another record under the number of this one: no holder of either takes the other. */
  readonly isContested: boolean
  readonly memory: NameIndexMemory.Memory
}

/** What the readings of one piece of work may still take of the network, all of them together. */
export interface Budget {
  /** Pages asked for. */
  asked: number
  /** Time left for reading trees, in ms. */
  leftMs: number
  /** Pages asked for in any case, however long they take, while none is missing. */
  readonly unhurried: number
  /** Times that a page (target in hex) was asked for and not there. */
  readonly absent: Map<string, number>
}

export const budgetOf = (deadline: Duration.Duration, unhurried = 0): Budget => ({
  asked: 0,
  leftMs: Duration.toMillis(deadline),
  unhurried,
  absent: new Map()
})

/** Times that one piece of work asks for a page that is not there. */
export const PAGE_TRIES = 3

/** Where more pages than these are not there, none of them is asked for again. */
export const ABSENT_MAX = 64

const mayAsk = ({ absent, asked }: Budget, key: string): boolean => {
  const times = absent.get(key) ?? 0
  return asked < PAGES_MAX && (times === 0 || (times < PAGE_TRIES && absent.size <= ABSENT_MAX))
}

/** Whether another reading may bring one of the missing pages. */
export const mayComeBack = (budget: Budget, missing: ReadonlyArray<Record.Target>): boolean =>
  budget.leftMs > 0 && missing.some((target) => mayAsk(budget, Hex.encode(target)))

/** Time for the pages of one reading, in ms. Half of what is left to the whole work is for what comes after. */
const timeFor = ({ leftMs }: Budget) =>
  Effect.map(Deadline.remaining, (remaining) => {
    const left = Option.getOrElse(remaining, () => Duration.infinity)
    return Math.min(leftMs, Duration.toMillis(left) / 2)
  })

/**
 * A `Dht` whose pages are missing once the budget is spent, whose time runs from the first page to
 * `close`: so a hostile tree is read in part and then left. A page that cannot be asked for hides no other.
 */
const bounded = (dht: Dht["Service"], budget: Budget) => {
  let began: number | undefined
  let time = 0
  const getImmutable = (target: Record.Target) =>
    Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      if (began === undefined) {
        began = now
        time = yield* timeFor(budget)
      }
      const key = Hex.encode(target)
      const remaining = began + time - now
      const isHurried = budget.asked >= budget.unhurried || budget.absent.size > 0
      if ((isHurried && remaining <= 0) || !mayAsk(budget, key)) return Option.none<Uint8Array>()
      budget.asked += 1
      const asking = Effect.orElseSucceed(dht.getImmutable(target), () => Option.none<Uint8Array>())
      const isBounded = isHurried && remaining !== Number.POSITIVE_INFINITY
      const page = isBounded ? Option.flatten(yield* Effect.timeoutOption(asking, remaining)) : yield* asking
      if (Option.isNone(page)) budget.absent.set(key, (budget.absent.get(key) ?? 0) + 1)
      return page
    })
  const close = Effect.map(Clock.currentTimeMillis, (now) => {
    if (began !== undefined) budget.leftMs = Math.max(0, budget.leftMs - (now - began))
    return began !== undefined
  })
  return { dht: Dht.of({ ...dht, getImmutable }), close }
}

/** Whether all that the record says was read from memory just now. */
const isRecalled = ({ value }: Record.Record, { contents, record }: NameIndexMemory.Recalled): boolean =>
  record !== undefined && contents.missing.length === 0 && Bytes.Equivalence(record.value, value)

/** What the own memory says, and what the network's record does. */
const unite = Effect.fnUntraced(function* (place: NameIndexMemory.Place, record: Option.Option<Record.Record>) {
  const memory = yield* NameIndexMemory.recall(place)
  if (Option.isNone(record)) return { memory, found: NameIndexRecord.noContents, inNetwork: NameIndexMemory.none }
  // Most reads bring the very bytes that are remembered.
  if (isRecalled(record.value, memory)) return { memory, found: memory.contents, inNetwork: memory.claims }
  const found = yield* NameIndexRecord.contents(record.value.value).pipe(Effect.mapError(toRegistryError))
  return { memory, found, inNetwork: yield* NameIndexMemory.verifyAll(place.name, found.claims, memory.claims) }
})

/** The network's record and the own memory, verified; nothing is remembered yet. */
const gather = Effect.fnUntraced(function* (place: NameIndexMemory.Place, budget: Budget) {
  const dht = yield* Dht
  const looking = Transient.retryRead(dht.lookup(place.nameKey.publicKey, place.salt))
  const { responders, rivals = [], value: record } = yield* Effect.mapError(looking, toRegistryError)
  const pages = bounded(dht, budget)
  const { found, inNetwork, memory } = yield* Effect.provideService(unite(place, record), Dht, pages.dht)
  const depth = (yield* pages.close) ? 1 + found.depth : 1
  const besides = rivals.flatMap(({ value }) => NameIndexRecord.parse(value).claims)
  const beside = yield* NameIndexMemory.verifyAll(place.name, besides, memory.claims)
  const isContested = rivals.length > 0
  return { record, responders, memory, inNetwork, beside, isContested, missing: found.missing, depth }
})

/** Reads, asks peers at the same time where there is a question, and remembers the union. */
export const readAt = Effect.fnUntraced(function* (
  place: NameIndexMemory.Place,
  question: TopicClaims.Question | undefined,
  budget: Budget
) {
  const gathering = gather(place, budget)
  const { answers, isImmediate } = question ?? TopicClaims.unasked
  const [gathered, answered] = isImmediate
    ? [yield* gathering, yield* answers]
    : yield* Effect.all([gathering, answers], { concurrency: "unbounded" })
  const { beside, depth, inNetwork, isContested, memory, missing, record, responders } = gathered
  const known = NameClaim.merge(NameClaim.merge(inNetwork, beside), memory.claims)
  const isAnswered = answered.length > 0
  const all = isAnswered ? yield* TopicClaims.withAnswers(place, known, answered) : known
  const claims = yield* NameIndexMemory.limited(place, all, memory.claims)
  const networkSeq = Option.match(record, { onNone: () => 0, onSome: ({ seq }) => seq })
  const remembered = yield* NameIndexMemory.remember(place, memory, { claims, networkSeq })
  const packages = isAnswered ? yield* TopicClaims.packagesFrom(place, claims, answered) : TopicClaims.noPackages
  const dropped = all.size - claims.size
  return {
    claims,
    inNetwork,
    record,
    responders,
    isContested,
    missing,
    depth,
    dropped,
    packages,
    memory: remembered
  } satisfies View
})

export interface ReadOptions {
  /**
   * Whether peers are asked too, at the same time as the network. Default true, since nobody can tell
   * an overwritten record from a whole one: whoever overwrites it may leave valid claims there. Where
   * the publisher is known already, there is nothing to wait for them for.
   */
  readonly askPeers?: boolean | undefined
  /** For the pages of a long list. Default {@link TREE_DEADLINE}. */
  readonly treeDeadline?: Duration.Input | undefined
}

/**
 * Unites the claims in the network, at peers and in the own memory, and remembers them. Fails where
 * the network cannot be asked or the own store not be used; whatever stands in the record is no failure.
 */
export const read = Effect.fnUntraced(function* (name: PackageName, options?: ReadOptions) {
  const place = yield* NameIndexMemory.placeOf(name)
  const deadline = options?.treeDeadline === undefined ? TREE_DEADLINE : Duration.fromInputUnsafe(options.treeDeadline)
  const question = options?.askPeers === false ? undefined : yield* TopicClaims.question(place)
  const snapshot: Snapshot = yield* readAt(place, question, budgetOf(deadline))
  return snapshot
})
