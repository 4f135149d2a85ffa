/**
 * Writes who publishes a name: reads, merges, puts with compare-and-swap, and reads again until the
 * network has all that is known. Racing writers lose a try, never a claim: each remembers the union
 * before it writes, and whoever comes next puts back what is missing.
 *
 * The record is never made smaller than what could be read of it, up to the claims that a name may have.
 */
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import type { PackageName } from "../core/PackageName.ts"
import * as Retry from "../core/Retry.ts"
import { Dht } from "../dht/Dht.ts"
import type { DhtError } from "../dht/DhtError.ts"
import * as Quorum from "../dht/Quorum.ts"
import * as Record from "../dht/Record.ts"
import * as Tree from "../dht/Tree.ts"
import * as NameClaim from "./NameClaim.ts"
import * as NameIndexMemory from "./NameIndexMemory.ts"
import { type Budget, budgetOf, mayComeBack, PAGE_TRIES, readAt, TREE_DEADLINE, type View } from "./NameIndexRead.ts"
import * as NameIndexRecord from "./NameIndexRecord.ts"
import { NameIndexBlocked, type RegistryError, toRegistryError } from "./RegistryError.ts"
import * as TopicClaims from "./TopicClaims.ts"

/** Tries of a write that others race. */
export const WRITE_TRIES = 6

/**
 * Pages that a write waits for as long as they take, while none is missing: a small name is read whole
 * before it is written. The deadline of its tree is for what is beyond.
 */
export const UNHURRIED_MIN = 64

/** Pages of the network's tree that a writer asks for to see whether they are there; of a larger one, some by lot. */
export const PROBES_MAX = 16

class LostRace {
  readonly _tag = "LostRace"
}

class PagesMissing {
  readonly _tag = "PagesMissing"
  readonly view: View
  constructor(view: View) {
    this.view = view
  }
}

/** Pauses of a writer that lost a try: long enough for the other one to finish, apart enough not to meet again. */
const RACE_PAUSES: Retry.Pauses = { base: "100 millis", factor: 2, maxPause: "3 seconds" }

/** Pauses before missing pages are asked for again. */
const PAGE_PAUSES: Retry.Pauses = { base: "400 millis", factor: 2, maxPause: "2 seconds" }

/** Reads until no page is missing, but not for ever: a root whose pages do not exist must not block the name. */
const readWhole = (place: NameIndexMemory.Place, question: TopicClaims.Question | undefined, budget: Budget) =>
  readAt(place, question, budget).pipe(
    Effect.flatMap((view) => (view.missing.length === 0 ? Effect.succeed(view) : Effect.fail(new PagesMissing(view)))),
    (attempt) =>
      Retry.transient(attempt, {
        ...PAGE_PAUSES,
        isTransient: (error) => error._tag === "PagesMissing" && mayComeBack(budget, error.view.missing),
        maxTries: PAGE_TRIES
      }),
    Effect.catchTag("PagesMissing", ({ view }) => Effect.succeed(view))
  )

const targetOf = (page: Uint8Array): string => Hex.encode(Record.immutableTargetOf(page))

/**
 * Puts those pages that the network lacks. Pages in `presumed` belong to a tree that was read, which
 * does not mean that the network had them, since own pages are read first, and anybody can name a root
 * without putting what is under it. So some of them are asked for, and if one is missing all are put.
 */
const putPages = Effect.fnUntraced(function* (
  pages: ReadonlyArray<Uint8Array>,
  presumed: ReadonlyArray<Uint8Array>,
  done: Set<string>
) {
  const dht = yield* Dht
  const isPresumed = new Set(presumed.map(targetOf))
  const lacking = pages.map((page) => ({ page, key: targetOf(page) })).filter(({ key }) => !done.has(key))
  const probed = (yield* Random.shuffle(lacking.filter(({ key }) => isPresumed.has(key)))).slice(0, PROBES_MAX)
  const found = yield* Effect.forEach(
    probed,
    ({ page }) => dht.getImmutable(Record.immutableTargetOf(page)).pipe(Effect.orElseSucceed(Option.none<Uint8Array>)),
    { concurrency: PROBES_MAX }
  )
  const put = found.every(Option.isSome) ? lacking.filter(({ key }) => !isPresumed.has(key)) : lacking
  yield* Tree.publish(put.map(({ page }) => page)).pipe(Effect.mapError(toRegistryError))
  for (const { key } of lacking) done.add(key)
})

