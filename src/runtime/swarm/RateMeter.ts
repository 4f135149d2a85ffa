/** Bytes a second, as an average that forgets with a time constant of one second. */

/** Time constant in ms: long enough to bridge a round trip, short enough to notice that a peer went quiet. */
const DECAY_MS = 1000

export class RateMeter {
  #rate = 0
  #at: number
  readonly #now: () => number

  /** `now` in ms. */
  constructor(now: () => number) {
    this.#now = now
    this.#at = now()
  }

  add(bytes: number): void {
    this.#rate = this.perSecond() + (bytes * 1000) / DECAY_MS
    this.#at = this.#now()
  }

  perSecond(): number {
    return this.#rate * Math.exp((this.#at - this.#now()) / DECAY_MS)
  }
}
