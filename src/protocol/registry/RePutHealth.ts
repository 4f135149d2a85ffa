/**
 * What is known of how an item fares in the network: who acknowledged it, who still held it when last
 * asked, and how fast its holders are lost. Pure values and their transitions; when the next step is
 * due is for `RePutSchedule` to say. All times are Unix milliseconds.
 */
import * as Duration from "effect/Duration"
import type { Item, Kind } from "./RePutItem.ts"

/** How holders were lost so far, older losses counting less. */
export interface Survival {
  readonly lost: number
  /** Holders times the milliseconds that they were watched. */
  readonly nodeMs: number
  /** The greatest age at which holders were counted. */
  readonly longestMs: number
}

export interface Health {
  readonly kind: Kind
  /** Hex, 40 digits. */
  readonly target: string
  readonly keyString: string | undefined
  /** Nodes that held it right after the last put of this host. */
  readonly acks: number | undefined
  /** Nodes that held it when last asked; `undefined` while that was not asked, or the layer cannot tell. */
  readonly holders: number | undefined
  /**
   * The nodes (`host:port`) whose fate is measured, at most {@link KEEPERS_MAX}: those that held it right after the last
   * put; before the first one, those that held it when first asked.
   */
  readonly keepers: ReadonlyArray<string>
  /** How many of the {@link keepers} still held it when last asked; `undefined` while that was not asked. */
  readonly kept: number | undefined
  /** Puts of this host since it keeps count. */
  readonly puts: number
  readonly lastPut: number | undefined
  readonly lastLook: number | undefined
  /** When it is to be put whoever holds it; `undefined` until that is planned. */
  readonly putBy: number | undefined
  /** Whether its last put came at a time that was not its own, but that of everything found lacking then. */
  readonly isInStep: boolean
  /** When something is to be done for it: a look or a put. */
  readonly nextDue: number
  /** Failures in a row. */
  readonly failures: number
  /** Nobody has it, and neither does this host. */
  readonly isMissing: boolean
  readonly survival: Survival
  /** Times in a row that all but all of its holders were gone a few hours after a put. */
  readonly shortLives: number
  /** Until when it is put hourly, because its holders forget it after two hours. */
  readonly hourlyUntil: number | undefined
}

/** On Mainline, 6 to 7 of about 15 holders are left after a day. */
export const MAINLINE_LOSS_PER_MS = Math.log(15 / 6.5) / Duration.toMillis(Duration.hours(24))

/** Losses that the Mainline figure counts for beside an item's own: few, so that measurements soon outweigh it. */
const PRIOR_LOST = 2

const PRIOR_NODE_MS = PRIOR_LOST / MAINLINE_LOSS_PER_MS

/** Share of what was measured before that still counts after a put: about the last five puts matter. */
const MEMORY = 0.8

/** After this long, nodes of some implementations (anacrolix) forget what nobody put again. */
export const EXPIRY = Duration.hours(2)

/** Holders that are gone by this age were nodes that forget after {@link EXPIRY}, not nodes that left. */
export const SHORT_LIFE = Duration.hours(4)

/** Of so many holders, one or none left is a sure sign; of fewer, none left twice in a row. */
const SURE_HOLDERS = 8

/** How long an item whose holders forget it stays hourly before that is put to the test again. */
export const HOURLY_FOR = Duration.days(3)

/** Nodes of a put that are watched: about as many as take an item on Mainline. */
export const KEEPERS_MAX = 20

/** A put that is later than planned by so much was made when the host, or the network, was there again: many are, then. */
export const LATE = Duration.hours(1)

/** Of an item that nothing is known of yet: due at once. */
export const fresh = ({ keyString, kind, target }: Item, now: number): Health => ({
  kind,
  target,
  keyString,
  acks: undefined,
  holders: undefined,
  keepers: [],
  kept: undefined,
  puts: 0,
  lastPut: undefined,
  lastLook: undefined,
  putBy: undefined,
  isInStep: false,
  nextDue: now,
  failures: 0,
  isMissing: false,
  survival: { lost: 0, nodeMs: 0, longestMs: 0 },
  shortLives: 0,
  hourlyUntil: undefined
})

/** The last number of holders that was told, and when. */
export const known = (self: Health): { readonly count: number; readonly at: number } | undefined => {
  const { acks, holders, lastLook, lastPut } = self
  const isPutLater = lastPut !== undefined && (lastLook === undefined || lastPut >= lastLook)
  const count = isPutLater ? acks : holders
  const at = isPutLater ? lastPut : lastLook
  return count === undefined || at === undefined ? undefined : { count, at }
}

/** Share of its holders that an item loses in a millisecond: measured, leaning on Mainline's figure while little is. */
export const lossPerMs = ({ lost, nodeMs }: Survival): number => (PRIOR_LOST + lost) / (PRIOR_NODE_MS + nodeMs)

/** Time that holders were watched while `from` became `to`, if they went one by one at a constant rate. */
const watchedMs = (from: number, to: number, elapsedMs: number): number => {
  if (to === from) return from * elapsedMs
  return to === 0 ? (from * elapsedMs) / 2 : (elapsedMs * (from - to)) / Math.log(from / to)
}

