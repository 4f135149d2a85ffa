/** Chance that one number repeats: xorshift128 from a seed (Marsaglia 2003), for fuzzers. */
export class Chance {
  readonly #state: Uint32Array

  constructor(seed: number) {
    // Any odd constants do; the state must not be all zeros.
    this.#state = Uint32Array.from([seed, seed ^ 0x9e3779b9, 0x243f6a88, 0xb7e15163])
    for (let i = 0; i < 16; i++) this.#next()
  }

  #next(): number {
    const state = this.#state
    const t = state[0]! ^ (state[0]! << 11)
    const w = state[3]!
    state.copyWithin(0, 1)
    state[3] = w ^ (w >>> 19) ^ t ^ (t >>> 8)
    return state[3]!
  }

  /** A whole number from 0 to `n` − 1. */
  below(n: number): number {
    return this.#next() % n
  }

  oneIn(n: number): boolean {
    return this.below(n) === 0
  }

  of<A>(list: ReadonlyArray<A>): A {
    return list[this.below(list.length)]!
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.#next() & 0xff)
  }
}
