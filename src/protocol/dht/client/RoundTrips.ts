/**
 * How long nodes take to answer, as this client has seen it: the smoothed round trip and its deviation, as in
 * RFC 6298. From it follows when an answer is late, which is long before the node counts as silent.
 */

/** RFC 6298: weights of a new sample, and deviations that an answer may be late by. */
const ALPHA = 1 / 8
const BETA = 1 / 4
const DEVIATIONS = 4

/** Bounds of what counts as late, ms: a busy machine answers itself within 150, and most of Mainline within 500. */
export const LATE_MIN_MS = 150
export const LATE_MAX_MS = 500

export class RoundTrips {
  #smoothedMs: number | undefined
  #deviationMs = 0

  /** An answer took so long. */
  note(ms: number): void {
    if (this.#smoothedMs === undefined) {
      this.#smoothedMs = ms
      this.#deviationMs = ms / 2
      return
    }
    this.#deviationMs += BETA * (Math.abs(ms - this.#smoothedMs) - this.#deviationMs)
    this.#smoothedMs += ALPHA * (ms - this.#smoothedMs)
  }

  /** After how many ms an answer is late: others are asked beside that node, and it is asked once more. */
  get lateMs(): number {
    if (this.#smoothedMs === undefined) return LATE_MAX_MS
    const late = this.#smoothedMs + DEVIATIONS * this.#deviationMs
    return Math.min(LATE_MAX_MS, Math.max(LATE_MIN_MS, Math.ceil(late)))
  }
}
