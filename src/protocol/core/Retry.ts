/**
 * Tries again what failed for a reason that may pass, with pauses that grow and that chance makes
 * uneven, so that many who failed together do not come back together. The overall {@link Deadline}
 * bounds it: nobody is kept waiting for a try that could not be made any more.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Deadline from "./Deadline.ts"

/** The share of a pause that is left to chance: it is between half of its full length and all of it. */
export const JITTER = 0.5

export interface Pauses {
  /** Full length of the first pause. */
  readonly base: Duration.Input
  /** By how much each pause is longer than the one before it; at least 1. */
  readonly factor: number
  /** No pause is longer. */
  readonly maxPause: Duration.Input
}

export interface Options<E> extends Pauses {
  /** Whether the failure may pass by itself. */
  readonly isTransient: (error: E) => boolean
  /** Tries in all, the first one included; at least 1. */
  readonly maxTries: number
}

/** Shortest and longest pause, in ms, after the failed try number `tries` (1, 2, …). */
export const boundsOf = ({ base, factor, maxPause }: Pauses, tries: number): readonly [number, number] => {
  const grown = Duration.toMillis(Duration.fromInputUnsafe(base)) * factor ** (tries - 1)
  const full = Math.min(grown, Duration.toMillis(Duration.fromInputUnsafe(maxPause)))
  return [full * (1 - JITTER), full]
}

/**
 * Runs the effect until it succeeds, fails for good, or has been tried often enough, and ends as its
 * last try did. It ends so too where the next pause would last until the deadline or beyond.
 */
export const transient = <A, E, R>(effect: Effect.Effect<A, E, R>, options: Options<E>): Effect.Effect<A, E, R> =>
  attempt(effect, options, 1)

const attempt = <A, E, R>(effect: Effect.Effect<A, E, R>, options: Options<E>, tries: number): Effect.Effect<A, E, R> =>
  effect.pipe(
    Effect.catch((error) =>
      tries >= options.maxTries || !options.isTransient(error)
        ? Effect.fail(error)
        : Effect.andThen(pauseAfter(options, tries, error), attempt(effect, options, tries + 1))
    )
  )

/** Waits after the failed try; fails as it did where there is no time for another. */
const pauseAfter = Effect.fnUntraced(function* <E>(pauses: Pauses, tries: number, error: E) {
  const [least, most] = boundsOf(pauses, tries)
  const pause = Duration.millis(least + (most - least) * (yield* Random.next))
  const left = yield* Deadline.remaining
  if (Option.isSome(left) && Duration.isLessThanOrEqualTo(left.value, pause)) return yield* Effect.fail(error)
  yield* Effect.sleep(pause)
})
