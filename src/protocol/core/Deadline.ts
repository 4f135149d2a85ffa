/**
 * One overall deadline for a piece of work, set once by whoever asked for it and known to everything
 * inside: what retries or waits can see how much time is left and stop in good time. Deadlines nest;
 * the earliest one counts.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { ExitCode } from "./Errors.ts"

/** The work did not finish in the time that it was given. */
export class DeadlineExceeded extends Schema.TaggedError<DeadlineExceeded>()("DeadlineExceeded", {
  /** The time that was given. */
  limitMs: Schema.Finite
}) {
  readonly exitCode = ExitCode.network
  readonly hint = "Try again, or give it longer with --timeout."
  override get message() {
    return `The work did not finish within ${this.limitMs / 1000} s`
  }
}

/** When the work around has to be done, Unix ms; `Infinity` where nobody set a deadline. */
export const At = Context.Reference<number>("@libreseed/protocol/core/Deadline/At", {
  defaultValue: () => Number.POSITIVE_INFINITY
})

/** Time until the deadline, zero once it has passed; `None` where there is none. */
export const remaining: Effect.Effect<Option.Option<Duration.Duration>> = Effect.gen(function* () {
  const at = yield* At
  if (at === Number.POSITIVE_INFINITY) return Option.none()
  return Option.some(Duration.millis(Math.max(0, at - (yield* Clock.currentTimeMillis))))
})

/**
 * Interrupts the work at `at` (Unix ms), and fails with {@link DeadlineExceeded}, which names
 * `limitMs` as the time that was given. Inside another deadline that comes first it changes nothing:
 * that one ends the work, and says so.
 */
export const until =
  (at: number, limitMs: number) =>
  <A, E, R>(work: Effect.Effect<A, E, R>): Effect.Effect<A, E | DeadlineExceeded, R> =>
    Effect.gen(function* () {
      if (at >= (yield* At)) return yield* work
      const left = at - (yield* Clock.currentTimeMillis)
      if (left <= 0) return yield* new DeadlineExceeded({ limitMs })
      return yield* work.pipe(
        Effect.provideService(At, at),
        Effect.timeoutOrElse({
          duration: Duration.millis(left),
          orElse: () => Effect.fail(new DeadlineExceeded({ limitMs }))
        })
      )
    })

/** As {@link until}, with the time running from now. */
export const within =
  (limit: Duration.Input) =>
  <A, E, R>(work: Effect.Effect<A, E, R>): Effect.Effect<A, E | DeadlineExceeded, R> =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const limitMs = Duration.toMillis(Duration.fromInputUnsafe(limit))
      return until(now + limitMs, limitMs)(work)
    })
