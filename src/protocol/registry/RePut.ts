/**
 * Keeps records alive: nodes forget an item some hours after it was put (BEP 44 suggests two), so
 * whoever holds a record puts it again, with the pages of its tree and the shared record of its name.
 * No key is needed, since records carry their signatures.
 *
 * {@link make} gives a loop that does what a `RePutSchedule` asks for, the health of every item, and
 * what happens as a stream. What was known of the items is lost with the process: then the network is
 * asked first, and only what is lacking is put.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as PubSub from "effect/PubSub"
import * as Random from "effect/Random"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import type { Ed25519 } from "../core/Ed25519.ts"
import { Dht } from "../dht/Dht.ts"
import type { PageStore, PageStoreError } from "../dht/PageStore.ts"
import type { RecordStore, RecordStoreError } from "../dht/RecordStore.ts"
import * as Batch from "./Batch.ts"
import type { RePutEvent } from "./RePutEvent.ts"
import * as RePutHealth from "./RePutHealth.ts"
import * as RePutHoldings from "./RePutHoldings.ts"
import type { Item } from "./RePutItem.ts"
import * as RePutSchedule from "./RePutSchedule.ts"
import { visit, type Visited } from "./RePutVisit.ts"

/** How often the stores are read for what is new in them: that was in the network a moment ago. */
export const SCAN_INTERVAL = Duration.minutes(30)

/** The shortest time between two readings of the stores because pages were fetched: each reads all that is held. */
export const FETCHED_SCAN_INTERVAL = Duration.minutes(1)

/** A clock that is so far behind what it was, or should be after a pause, was set back. What is less is no more than a delay. */
export const SET_BACK = Duration.minutes(10)

/** The longest that one item may take, then it counts as failed: several times what a slow network needs. */
export const ITEM_DEADLINE = Duration.minutes(5)

/** The same for the record of a name, to which anybody can add: its work is for strangers to choose. */
export const NAME_DEADLINE = Duration.minutes(1)

/** Events kept for a reader that is behind; a slower one misses the oldest. */
export const EVENTS_KEPT = 1_024

/** More items than one batch puts are a crowd, which is spread over the interval; fewer need no such extra put. */
export const CROWD = Batch.SIZE_MAX

/** What came of one round over everything. */
export interface Round {
  /** Items that the network has now, or had already. */
  readonly stored: number
  /** Records that the network had a newer version of; that one is remembered from now on. */
  readonly superseded: number
  /** Items that no node took, or that nobody has. */
  readonly failed: number
}

/** What the loop works with: the network, and the stores that say what is held. */
export type Services = Effect.Services<ReturnType<typeof visit>> | Dht | Ed25519 | RecordStore | PageStore

export interface RePut {
  /** Does what is due, without end. An item that fails is tried again later, a store that cannot be read too. */
  readonly run: Effect.Effect<never>
  /** Puts everything now, due or not. */
  readonly once: Effect.Effect<Round, RecordStoreError | PageStoreError>
  /** Of every item, the one due next first. */
  readonly health: Effect.Effect<ReadonlyArray<RePutHealth.Health>>
  /** From the subscription on. Nobody has to read it; who falls behind by {@link EVENTS_KEPT} misses the oldest. */
  readonly events: Stream.Stream<RePutEvent>
}

interface Entry {
  readonly item: Item
  health: RePutHealth.Health
}

const deadlineOf = ({ _tag }: Item): Duration.Duration => (_tag === "Name" ? NAME_DEADLINE : ITEM_DEADLINE)

type Outcome = keyof Round | "none"

interface Done {
  readonly outcome: Outcome
  readonly isFetched: boolean
  /** Whether the network did what it was asked for; what nobody has is no fault of it. */
  readonly isAnswered: boolean
  readonly latencyMs: number
}

/** The health after a visit. */
const after = (
  before: RePutHealth.Health,
  { absence, acks, holders, isLook, isPut, supersededBy }: Visited,
  now: number
): RePutHealth.Health => {
  if (absence === "missing") return RePutHealth.missing(before, now)
  const base = supersededBy === undefined ? before : RePutHealth.superseded(before)
  const seen = isLook ? RePutHealth.looked(base, holders, now) : base
  return isPut ? RePutHealth.put(seen, acks, now) : seen
}

const dates = ["lastPut", "lastLook", "putBy", "hourlyUntil"] as const

/** The same, `ms` earlier. */
const earlier = (health: RePutHealth.Health, ms: number): RePutHealth.Health => ({
  ...health,
  ...Object.fromEntries(dates.map((date) => [date, health[date] === undefined ? undefined : health[date] - ms])),
  nextDue: health.nextDue - ms
})

