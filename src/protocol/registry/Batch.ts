/**
 * How many puts run at once: a window over what is due, as wide as a batch. It grows while the network
 * takes everything quickly, and shrinks when it does not (DESIGN section 6). A pure function from what
 * came of one batch to the size of the next.
 */
import * as Duration from "effect/Duration"

export const SIZE_FIRST = 10
export const SIZE_MIN = 5
export const SIZE_MAX = 50
/** By how much one batch's outcome changes the next. */
export const STEP = 5
/** Above this share of successes a batch may grow. */
export const GROW_ABOVE = 0.95
/** Below this share of successes a batch shrinks. */
export const SHRINK_BELOW = 0.9
/** A look-up among nodes of which half are dead takes about 2.5 s; with a put after it, twice that is still healthy. */
export const LATENCY_TARGET = Duration.seconds(5)

/** What came of one batch. `latencyMs` is the mean time that one item of it took. */
export interface Result {
  readonly succeeded: number
  readonly failed: number
  readonly latencyMs: number
}

const LATENCY_TARGET_MS = Duration.toMillis(LATENCY_TARGET)

const clamp = (size: number): number => Math.min(SIZE_MAX, Math.max(SIZE_MIN, size))

/** Size of the batch after one of `size`; from {@link SIZE_MIN} to {@link SIZE_MAX}. An empty batch teaches nothing. */
export const next = (size: number, { failed, latencyMs, succeeded }: Result): number => {
  const total = succeeded + failed
  if (total === 0) return clamp(size)
  const share = succeeded / total
  if (share < SHRINK_BELOW || latencyMs > LATENCY_TARGET_MS) return clamp(size - STEP)
  return clamp(share > GROW_ABOVE && latencyMs < LATENCY_TARGET_MS ? size + STEP : size)
}
