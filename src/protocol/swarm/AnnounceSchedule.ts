/**
 * When which torrent is announced in the DHT (BEP 5), for one node that seeds any number of them: each
 * again before nodes forget it, spread over the interval, and never more at once than the network is
 * to bear. New ones come first, and what somebody waits for comes before all else.
 *
 * Nothing but a plan: it is told the time (ms) and chances, announces nothing itself, and takes steps
 * that are logarithmic in the number of torrents.
 */
import * as Duration from "effect/Duration"
import { DueQueue } from "./DueQueue.ts"

/** BEP 5 implementations announce every 15 minutes, and nodes forget a peer after 30 (libtorrent). */
export const ANNOUNCE_INTERVAL = Duration.minutes(15)
/** Each waits for up to so much longer, so that those announced together part. */
export const ANNOUNCE_JITTER = Duration.minutes(5)
/** One whose last announce was so long ago goes before new ones: it is about to be forgotten. */
export const ANNOUNCE_OVERDUE = Duration.minutes(25)
/** After the first failure; doubled with each further one, up to the interval. */
export const ANNOUNCE_RETRY = Duration.seconds(5)
/** 10,000 torrents in 8 minutes. One announce is a look-up of some 50 datagrams. */
export const ANNOUNCES_PER_SECOND_MAX = 20
/** A look-up in the public DHT takes a second or two. */
export const ANNOUNCES_AT_ONCE_MAX = 32

export interface Bounds {
  readonly perSecond: number
  readonly atOnce: number
}

export const defaultBounds: Bounds = { perSecond: ANNOUNCES_PER_SECOND_MAX, atOnce: ANNOUNCES_AT_ONCE_MAX }

/** What to do now: announce one, or look again in so many ms, or when something has changed. */
export type Step =
  | { readonly _tag: "Announce"; readonly key: string }
  | { readonly _tag: "Wait"; readonly ms: number }
  | { readonly _tag: "Idle" }

interface Entry {
  readonly key: string
  /** Of the last announce that succeeded, in ms. */
  announcedAt: number | undefined
  failures: number
  running: boolean
}

const IDLE: Step = { _tag: "Idle" }

export class AnnounceSchedule {
  readonly #bounds: Bounds
  readonly #entries = new Map<string, Entry>()
  /** In the order in which they came; an entry is in one of these two, in the queue, or running. */
  readonly #urgent = new Set<Entry>()
  readonly #fresh = new Set<Entry>()
  readonly #due = new DueQueue<Entry>()
  #running = 0
  /** Announces that may go out at once; below 0 after urgent ones. */
  #budget: number
  #countedAt: number | undefined

  constructor(bounds: Bounds = defaultBounds) {
    this.#bounds = bounds
    this.#budget = bounds.perSecond
  }

  get size(): number {
    return this.#entries.size
  }

  /** How many were never announced. */
  get waiting(): number {
    let count = 0
    for (const { announcedAt } of this.#entries.values()) if (announcedAt === undefined) count++
    return count
  }

  /** Time of the last announce that succeeded, in ms. */
  announcedAt(key: string): number | undefined {
    return this.#entries.get(key)?.announcedAt
  }

  /** A new torrent. One that is there already stays where it is. */
  add(key: string): void {
    if (this.#entries.has(key)) return
    const entry: Entry = { key, announcedAt: undefined, failures: 0, running: false }
    this.#entries.set(key, entry)
    this.#fresh.add(entry)
  }

  /** Somebody waits for the next announce of this one: it waits for no rate, only for those at work. */
  hurry(key: string): void {
    const entry = this.#entries.get(key)
    if (entry === undefined || entry.running) return
    this.#fresh.delete(entry)
    this.#due.remove(entry)
    this.#urgent.add(entry)
  }

  remove(key: string): void {
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    this.#entries.delete(key)
    this.#urgent.delete(entry)
    this.#fresh.delete(entry)
    this.#due.remove(entry)
  }

  /** The next step. What is to be announced counts as running until {@link done} is told of it. */
  next(now: number): Step {
    this.#refill(now)
    if (this.#running >= this.#bounds.atOnce) return IDLE
    for (const entry of this.#urgent) return this.#begin(entry)
    const candidate = this.#candidate(now)
    if (candidate !== undefined) {
      if (this.#budget >= 1) return this.#begin(candidate)
      return { _tag: "Wait", ms: Math.ceil(((1 - this.#budget) * 1000) / this.#bounds.perSecond) }
    }
    const at = this.#due.nextAt
    return at === undefined ? IDLE : { _tag: "Wait", ms: Math.max(1, at - now) }
  }

  /** How an announce went. `chance` is in [0, 1): by it those that were announced together part. */
  done(key: string, now: number, succeeded: boolean, chance: number): void {
    this.#running--
    const entry = this.#entries.get(key)
    if (entry === undefined || !entry.running) return
    entry.running = false
    entry.failures = succeeded ? 0 : entry.failures + 1
    if (succeeded) entry.announcedAt = now
    this.#due.add(entry, now + waitMs(entry.failures, chance))
  }

  #candidate(now: number): Entry | undefined {
    const due = this.#due.first(now)
    if (due !== undefined && isOverdue(due, now)) return due
    for (const entry of this.#fresh) return entry
    return due
  }

  #begin(entry: Entry): Step {
    this.#urgent.delete(entry)
    this.#fresh.delete(entry)
    this.#due.remove(entry)
    entry.running = true
    this.#running++
    this.#budget = Math.max(this.#budget - 1, -this.#bounds.perSecond)
    return { _tag: "Announce", key: entry.key }
  }

  /** A second's worth is saved up, no more: after a pause they do not all go out at once. */
  #refill(now: number): void {
    const { perSecond } = this.#bounds
    const passed = now - (this.#countedAt ?? now)
    this.#countedAt = now
    // Else everything would wait until the clock is again where it was.
    if (passed < 0) this.#due.shift(passed)
    else this.#budget = Math.min(perSecond, this.#budget + (passed * perSecond) / 1000)
  }
}

const isOverdue = ({ announcedAt }: Entry, now: number): boolean =>
  announcedAt !== undefined && now - announcedAt >= Duration.toMillis(ANNOUNCE_OVERDUE)

/** From one announce to the next, in ms: 15 to 20 minutes, less after failures. */
const waitMs = (failures: number, chance: number): number => {
  const jittered = (base: number) => base + (chance * base * Duration.toMillis(ANNOUNCE_JITTER)) / intervalMs
  if (failures === 0) return jittered(intervalMs)
  return jittered(Math.min(intervalMs, Duration.toMillis(ANNOUNCE_RETRY) * 2 ** (failures - 1)))
}

const intervalMs = Duration.toMillis(ANNOUNCE_INTERVAL)
