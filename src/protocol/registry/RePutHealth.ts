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

/** Of an item that nothing is known of yet: due at once. */
export const fresh = ({ keyString, kind, target }: Item, now: number): Health => ({
  kind,
  target,
  keyString,
  acks: undefined,
  holders: undefined,
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

/** After a look that found `holders`; `undefined` where the layer cannot tell. */
export const looked = (self: Health, holders: number | undefined, now: number): Health => {
  const seen: Health = { ...self, holders, lastLook: now, failures: 0, isMissing: false }
  const before = known(self)
  // More holders than before mean that somebody else put it, which hides how many were lost.
  if (holders === undefined || before === undefined || holders > before.count) return seen
  const ageMs = self.lastPut === undefined ? 0 : now - self.lastPut
  const survival: Survival = {
    lost: self.survival.lost + before.count - holders,
    nodeMs: self.survival.nodeMs + watchedMs(before.count, holders, now - before.at),
    longestMs: Math.max(self.survival.longestMs, ageMs)
  }
  const isForgotten =
    self.lastPut !== undefined &&
    ageMs <= Duration.toMillis(SHORT_LIFE) &&
    holders * SURE_HOLDERS <= Math.max(before.count, self.acks ?? 0)
  if (!isForgotten) {
    return { ...seen, survival, shortLives: ageMs > Duration.toMillis(EXPIRY) ? 0 : self.shortLives }
  }
  const shortLives = self.shortLives + 1
  if (shortLives === 1 && before.count < SURE_HOLDERS) return { ...seen, survival, shortLives }
  // What was measured of later ages is void: the next pause has to be tested anew.
  return {
    ...seen,
    survival: { ...survival, longestMs: 0 },
    shortLives,
    hourlyUntil: now + Duration.toMillis(HOURLY_FOR)
  }
}

/** After a put that `acks` nodes acknowledged (`undefined` where the layer cannot tell). */
export const put = (self: Health, acks: number | undefined, now: number): Health => ({
  ...self,
  acks,
  puts: self.puts + 1,
  lastPut: now,
  putBy: undefined,
  isInStep: self.puts === 0 && self.putBy === undefined,
  failures: 0,
  isMissing: false,
  survival: { ...self.survival, lost: MEMORY * self.survival.lost, nodeMs: MEMORY * self.survival.nodeMs }
})

/** After a newer record took its place; who acknowledged the older one means nothing any more. */
export const superseded = (self: Health): Health => ({
  ...self,
  acks: undefined,
  holders: undefined,
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
