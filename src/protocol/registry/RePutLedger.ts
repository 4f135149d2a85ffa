/**
 * The items that a loop keeps alive, with the health of each: taken up from what an earlier run saved, where there
 * is a `RePutState`, and saved behind the work, a few seconds late at most. A process that is killed loses those
 * seconds: then an item is looked at once more than it had to be.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Option from "effect/Option"
import * as RePutHealth from "./RePutHealth.ts"
import type { Item } from "./RePutItem.ts"
import * as RePutSchedule from "./RePutSchedule.ts"
import { RePutState, type RePutStateError, SET_BACK } from "./RePutState.ts"

/** What changed is saved after so long, together with what changes until then. */
export const SAVE_AFTER = Duration.seconds(3)

/** What could not be saved is tried again after so long. */
export const SAVE_AGAIN_AFTER = Duration.minutes(1)

/** How long the end of the work may wait for the last of it to be saved: what is lost by that is asked anew. */
export const SAVE_AT_END_MAX = Duration.seconds(5)

export interface Entry {
  readonly item: Item
  readonly health: RePutHealth.Health
}

/** What a reading of the stores changed. */
export interface Adopted {
  readonly added: number
  readonly removed: number
  /** Those of the {@link added} items that an earlier run knew. */
  readonly resumed: number
}

export interface Ledger {
  readonly size: () => number
  readonly entries: () => Iterable<Entry>
  /** `undefined` where the item is no longer held. */
  readonly healthOf: (item: Item) => RePutHealth.Health | undefined
  /** Takes up what an earlier run saved; once. */
  readonly open: Effect.Effect<void>
  /** What the clock said when the earlier run last saved something, as this clock would say it. */
  readonly savedAt: () => number | undefined
  /** Makes the items those that are held. */
  readonly adopt: (items: ReadonlyMap<string, Item>, now: number) => Adopted
  /** Nothing comes of it where the item is no longer held. */
  readonly note: (item: Item, health: RePutHealth.Health) => void
  readonly remove: (item: Item) => void
  /** Sets all dates back, with the clock. */
  readonly setBack: (ms: number) => void
  /** Does the work, and saves what changes meanwhile; the last of it when the work ends, in whatever way. */
  readonly saving: <A, E, R>(work: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

const keyOf = ({ kind, target }: Pick<RePutHealth.Health, "kind" | "target">): string => `${kind} ${target}`

/** `onProblem` is told once of a state that cannot be read, and of the first of several times that it cannot be written. */
export const make = Effect.fnUntraced(function* (
  schedule: RePutSchedule.RePutSchedule,
  onProblem: (error: RePutStateError) => Effect.Effect<void>
) {
  const state = Option.getOrUndefined(yield* Effect.serviceOption(RePutState))
  const entries = new Map<string, Entry>()
  /** By kind and target: items of an earlier run that were not met in the stores yet. */
  const waiting = new Map<string, RePutHealth.Health>()
  /** By target: what has to be saved. */
  const changed = new Set<string>()
  const hasChanged = yield* Latch.make(false)
  let isOpen = false
  let isFailing = false
  /** Whether the dates of {@link waiting} are other ones than were saved. */
  let isMoved = false
  let savedAt: number | undefined

  const set = (entry: Entry) => {
    entries.set(entry.item.target, entry)
    if (state === undefined) return
    changed.add(entry.item.target)
    hasChanged.openUnsafe()
  }

  const moveBack = (ms: number) => {
    for (const [key, health] of waiting) waiting.set(key, RePutHealth.earlier(health, ms))
    if (savedAt !== undefined) savedAt -= ms
    isMoved = true
  }

  const open = Effect.gen(function* () {
    if (isOpen || state === undefined) return
    isOpen = true
    const saved = yield* state.load.pipe(Effect.catch((error) => Effect.as(onProblem(error), undefined)))
    if (saved?.savedAt === undefined) return
    savedAt = saved.savedAt
    for (const health of saved.healths) waiting.set(keyOf(health), health)
    // A clock that ran ahead then would have everything left alone until that time.
    const aheadMs = savedAt - (yield* Clock.currentTimeMillis)
    if (aheadMs > Duration.toMillis(SET_BACK)) moveBack(aheadMs)
  })

  const resume = (item: Item, now: number): Entry | undefined => {
    const health = waiting.get(keyOf(item))
    if (health === undefined) return undefined
    waiting.delete(keyOf(item))
    return { item, health: { ...RePutSchedule.resumed(schedule, health, now), keyString: item.keyString } }
  }

  const adopt = (items: ReadonlyMap<string, Item>, now: number): Adopted => {
    const added = [...items.values()].filter(({ target }) => !entries.has(target))
    const removed = [...entries.keys()].filter((target) => !items.has(target))
    for (const target of removed) entries.delete(target)
    let resumed = 0
    for (const item of added) {
      const known = resume(item, now)
      const entry = known ?? { item, health: RePutHealth.fresh(item, now) }
      if (known !== undefined) resumed += 1
      if (known !== undefined && isMoved) set(entry)
      else entries.set(item.target, entry)
    }
    return { added: added.length, removed: removed.length, resumed }
  }

  /** Whether it went well. */
  const save = ({ save }: RePutState["Service"]) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        const targets = [...changed]
        changed.clear()
        yield* Latch.close(hasChanged)
        if (targets.length === 0) return true
        const healths = targets.flatMap((target) => entries.get(target)?.health ?? [])
        const takeBack = Effect.suspend(() => {
          for (const target of targets) changed.add(target)
          return Latch.open(hasChanged)
        })
        return yield* restore(save(healths, yield* Clock.currentTimeMillis)).pipe(
          Effect.onError(() => takeBack),
          Effect.matchEffect({
            onSuccess: () =>
              Effect.sync(() => {
                isFailing = false
                return true
              }),
            onFailure: Effect.fnUntraced(function* (error) {
              if (!isFailing) yield* onProblem(error)
              isFailing = true
              return false
            })
          })
        )
      })
    )

  const saveBehind = (state: RePutState["Service"]) =>
    Effect.gen(function* () {
      yield* hasChanged.await
      yield* Effect.sleep(SAVE_AFTER)
      if (!(yield* save(state))) yield* Effect.sleep(SAVE_AGAIN_AFTER)
    }).pipe(Effect.forever)

  return {
    size: () => entries.size,
    entries: () => entries.values(),
    healthOf: ({ target }) => entries.get(target)?.health,
    open,
    savedAt: () => savedAt,
    adopt,
    note: (item, health) => {
      if (entries.has(item.target)) set({ item, health })
    },
    remove: ({ target }) => void entries.delete(target),
    setBack: (ms) => {
      moveBack(ms)
      for (const { health, item } of entries.values()) set({ item, health: RePutHealth.earlier(health, ms) })
    },
    saving: (work) =>
      state === undefined
        ? work
        : work.pipe(
            Effect.raceFirst(saveBehind(state)),
            Effect.ensuring(Effect.timeoutOption(save(state), SAVE_AT_END_MAX))
          )
  } satisfies Ledger
})
