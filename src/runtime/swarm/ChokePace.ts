/** How often a peer may change its mind about serving us. Clients do so every ten seconds (BEP 3). */

/** Chokes of one peer in {@link CHOKES_WINDOW_MS}. */
export const CHOKES_MAX = 64
export const CHOKES_WINDOW_MS = 10_000

export class ChokePace {
  #since = -Infinity
  #chokes = 0

  /** Whether a choke at `now` (ms) is one too many. */
  isTooMuch(now: number): boolean {
    if (now - this.#since >= CHOKES_WINDOW_MS) {
      this.#since = now
      this.#chokes = 0
    }
    return ++this.#chokes > CHOKES_MAX
  }
}
