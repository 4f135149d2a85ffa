/**
 * Keeps records alive: nodes forget an item some hours after it was put (BEP 44 suggests two), so
 * whoever holds a record puts it again, with the pages of its tree and the shared record of its name.
 * No key is needed, since records carry their signatures.
 *
 * {@link make} gives a loop that does what a `RePutSchedule` asks for, the health of every item, and
 * what happens as a stream. What is known of the items outlasts the process where there is a `RePutState`;
 * of what nothing is known the network is asked first, and only what is lacking is put.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as PubSub from "effect/PubSub"
import * as Stream from "effect/Stream"
import type { Ed25519 } from "../core/Ed25519.ts"
import type { Dht } from "../dht/Dht.ts"
import type { PageStore, PageStoreError } from "../dht/PageStore.ts"
import type { RecordStore, RecordStoreError } from "../dht/RecordStore.ts"
import type { RePutEvent } from "./RePutEvent.ts"
import type * as RePutHealth from "./RePutHealth.ts"
import * as RePutHoldings from "./RePutHoldings.ts"
import type { Item } from "./RePutItem.ts"
import * as RePutLedger from "./RePutLedger.ts"
import * as RePutSchedule from "./RePutSchedule.ts"
import { SET_BACK } from "./RePutState.ts"
import type { visit } from "./RePutVisit.ts"
import * as RePutWork from "./RePutWork.ts"

/** How often the stores are read for what is new in them: that was in the network a moment ago. */
export const SCAN_INTERVAL = Duration.minutes(30)

/** The shortest time between two readings of the stores because pages were fetched: each reads all that is held. */
export const FETCHED_SCAN_INTERVAL = Duration.minutes(1)

/** The longest that one item may take, then it counts as failed: several times what a slow network needs. */
export const ITEM_DEADLINE = Duration.minutes(5)

/** The same for the record of a name, to which anybody can add: its work is for strangers to choose. */
export const NAME_DEADLINE = Duration.minutes(1)

/** Events kept for a reader that is behind; a slower one misses the oldest. */
export const EVENTS_KEPT = 1_024

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

const deadlineOf = ({ _tag }: Item): Duration.Duration => (_tag === "Name" ? NAME_DEADLINE : ITEM_DEADLINE)

export const make = Effect.fnUntraced(function* (
  schedule: RePutSchedule.RePutSchedule = RePutSchedule.standard
): Effect.fn.Return<RePut, never, Services> {
  const holdings = yield* RePutHoldings.make
  const events = yield* PubSub.sliding<RePutEvent>(EVENTS_KEPT)
  let scannedAt = Number.NEGATIVE_INFINITY
  let scanAt = Number.NEGATIVE_INFINITY
  let isBegun = false
  /** What the clock says now, at least, unless somebody sets it. */
  let expectedAt = Number.NEGATIVE_INFINITY

  const tell = (event: RePutEvent) => PubSub.publish(events, event)
  const complain = (warning: string, problem: string) =>
    Effect.andThen(Effect.logWarning(warning), tell({ _tag: "StoreFailed", problem }))

  const ledger = yield* RePutLedger.make(schedule, ({ message }) => complain(message, message))
  const workAll = yield* RePutWork.make({
    ledger,
    schedule,
    deadlineOf,
    tell,
    // What a fetched page reaches is to be found soon, not at the next regular reading of the stores.
    onFetched: () => (scanAt = Math.min(scanAt, scannedAt + Duration.toMillis(FETCHED_SCAN_INTERVAL)))
  })

  const dueFirst = (some: Iterable<RePutLedger.Entry>): ReadonlyArray<RePutLedger.Entry> =>
    [...some].toSorted((a, b) => a.health.nextDue - b.health.nextDue)

  /** Tells what there is to do at first, and what of it was taken up where an earlier run left it. */
  const begin = Effect.fnUntraced(function* (resumed: number, now: number) {
    if (isBegun) return
    isBegun = true
    const later = dueFirst(ledger.entries()).filter(({ health }) => health.nextDue > now)
    yield* tell({
      _tag: "Begun",
      items: ledger.size(),
      resumed,
      due: ledger.size() - later.length,
      nextDue: later[0]?.health.nextDue,
      savedAt: ledger.savedAt()
    })
  })

  const scan = Effect.gen(function* () {
    yield* ledger.open
    const now = yield* Clock.currentTimeMillis
    scannedAt = now
    scanAt = now + Duration.toMillis(SCAN_INTERVAL)
    const { dropped, items } = yield* holdings.scan(now)
    const { added, removed, resumed } = ledger.adopt(items, now)
    yield* begin(resumed, now)
    if (added + removed > 0) yield* tell({ _tag: "Holdings", added, removed })
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
    ledger.setBack(aheadMs)
  })

  const step = Effect.gen(function* () {
    yield* followClock
    if (scanAt <= (yield* Clock.currentTimeMillis)) {
      yield* scan.pipe(
        Effect.catch(({ message }) => complain(`What is to be kept alive could not be read: ${message}`, message))
      )
    }
    const now = yield* Clock.currentTimeMillis
    const due: Array<RePutLedger.Entry> = []
    let wakeAt = scanAt
    for (const entry of ledger.entries()) {
      if (entry.health.nextDue <= now) due.push(entry)
      else wakeAt = Math.min(wakeAt, entry.health.nextDue)
    }
    const chosen = dueFirst(due).map(({ item }) => item)
    if (chosen.length > 0) yield* workAll(chosen, false)
    else {
      yield* Effect.sleep(wakeAt - now)
      expectedAt = wakeAt
    }
  })

  const run = ledger.saving(Effect.forever(step))

  const once = Effect.gen(function* () {
    const worked = new Set<string>()
    const outcomes: Array<RePutWork.Outcome> = []
    for (;;) {
      yield* scan
      const chosen = dueFirst(ledger.entries()).flatMap(({ item }) => (worked.has(item.target) ? [] : [item]))
      if (chosen.length === 0) break
      for (const { target } of chosen) worked.add(target)
      outcomes.push(...(yield* workAll(chosen, true)))
    }
    const count = (outcome: RePutWork.Outcome) => outcomes.filter((each) => each === outcome).length
    return { stored: count("stored"), superseded: count("superseded"), failed: count("failed") } satisfies Round
  }).pipe(ledger.saving, Effect.withSpan("RePut.once"))

  return {
    run,
    once,
    health: Effect.sync(() => dueFirst(ledger.entries()).map(({ health }) => health)),
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