/** Half of its holders are lost in so many milliseconds, as measured of this item alone; `undefined` while it lost none. */
export const halfLifeMs = ({ lost, nodeMs }: Survival): number | undefined =>
  lost > 0 && nodeMs > 0 ? (Math.LN2 * nodeMs) / lost : undefined

/** How many of the nodes that took the last put are among `nodes`; `undefined` where it is not known who took it. */
const keptBy = ({ keepers }: Health, nodes: ReadonlyArray<string>): number | undefined => {
  if (keepers.length === 0) return undefined
  const now = new Set(nodes)
  return keepers.filter((node) => now.has(node)).length
}

/** Nodes that are watched from now on. */
const firstOf = (nodes: ReadonlyArray<string>): Pick<Health, "keepers" | "kept"> => {
  const keepers = nodes.slice(0, KEEPERS_MAX)
  return { keepers, kept: keepers.length === 0 ? undefined : keepers.length }
}

/**
 * What a look says about survival. Of nodes that are known by name the same ones are counted, whoever else holds the
 * item by now; one that was silent once and has it after all was not lost. Otherwise numbers are compared, which more
 * holders than before make worthless: somebody else put it, which hides how many were lost.
 */
const measured = (self: Health, holders: number, kept: number | undefined, now: number): Survival | undefined => {
  const before = known(self)
  if (before === undefined) return undefined
  const [from, to] = kept === undefined ? [before.count, holders] : [self.kept ?? self.keepers.length, kept]
  if (kept === undefined && to > from) return undefined
  const { lost, longestMs, nodeMs } = self.survival
  return {
    lost: Math.max(0, lost + from - to),
    nodeMs: nodeMs + watchedMs(from, to, now - before.at),
    longestMs: Math.max(longestMs, self.lastPut === undefined ? 0 : now - self.lastPut)
  }
}

/** After a look that found `holders` (`undefined` where the layer cannot tell): `nodes`, as far as they have names. */
export const looked = (
  self: Health,
  holders: number | undefined,
  now: number,
  nodes: ReadonlyArray<string> = []
): Health => {
  const seen: Health = { ...self, holders, lastLook: now, failures: 0, isMissing: false }
  if (holders === undefined) return seen
  const kept = keptBy(self, nodes)
  const watched = kept === undefined ? firstOf(nodes) : { keepers: self.keepers, kept }
  const before = known(self)
  const survival = measured(self, holders, kept, now)
  const counted: Health = { ...seen, ...watched, survival: survival ?? self.survival }
  if (before === undefined || holders > before.count) return counted
  const ageMs = self.lastPut === undefined ? 0 : now - self.lastPut
  const isForgotten =
    self.lastPut !== undefined &&
    ageMs <= Duration.toMillis(SHORT_LIFE) &&
    holders * SURE_HOLDERS <= Math.max(before.count, self.acks ?? 0)
  if (!isForgotten) return { ...counted, shortLives: ageMs > Duration.toMillis(EXPIRY) ? 0 : self.shortLives }
  const shortLives = self.shortLives + 1
  if (shortLives === 1 && before.count < SURE_HOLDERS) return { ...counted, shortLives }
  // What was measured of later ages is void: the next pause has to be tested anew.
  return {
    ...counted,
    survival: { ...counted.survival, longestMs: 0 },
    shortLives,
    hourlyUntil: now + Duration.toMillis(HOURLY_FOR)
  }
}

/** Whether a put now is not at a time of its own, but when much else is found lacking or overdue as well. */
const isWithOthers = ({ putBy, puts }: Health, now: number): boolean =>
  putBy === undefined ? puts === 0 : now - putBy > Duration.toMillis(LATE)

/** After a put that `acks` nodes acknowledged (`undefined` where the layer cannot tell): `keepers`, as far as they have names. */
export const put = (
  self: Health,
  acks: number | undefined,
  now: number,
  keepers: ReadonlyArray<string> = []
): Health => ({
  ...self,
  acks,
  keepers: keepers.slice(0, KEEPERS_MAX),
  kept: undefined,
  puts: self.puts + 1,
  lastPut: now,
  putBy: undefined,
  isInStep: isWithOthers(self, now),
  failures: 0,
  isMissing: false,
  survival: { ...self.survival, lost: MEMORY * self.survival.lost, nodeMs: MEMORY * self.survival.nodeMs }
})

/** After a newer record took its place; who acknowledged the older one means nothing any more. */
export const superseded = (self: Health): Health => ({
  ...self,
  acks: undefined,
  holders: undefined,
  keepers: [],
  kept: undefined,
  lastPut: undefined,
  lastLook: undefined,
  putBy: undefined
})

/** After an attempt that came to nothing. */
export const failed = (self: Health): Health => ({ ...self, failures: self.failures + 1 })

/** After nobody had it. */
export const missing = (self: Health, now: number): Health => ({
  ...self,
  holders: 0,
  lastLook: now,
  failures: self.failures + 1,
  isMissing: true
})

const dates = ["lastPut", "lastLook", "putBy", "hourlyUntil"] as const

/** The same, `ms` earlier: for a clock that was set back. */
export const earlier = (self: Health, ms: number): Health => ({
  ...self,
  ...Object.fromEntries(dates.map((date) => [date, self[date] === undefined ? undefined : self[date] - ms])),
  nextDue: self.nextDue - ms
})