export const make = Effect.fnUntraced(function* (
  schedule: RePutSchedule.RePutSchedule = RePutSchedule.standard
): Effect.fn.Return<RePut, never, Services> {
  const dht = yield* Dht
  const context = yield* Effect.context<Services>()
  const holdings = yield* RePutHoldings.make
  const events = yield* PubSub.sliding<RePutEvent>(EVENTS_KEPT)
  const working = yield* Semaphore.make(1)
  const entries = new Map<string, Entry>()
  let batchSize = Batch.SIZE_FIRST
  let scannedAt = Number.NEGATIVE_INFINITY
  let scanAt = Number.NEGATIVE_INFINITY
  /** What the clock says now, at least, unless somebody sets it. */
  let expectedAt = Number.NEGATIVE_INFINITY

  const tell = (event: RePutEvent) => PubSub.publish(events, event)

  const scan = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    scannedAt = now
    scanAt = now + Duration.toMillis(SCAN_INTERVAL)
    const { dropped, items } = yield* holdings.scan(now)
    const added = [...items.values()].filter(({ target }) => !entries.has(target))
    const removed = [...entries.keys()].filter((target) => !items.has(target))
    for (const target of removed) entries.delete(target)
    for (const item of added) entries.set(item.target, { item, health: RePutHealth.fresh(item, now) })
    if (added.length + removed.length > 0) {
      yield* tell({ _tag: "Holdings", added: added.length, removed: removed.length })
    }
    if (dropped > 0) yield* tell({ _tag: "PagesDropped", count: dropped })
  })

  /**
   * What was planned by a clock that ran ahead would be left alone until then: its dates go back with the clock. How
   * far apart they are, and what was measured, stays, so that not everything is due at once.
   */
  const followClock = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    const aheadMs = expectedAt - now
    expectedAt = now
    if (aheadMs <= Duration.toMillis(SET_BACK)) return
    scannedAt -= aheadMs
    scanAt -= aheadMs
    for (const entry of entries.values()) entry.health = earlier(entry.health, aheadMs)
  })

  /** The schedule as it is for so many nodes and items. */
  const current = Effect.map(dht.nodeCount, (nodes): RePutSchedule.RePutSchedule => ({
    ...schedule,
    threshold: Math.max(1, Math.min(schedule.threshold, nodes)),
    spread: schedule.spread && entries.size > CROWD
  }))

  const settle = Effect.fnUntraced(function* (
    entry: Entry,
    health: RePutHealth.Health,
    suited: RePutSchedule.RePutSchedule
  ) {
    const now = yield* Clock.currentTimeMillis
    const random = { put: yield* Random.next, look: yield* Random.next }
    entry.health = RePutSchedule.plan(suited, health, now, random)
    const { keyString, kind, nextDue, target } = entry.health
    return { kind, target, keyString, at: now, nextDue }
  })

  const onVisited = Effect.fnUntraced(function* (
    entry: Entry,
    visited: Visited,
    suited: RePutSchedule.RePutSchedule,
    startedAt: number
  ) {
    const now = yield* Clock.currentTimeMillis
    const { absence, acks, holders, isFetched, isMended, isPut, supersededBy } = visited
    const done = (outcome: Outcome): Done => ({ outcome, isFetched, isAnswered: true, latencyMs: now - startedAt })
    if (absence === "gone") {
      entries.delete(entry.item.target)
      return done("none")
    }
    const facts = yield* settle(entry, after(entry.health, visited, now), suited)
    if (absence === "missing") {
      const { failures } = entry.health
      yield* tell({ _tag: "Failed", ...facts, failures, problem: "no DHT node holds it, and neither does this host" })
      return done("failed")
    }
    if (absence === "blank") return done("none")
    if (supersededBy !== undefined) yield* tell({ _tag: "Superseded", ...facts, seq: supersededBy })
    if (isMended) yield* tell({ _tag: "Mended", ...facts })
    else if (isPut) yield* tell({ _tag: "Put", ...facts, acks: acks ?? 0 })
    else yield* tell({ _tag: "Held", ...facts, holders })
    return done(supersededBy === undefined ? "stored" : "superseded")
  })

  const work = Effect.fnUntraced(function* (
    entry: Entry,
    isForced: boolean,
    suited: RePutSchedule.RePutSchedule
  ): Effect.fn.Return<Done> {
    const startedAt = yield* Clock.currentTimeMillis
    const { health, item } = entry
    const deadline = deadlineOf(item)
    const orders = {
      looks: !isForced && (suited.adaptive || health.putBy === undefined),
      wants: (holders: number | undefined) => RePutSchedule.decide(suited, health, holders, startedAt) === "put"
    }
    return yield* visit(item, orders).pipe(
      Effect.mapError(({ message }) => message),
      Effect.timeoutOrElse({
        duration: deadline,
        orElse: () => Effect.fail(`no answer in ${Duration.format(deadline)}`)
      }),
      Effect.catchDefect((defect) => Effect.fail(String(defect))),
      Effect.provideContext(context),
      Effect.matchEffect({
        onSuccess: (visited) => onVisited(entry, visited, suited, startedAt),
        onFailure: Effect.fnUntraced(function* (problem) {
          const facts = yield* settle(entry, RePutHealth.failed(entry.health), suited)
          yield* tell({ _tag: "Failed", ...facts, problem, failures: entry.health.failures })
          return { outcome: "failed", isFetched: false, isAnswered: false, latencyMs: facts.at - startedAt } as const
        })
      })
    )
  })

  /** Works through entries in order, `batchSize` at a time; as many that are done make that size anew. */
  const workAll = Effect.fnUntraced(function* (chosen: ReadonlyArray<Entry>, isForced: boolean) {
    const slots = yield* Semaphore.make(batchSize)
    let measured: Array<Done> = []

    const adapt = Effect.suspend(() => {
      const before = batchSize
      const succeeded = measured.filter(({ isAnswered }) => isAnswered).length
      const latencyMs = measured.reduce((sum, each) => sum + each.latencyMs, 0) / measured.length
      batchSize = Batch.next(before, { succeeded, failed: measured.length - succeeded, latencyMs })
      measured = []
      if (batchSize === before) return Effect.void
      return Effect.andThen(slots.resize(batchSize), tell({ _tag: "BatchSize", size: batchSize, before }))
    })

    const workOne = Effect.fnUntraced(function* (entry: Entry) {
      const done = yield* work(entry, isForced, yield* current)
      // What a fetched page reaches is to be found soon, not at the next regular reading of the stores.
      if (done.isFetched) scanAt = Math.min(scanAt, scannedAt + Duration.toMillis(FETCHED_SCAN_INTERVAL))
      // How long a name takes says what others wrote there, not how the network fares.
      if (entry.item._tag !== "Name") measured.push(done)
      if (measured.length >= batchSize) yield* adapt
      return done.outcome
    }, slots.withPermits(1))

    const outcomes = yield* Effect.forEach(chosen, workOne, { concurrency: Batch.SIZE_MAX })
    if (measured.length > 0) yield* adapt
    return outcomes
  }, working.withPermits(1))

  const dueFirst = (some: Iterable<Entry>): ReadonlyArray<Entry> =>
    [...some].toSorted((a, b) => a.health.nextDue - b.health.nextDue)

  const step = Effect.gen(function* () {
    yield* followClock
    if (scanAt <= (yield* Clock.currentTimeMillis)) {
      yield* scan.pipe(
        Effect.catch((error) =>
          Effect.andThen(
            Effect.logWarning(`What is to be kept alive could not be read: ${error.message}`),
            tell({ _tag: "StoreFailed", problem: error.message })
          )
        )
      )
    }
    const now = yield* Clock.currentTimeMillis
    const due: Array<Entry> = []
    let wakeAt = scanAt
    for (const entry of entries.values()) {
      if (entry.health.nextDue <= now) due.push(entry)
      else wakeAt = Math.min(wakeAt, entry.health.nextDue)
    }
    if (due.length > 0) yield* workAll(dueFirst(due), false)
    else {
      yield* Effect.sleep(wakeAt - now)
      expectedAt = wakeAt
    }
  })

  const once = Effect.gen(function* () {
    const worked = new Set<string>()
    const outcomes: Array<Outcome> = []
    for (;;) {
      yield* scan
      const chosen = dueFirst(entries.values()).filter(({ item }) => !worked.has(item.target))
      if (chosen.length === 0) break
      for (const { item } of chosen) worked.add(item.target)
      outcomes.push(...(yield* workAll(chosen, true)))
    }
    const count = (outcome: Outcome) => outcomes.filter((each) => each === outcome).length
    return { stored: count("stored"), superseded: count("superseded"), failed: count("failed") } satisfies Round
  }).pipe(Effect.withSpan("RePut.once"))

  return {
    run: Effect.forever(step),
    once,
    health: Effect.sync(() => dueFirst(entries.values()).map(({ health }) => health)),
    events: Stream.fromPubSub(events)
  }
})

/** Keeps everything that this host holds alive, without end. */
export const run = (schedule?: RePutSchedule.RePutSchedule): Effect.Effect<never, never, Services> =>
  Effect.flatMap(make(schedule), ({ run }) => run)

/** Puts everything that this host holds once, now. */
export const once: Effect.Effect<Round, RecordStoreError | PageStoreError, Services> = Effect.flatMap(
  make(),
  ({ once }) => once
)
