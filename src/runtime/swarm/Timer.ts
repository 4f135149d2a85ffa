/** Timers of Node for what peers are given time for. A fiber that sleeps would cost more than most of what it waits for. */
import * as Duration from "effect/Duration"

/** What a timer of Node can wait for, in ms: 24 days. */
const WAIT_MAX_MS = 2 ** 31 - 1

/** Calls `run` once after `wait`, never where there is none; the result takes that back. */
export const after = (wait: Duration.Duration | undefined, run: () => void): (() => void) => {
  const ms = wait === undefined ? Infinity : Duration.toMillis(wait)
  if (ms === Infinity) return () => {}
  const timer = setTimeout(run, Math.min(ms, WAIT_MAX_MS))
  return () => clearTimeout(timer)
}

/** Calls `run` again and again; the result ends that. */
export const every = (interval: Duration.Duration, run: () => void): (() => void) => {
  const timer = setInterval(run, Duration.toMillis(interval))
  return () => clearInterval(timer)
}
