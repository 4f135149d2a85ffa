/**
 * Works through items that are due: visits each, writes down in the ledger how it fares and when it is due next,
 * and tells what happened. As many as the network takes well are visited at once.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Semaphore from "effect/Semaphore"
import { Dht } from "../dht/Dht.ts"
import * as Networks from "../dht/client/Networks.ts"
import * as Batch from "./Batch.ts"
import type { RePutEvent } from "./RePutEvent.ts"
import * as RePutHealth from "./RePutHealth.ts"
import type { Item } from "./RePutItem.ts"
import type { Ledger } from "./RePutLedger.ts"
import * as RePutSchedule from "./RePutSchedule.ts"
import { type Found, visit, type Visited } from "./RePutVisit.ts"

/** More items than one batch puts are a crowd, which is spread over the interval; fewer need no such extra put. */
export const CROWD = Batch.SIZE_MAX

export type Outcome = "stored" | "superseded" | "failed" | "none"

/** What came of one item. */
interface Done {
  readonly outcome: Outcome
  readonly isFetched: boolean
  /** Whether the network did what it was asked for; what nobody has is no fault of it. */
  readonly isAnswered: boolean
  readonly latencyMs: number
}

export interface Work {
  readonly ledger: Ledger
  readonly schedule: RePutSchedule.RePutSchedule
  /** The longest that an item may take, then it counts as failed. */
  readonly deadlineOf: (item: Item) => Duration.Duration
  readonly tell: (event: RePutEvent) => Effect.Effect<unknown>
  /** A page was fetched that this host lacked: what it reaches has to be kept alive as well. */
  readonly onFetched: () => void
}

/** The health after a visit. */
const after = (
  before: RePutHealth.Health,
  { absence, holders, isLook, isPut, keepers, supersededBy }: Visited,
  now: number
): RePutHealth.Health => {
  if (absence === "missing") return RePutHealth.missing(before, now)
  const base = supersededBy === undefined ? before : RePutHealth.superseded(before)
  const seen = isLook ? RePutHealth.looked(base, holders?.count, now, holders?.nodes) : base
  return isPut ? RePutHealth.put(seen, keepers?.count, now, keepers?.nodes) : seen
}

/** Nodes of few networks may have one owner: then they count for no more than their networks do. */
const trusted = ({ count, nodes }: Found): number => {
  const networks = Networks.count(nodes)
  return nodes.length === 0 || networks >= Networks.NETWORKS_MIN ? count : Math.min(count, networks)
}

