/**
 * How often a registry is asked: requests are spread evenly over each second, and all of them wait
 * when it asks for that (`Retry-After`, RFC 9110 section 10.2.3).
 */
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"

const SECOND_MS = 1000

export interface Pace {
  /** Waits for its turn. */
  readonly turn: Effect.Effect<void>
  /** Lets nobody have a turn for so many ms. */
  readonly rest: (ms: number) => Effect.Effect<void>
}

/** A pace of `rate` requests a second. */
export const make = (rate: number): Pace => {
  let next = 0
  let resting = 0
  const turn = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    const at = Math.max(now, next)
    next = at + SECOND_MS / rate
    yield* Effect.sleep(at - now)
    // Whoever had a turn already when the registry asked for rest waits as well.
    for (let left = resting - at; left > 0; left = resting - (yield* Clock.currentTimeMillis)) yield* Effect.sleep(left)
  })
  const rest = (ms: number) =>
    Effect.map(Clock.currentTimeMillis, (now) => {
      resting = Math.max(resting, now + ms)
    })
  return { turn, rest }
}

/** Milliseconds that a `Retry-After` asks for: seconds, or a date (RFC 9110). `None` where it makes no sense. */
export const retryAfterMs = (header: string | undefined, now: number): Option.Option<number> => {
  if (header === undefined) return Option.none()
  if (/^\d{1,9}$/.test(header.trim())) return Option.some(Number(header) * SECOND_MS)
  return Option.map(DateTime.make(header), (date) => Math.max(0, DateTime.toEpochMillis(date) - now))
}