const covers = (self: NameClaim.ClaimSet, that: NameClaim.ClaimSet): boolean =>
  NameClaim.equals(NameClaim.merge(self, that), self)

/** The pages of the record that was read, where it is the one that its claims make: they are known then, and where they are. */
const pagesInNetwork = ({ inNetwork, missing, record }: View): ReadonlyArray<Uint8Array> => {
  if (Option.isNone(record) || missing.length > 0 || inNetwork.size > NameIndexRecord.CLAIMS_MAX) return []
  const made = NameIndexRecord.make(inNetwork)
  return Bytes.Equivalence(made.value, record.value.value) ? made.pages : []
}

/** Lost where somebody wrote in between. */
const raced = (error: DhtError): LostRace | RegistryError =>
  error.reason._tag === "CasConflict" || error.reason._tag === "StaleSeq" ? new LostRace() : toRegistryError(error)

type Propose = (known: NameClaim.ClaimSet) => ReadonlyArray<NameClaim.NameClaim>

/** What one write has done so far, over all of its tries. */
interface Progress {
  /** Targets (hex) of pages that the network has by now. */
  readonly pages: Set<string>
  /** What is left for reading trees. */
  readonly budget: Budget
  sent: Record.Record | undefined
  /** Whether somebody waits to be told that enough nodes hold the record. */
  readonly isClaim: boolean
}

const blocked = ({ name }: NameIndexMemory.Place, problem: string) =>
  toRegistryError(new NameIndexBlocked({ package: name, problem }))

/** Reads the name, adds what `propose` makes of it, and remembers that before anything is written. */
const learn = Effect.fnUntraced(function* (
  place: NameIndexMemory.Place,
  propose: Propose,
  question: TopicClaims.Question | undefined,
  budget: Budget
) {
  const current = yield* readWhole(place, question, budget)
  const proposed = propose(current.claims)
  const own = yield* NameClaim.verifyAll(place.name, proposed, current.claims)
  if (own.size < proposed.length) {
    const subject = `the claim on "${place.name}"`
    const problem = "it is not signed by its publisher, or dated before it began"
    return yield* toRegistryError(new Record.InvalidRecord({ subject, problem }))
  }
  const networkSeq = Option.match(current.record, { onNone: () => 0, onSome: ({ seq }) => seq })
  const memory = yield* NameIndexMemory.remember(place, current.memory, { claims: own, first: own, networkSeq })
  const union = NameClaim.merge(current.claims, own)
  if (current.dropped === 0 && union.size <= NameIndexRecord.CLAIMS_MAX) {
    return { current, memory, union, urgent: undefined }
  }
  const backed = yield* NameIndexMemory.backed(place, union)
  const kept = NameIndexMemory.limit(place, union, [own, backed, current.memory.claims])
  return { current, memory, union: kept, urgent: NameClaim.merge(backed, own) }
})

/**
 * Puts a record again that the network has, for more nodes to hold it. Those that had it need not take it once more:
 * what counts is who holds it in the end.
 */
const spread = Effect.fnUntraced(function* (place: NameIndexMemory.Place, record: Record.Record) {
  const failed = yield* Quorum.put(record).pipe(Effect.as(undefined), Effect.catch(Effect.succeed))
  if (failed === undefined) return
  if (failed.reason._tag !== "TooFewAcks") return yield* Effect.fail(raced(failed))
  const dht = yield* Dht
  const found = yield* dht.lookup(record.publicKey, record.salt).pipe(Effect.mapError(toRegistryError))
  const isHeld = Option.exists(found.value, (held) => Record.isSame(held, record))
  const holders = Math.max(failed.reason.acks, isHeld ? found.responders.length : 0)
  const least = yield* Quorum.needed
  if (holders >= least) return
  return yield* blocked(place, `it stands, but only ${holders} of at least ${least} DHT nodes hold it`)
})