export const make = Effect.fnUntraced(function* ({ deadlineOf, ledger, onFetched, schedule, tell }: Work) {
  const dht = yield* Dht
  const context = yield* Effect.context<Effect.Services<ReturnType<typeof visit>>>()
  const working = yield* Semaphore.make(1)
  let batchSize = Batch.SIZE_FIRST

  /** The schedule as it is for so many nodes and items. */
  const current = Effect.map(dht.nodeCount, (nodes): RePutSchedule.RePutSchedule => ({
    ...schedule,
    threshold: Math.max(1, Math.min(schedule.threshold, nodes)),
    spread: schedule.spread && ledger.size() > CROWD
  }))

  const settled = Effect.fnUntraced(function* (item: Item, health: RePutHealth.Health) {
    ledger.note(item, health)
    const { keyString, kind, nextDue, target } = health
    return { kind, target, keyString, at: yield* Clock.currentTimeMillis, nextDue }
  })

  const settle = Effect.fnUntraced(function* (
    item: Item,
    health: RePutHealth.Health,
    suited: RePutSchedule.RePutSchedule
  ) {
    const random = { put: yield* Random.next, look: yield* Random.next }
    return yield* settled(item, RePutSchedule.plan(suited, health, yield* Clock.currentTimeMillis, random))
  })

  /** What is told of an item that few nodes answered about: nothing of it changes but when it is asked about again. */
  const onUnheard = Effect.fnUntraced(function* (
    item: Item,
    before: RePutHealth.Health,
    suited: RePutSchedule.RePutSchedule
  ) {
    const now = yield* Clock.currentTimeMillis
    const facts = yield* settled(item, RePutSchedule.again(suited, before, now, yield* Random.next))
    yield* tell({ _tag: "Unheard", ...facts })
  })

  const onVisited = Effect.fnUntraced(function* (
    item: Item,
    before: RePutHealth.Health,
    visited: Visited,
    suited: RePutSchedule.RePutSchedule,
    startedAt: number
  ) {
    const now = yield* Clock.currentTimeMillis
    const { absence, holders, isFetched, isMended, isPut, keepers, supersededBy } = visited
    const done = (outcome: Outcome, isAnswered = true): Done => ({
      outcome,
      isFetched,
      isAnswered,
      latencyMs: now - startedAt
    })
    if (absence === "gone") {
      ledger.remove(item)
      return done("none")
    }
    if (absence === "unheard") {
      yield* onUnheard(item, before, suited)
      return done("failed", false)
    }
    const health = after(before, visited, now)
    const facts = yield* settle(item, health, suited)
    if (absence === "missing") {
      const { failures } = health
      yield* tell({ _tag: "Failed", ...facts, failures, problem: "no DHT node holds it, and neither does this host" })
      return done("failed")
    }
    if (absence === "blank") return done("none")
    const halfLifeMs = RePutHealth.halfLifeMs(health.survival)
    if (supersededBy !== undefined) yield* tell({ _tag: "Superseded", ...facts, seq: supersededBy })
    if (isMended) yield* tell({ _tag: "Mended", ...facts })
    else if (isPut) yield* tell({ _tag: "Put", ...facts, acks: keepers?.count ?? 0, halfLifeMs })
    else {
      const { kept, keepers, lastPut } = health
      const since = kept === undefined || lastPut === undefined ? undefined : { kept, of: keepers.length, lastPut }
      yield* tell({ _tag: "Held", ...facts, holders: holders?.count, survivors: since, halfLifeMs })
    }
    return done(supersededBy === undefined ? "stored" : "superseded")
  })

  const work = Effect.fnUntraced(function* (
    item: Item,
    health: RePutHealth.Health,
    isForced: boolean,
    suited: RePutSchedule.RePutSchedule
  ): Effect.fn.Return<Done> {
    const startedAt = yield* Clock.currentTimeMillis
    const deadline = deadlineOf(item)
    const orders = {
      looks: !isForced && (suited.adaptive || health.putBy === undefined),
      wants: (found: Found | undefined) =>
        RePutSchedule.decide(suited, health, found === undefined ? undefined : trusted(found), startedAt) === "put",
      minAcks: suited.threshold
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
        onSuccess: (visited) => onVisited(item, health, visited, suited, startedAt),
        onFailure: Effect.fnUntraced(function* (problem) {
          const failed = RePutHealth.failed(health)
          const facts = yield* settle(item, failed, suited)
          yield* tell({ _tag: "Failed", ...facts, problem, failures: failed.failures })
          return { outcome: "failed", isFetched: false, isAnswered: false, latencyMs: facts.at - startedAt } as const
        })
      })
    )
  })

  /** Works through items in order, `batchSize` at a time; as many that are done make that size anew. */
  return Effect.fnUntraced(function* (chosen: ReadonlyArray<Item>, isForced: boolean) {
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

    const workOne = Effect.fnUntraced(function* (item: Item) {
      const health = ledger.healthOf(item)
      if (health === undefined) return "none"
      const done = yield* work(item, health, isForced, yield* current)
      if (done.isFetched) onFetched()
      // How long a name takes says what others wrote there, not how the network fares.
      if (item._tag !== "Name") measured.push(done)
      if (measured.length >= batchSize) yield* adapt
      return done.outcome
    }, slots.withPermits(1))

    const outcomes = yield* Effect.forEach(chosen, workOne, { concurrency: Batch.SIZE_MAX })
    if (measured.length > 0) yield* adapt
    return outcomes
  }, working.withPermits(1))
})
