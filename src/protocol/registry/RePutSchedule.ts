/**
 * When an item is looked at and put again, as a value and pure functions of it (DESIGN section 6).
 *
 * Every item is put once an interval, whoever holds it, since some nodes forget after a fixed age.
 * An adaptive schedule also looks who still holds it: as soon as its measured losses may have taken it
 * to the threshold, it asks, and puts what fell below. All times are Unix milliseconds.
 */
import * as Duration from "effect/Duration"
import * as RePutHealth from "./RePutHealth.ts"

export interface RePutSchedule {
  /** The longest pause between two puts. */
  readonly interval: Duration.Duration
  /** Share of a pause by which it may be shorter, from 0 to {@link JITTER_MAX}: pauses never get longer. */
  readonly jitter: number
  /** Whether, after many items were put at once, each one's next pause is drawn from the whole interval, so that they do not stay in step. */
  readonly spread: boolean
  /** Holders below which an item is put at once; all nodes there are, where there are fewer. */
  readonly threshold: number
  /** The longest pause between two looks, where {@link adaptive}. */
  readonly checkInterval: Duration.Duration
  /** Pause of an item that few nodes took or that its holders soon forget, and after a failure; no pause is shorter. */
  readonly weakInterval: Duration.Duration
  /** Whether holders are asked for at all. A schedule that is not adaptive puts once an interval, and weak items hourly. */
  readonly adaptive: boolean
}

export const JITTER_MAX = 0.5

/**
 * 22 hours: after a day most nodes have forgotten. A threshold of 6: of about 15 nodes that take an item
 * 6 to 7 hold it after a day, so on an ordinary day nothing has to be written before its time.
 */
export const standard: RePutSchedule = {
  interval: Duration.hours(22),
  jitter: 0.2,
  spread: true,
  threshold: 6,
  checkInterval: Duration.hours(6),
  weakInterval: Duration.hours(1),
  adaptive: true
}

/** {@link standard} with changes. One that makes no sense is the caller's bug and throws a `RangeError`. */
export const make = (changes: Partial<RePutSchedule> = {}): RePutSchedule => {
  const schedule = { ...standard, ...changes }
  const durations = ["interval", "checkInterval", "weakInterval"] as const
  for (const field of durations) {
    const ms = Duration.toMillis(schedule[field])
    if (!Number.isFinite(ms) || ms < 1) throw new RangeError(`a schedule's ${field} cannot be ${ms} ms`)
  }
  if (!(schedule.jitter >= 0 && schedule.jitter <= JITTER_MAX)) {
    throw new RangeError(`a schedule's jitter must be from 0 to ${JITTER_MAX}, not ${schedule.jitter}`)
  }
  if (!Number.isInteger(schedule.threshold) || schedule.threshold < 1) {
    throw new RangeError(`a schedule's threshold must be a whole number of nodes, not ${schedule.threshold}`)
  }
  return schedule
}

/** How much faster than measured losses are taken to be. */
const SAFETY = 1.5

/** The first look at an item's holders, once those have gone that forget after two hours. */
const FIRST_LOOK = Duration.sum(RePutHealth.EXPIRY, Duration.minutes(5))

/** `random` is from 0 to 1, as in all functions of this module. */
const shortened = (self: RePutSchedule, pauseMs: number, random: number): number => pauseMs * (1 - self.jitter * random)

/** A pause that the jitter makes at least `duration`. */
const atLeast = (self: RePutSchedule, duration: Duration.Duration, random: number): number =>
  shortened(self, Duration.toMillis(duration) / (1 - self.jitter), random)

/** Whole milliseconds, from the weak interval to the interval. */
const bounded = (self: RePutSchedule, pauseMs: number): number => {
  const longest = Duration.toMillis(self.interval)
  const shortest = Math.min(Duration.toMillis(self.weakInterval), longest)
  return Math.max(1, Math.floor(Math.min(longest, Math.max(shortest, pauseMs))))
}

const isHourly = (health: RePutHealth.Health, now: number): boolean =>
  health.hourlyUntil !== undefined && now < health.hourlyUntil

const isWeak = (self: RePutSchedule, health: RePutHealth.Health): boolean => {
  const known = RePutHealth.known(health)
  return known !== undefined && known.count < self.threshold
}