/** Puts the record of the union, with the pages that it needs, unless it stands there in these very bytes. */
const settle = Effect.fnUntraced(function* (
  place: NameIndexMemory.Place,
  inRecord: Record.Record | undefined,
  { current, memory, union }: Effect.Success<ReturnType<typeof learn>>,
  progress: Progress
) {
  const made = NameIndexRecord.make(union)
  // Of two records under one number neither spreads: that takes one above them.
  if (inRecord !== undefined && !current.isContested && Bytes.Equivalence(inRecord.value, made.value)) {
    yield* putPages(made.pages, made.pages, progress.pages)
    // Nodes that took an earlier try refused its repetition for its `cas`: this counts all of them. And whoever
    // put it before, cut off perhaps, may have reached no more nodes than it knew then.
    const isSent = progress.sent !== undefined && Record.isSame(inRecord, progress.sent)
    if (isSent || (progress.isClaim && current.responders.length < (yield* Quorum.needed))) {
      yield* spread(place, inRecord)
    }
    return inRecord
  }
  const seq = inRecord === undefined ? (memory.record?.seq ?? 1) : inRecord.seq + 1
  if (seq > Record.SEQ_MAX) {
    const problem = "somebody used up the sequence numbers of its shared record; peers still hand on its claims"
    return yield* blocked(place, problem)
  }
  yield* putPages(made.pages, pagesInNetwork(current), progress.pages)
  const record = Record.sign(place.nameKey, { salt: place.salt, seq, value: made.value })
  progress.sent = record
  yield* Quorum.put(record, inRecord === undefined ? {} : { cas: inRecord.seq }).pipe(Effect.mapError(raced))
  const after = yield* readAt(place, undefined, progress.budget)
  if (!covers(after.inNetwork, union)) return yield* Effect.fail(new LostRace())
  return Option.getOrElse(after.record, () => record)
})

/**
 * Makes sure that the network's record has every claim that is known, and those that `propose`
 * makes from them. Succeeds with the record as the network holds it.
 */
const write = Effect.fnUntraced(function* (
  place: NameIndexMemory.Place,
  propose: Propose,
  question: TopicClaims.Question | undefined
) {
  const progress: Progress = {
    pages: new Set(),
    budget: budgetOf(TREE_DEADLINE, UNHURRIED_MIN),
    sent: undefined,
    isClaim: question !== undefined
  }
  const attempt = Effect.gen(function* () {
    const learnt = yield* learn(place, propose, question, progress.budget)
    const { current, union, urgent } = learnt
    const inRecord = Option.getOrUndefined(current.record)
    // Hosts that remember different claims of too many would replace each other's for ever: a full
    // record is left, unless it lacks one that this host has reason to stand up for.
    const isFull = current.inNetwork.size >= NameIndexRecord.CLAIMS_MAX
    if (inRecord !== undefined && isFull && urgent !== undefined && covers(current.inNetwork, urgent)) return inRecord
    if (inRecord !== undefined && covers(current.inNetwork, union)) {
      if (current.missing.length > 0 || inRecord.seq >= Record.SEQ_MAX) {
        // Missing pages may come back, as long as the record refers to them. Those that are known are put, for all to read.
        const { pages } = NameIndexRecord.make(union)
        yield* putPages(pages, pages, progress.pages)
        return inRecord
      }
    }
    return yield* settle(place, inRecord, learnt, progress)
  })

  return yield* Retry.transient(attempt, {
    ...RACE_PAUSES,
    isTransient: ({ _tag }) => _tag === "LostRace",
    maxTries: WRITE_TRIES
  }).pipe(
    Effect.catchTag("LostRace", () => blocked(place, `others kept overwriting it, ${WRITE_TRIES} times in a row`))
  )
})

/**
 * Adds a claim. `propose` makes it from all those known, its author's earlier one among them. The
 * claim is remembered before it is written: where that fails, peers can have it from here all the same.
 */
export const join = Effect.fn("NameIndex.join")(function* (
  name: PackageName,
  propose: (known: NameClaim.ClaimSet) => NameClaim.NameClaim
) {
  const place = yield* NameIndexMemory.placeOf(name)
  // Once for all tries: what peers said is remembered after the first.
  const { answers, isImmediate } = yield* TopicClaims.question(place)
  const question = { answers: yield* Effect.cached(answers), isImmediate }
  return yield* write(place, (known) => [propose(known)], question)
})

/**
 * Puts back what this host remembers and the network lacks. Needs no key, asks no peers, since those
 * put back what they remember themselves, and writes nothing without need.
 */
export const mend = Effect.fn("NameIndex.mend")(function* (name: PackageName) {
  return yield* write(yield* NameIndexMemory.placeOf(name), () => [], undefined)
})