/** When an item is to be put whoever holds it, at most one interval after this host put it. */
export const putBy = (self: RePutSchedule, health: RePutHealth.Health, now: number, random: number): number => {
  const interval = Duration.toMillis(self.interval)
  const { isInStep, lastPut } = health
  // Somebody put it at a time that nobody remembers: any age is as likely as any other.
  if (lastPut === undefined) return now + bounded(self, interval * random)
  if (isHourly(health, now)) return lastPut + bounded(self, atLeast(self, self.weakInterval, random))
  return lastPut + bounded(self, self.spread && isInStep ? interval * random : shortened(self, interval, random))
}

/** Milliseconds until it should be asked who holds an item of which `count` nodes did a moment ago. */
const lookPause = (self: RePutSchedule, { survival }: RePutHealth.Health, count: number, random: number): number => {
  if (survival.longestMs < Duration.toMillis(RePutHealth.EXPIRY)) {
    return Math.min(Duration.toMillis(self.checkInterval), atLeast(self, FIRST_LOOK, random))
  }
  const untilThreshold = Math.log(count / self.threshold) / (RePutHealth.lossPerMs(survival) * SAFETY)
  return shortened(self, Math.min(Duration.toMillis(self.checkInterval), untilThreshold), random)
}

const pause = (self: RePutSchedule, health: RePutHealth.Health, now: number, random: number): number => {
  if (health.isMissing) return shortened(self, Duration.toMillis(self.checkInterval), random)
  const weak = atLeast(self, self.weakInterval, random)
  if (health.failures > 0) return weak
  const untilPut = (health.putBy ?? now) - now
  if (isWeak(self, health)) return Math.min(weak, untilPut)
  const known = RePutHealth.known(health)
  if (!self.adaptive || known === undefined) return untilPut
  const look = Math.max(weak, lookPause(self, health, known.count, random))
  // A look so short before the put would only delay it, since pauses have a least length.
  return untilPut - look < Duration.toMillis(self.weakInterval) ? untilPut : look
}

/** When something is to be done for an item: always after `now`, and at most one interval after it. */
export const next = (self: RePutSchedule, health: RePutHealth.Health, now: number, random: number): number =>
  now + bounded(self, pause(self, health, now, random))

/** Sets what is due when; for a health that was just changed. A failure changes nothing about when a put is due. */
export const plan = (
  self: RePutSchedule,
  health: RePutHealth.Health,
  now: number,
  random: { readonly put: number; readonly look: number }
): RePutHealth.Health => {
  const isOpen = health.putBy === undefined && health.failures === 0
  const planned = isOpen ? { ...health, putBy: putBy(self, health, now, random.put) } : health
  return { ...planned, nextDue: next(self, planned, now, random.look) }
}

/**
 * The same, asked about again when what fails is, and put when that is due: for a look that said nothing, so that
 * nothing else is known or planned anew.
 */
export const again = (
  self: RePutSchedule,
  health: RePutHealth.Health,
  now: number,
  random: number
): RePutHealth.Health => {
  const askAt = now + bounded(self, atLeast(self, self.weakInterval, random))
  const { putBy } = health
  // What is due and could not be put, for want of an answer, is not tried without a pause.
  return { ...health, nextDue: putBy === undefined || putBy <= now ? askAt : Math.min(askAt, putBy) }
}

/**
 * What an earlier run knew and had planned, for a run with this schedule, which may have shorter pauses: everything
 * stays when it was due, but nothing is due later than this schedule would have it.
 */
export const resumed = (self: RePutSchedule, health: RePutHealth.Health, now: number): RePutHealth.Health => {
  const interval = Duration.toMillis(self.interval)
  const latest = Math.floor((health.lastPut ?? now) + interval)
  const isPutEarlier = health.putBy !== undefined && health.putBy > latest
  const putBy = isPutEarlier ? latest : health.putBy
  const nextDue = Math.min(health.nextDue, Math.floor(now + interval), isPutEarlier ? latest : Number.POSITIVE_INFINITY)
  return { ...health, putBy, nextDue }
}

/** Whether the time has come to put an item even if it is well held. */
export const isDue = (health: RePutHealth.Health, now: number): boolean =>
  health.putBy !== undefined && now >= health.putBy

/**
 * What to do with an item of which `holders` nodes hold it now; `undefined` where the layer cannot tell.
 * Then, what was never put by this host is put once, and later only when it is due or few nodes took it.
 */
export const decide = (
  self: RePutSchedule,
  health: RePutHealth.Health,
  holders: number | undefined,
  now: number
): "put" | "wait" => {
  if (isDue(health, now)) return "put"
  if (holders !== undefined) return holders < self.threshold ? "put" : "wait"
  return health.putBy === undefined || isWeak(self, health) ? "put" : "wait"
}
