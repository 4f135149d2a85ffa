/**
 * Chance from a seed: the one source of it in a simulation.
 *
 * Streams are split by label (`fork`), so that what one part draws does not change what another part
 * gets: leaving out one fault leaves the others as they were. Only integer arithmetic and comparisons
 * are used, never `Math.log` or its like, whose last digit may differ between engines.
 */
import type { Random } from "effect/Random"

/** 2^32, and the 53 bits of a double's mantissa in two draws. */
const WORD = 4_294_967_296
const HIGH_BITS = 2_097_152

/** FNV-1a over UTF-16 units, finished as in MurmurHash3: spreads labels that differ in one character. */
const hash = (text: string, basis: number): number => {
  let h = basis
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193)
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

/** Draws thrown away before the first, until the seed has reached all of the state. */
const WARM_UP = 12

export class Chance {
  readonly #name: string
  #a: number
  #b: number
  #c: number
  #counter = 1

  private constructor(name: string) {
    this.#name = name
    this.#a = hash(name, 0x811c9dc5)
    this.#b = hash(name, 0x9e3779b9)
    this.#c = hash(name, 0x243f6a88)
    for (let i = 0; i < WARM_UP; i++) this.word()
  }

  static of(seed: number | string): Chance {
    return new Chance(String(seed))
  }

  /** A stream of its own, which depends on this one's seed and the label alone, not on what was drawn so far. */
  fork(label: string): Chance {
    return new Chance(`${this.#name}/${label}`)
  }

  /** 32 random bits as an unsigned integer: Doty-Humphrey's sfc32. */
  word(): number {
    const t = (((this.#a + this.#b) | 0) + this.#counter) | 0
    this.#counter = (this.#counter + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + t
    this.#c |= 0
    return t >>> 0
  }

  /** Uniform in [0, 1). */
  fraction(): number {
    const high = this.word() >>> 11
    return (high * WORD + this.word()) / (HIGH_BITS * WORD)
  }

  /** An integer from 0 up to, not including, `below`. */
  below(below: number): number {
    return below <= WORD ? Math.floor((this.word() / WORD) * below) : Math.floor(this.fraction() * below)
  }

  /** An integer from `min` to `max`, both included. */
  between(min: number, max: number): number {
    return min + this.below(max - min + 1)
  }

  /** True with this probability, from 0 to 1. Draws once, whatever the probability. */
  is(probability: number): boolean {
    return this.word() / WORD < probability
  }

  /** One element. An empty list is a caller's bug. */
  pick<A>(from: ReadonlyArray<A>): A {
    const at = this.below(from.length)
    if (at >= from.length) throw new RangeError("cannot pick from nothing")
    return from[at]!
  }

  /** All elements, in any order (Fisher and Yates). */
  shuffled<A>(from: ReadonlyArray<A>): Array<A> {
    const out = [...from]
    for (let i = out.length - 1; i > 0; i--) {
      const j = this.below(i + 1)
      ;[out[i], out[j]] = [out[j]!, out[i]!]
    }
    return out
  }

  /** Some of the elements, in any order; all where there are not that many. */
  sample<A>(from: ReadonlyArray<A>, count: number): Array<A> {
    return this.shuffled(from).slice(0, count)
  }

  bytes(length: number): Uint8Array {
    const out = new Uint8Array(length)
    for (let i = 0; i < length; i++) out[i] = this.word() & 0xff
    return out
  }

  /** Exponentially distributed with mean 1: von Neumann's way (1951), by comparisons alone. */
  exponential(): number {
    for (let whole = 0; ; whole++) {
      const first = this.fraction()
      let last = first
      let length = 1
      for (;;) {
        const next = this.fraction()
        if (next >= last) break
        last = next
        length++
      }
      if (length % 2 === 1) return whole + first
    }
  }

  /** As Effect's `Random`. */
  get random(): Random {
    return {
      nextIntUnsafe: () => Math.floor((this.fraction() - 0.5) * 2 * Number.MAX_SAFE_INTEGER),
      nextDoubleUnsafe: () => this.fraction()
    }
  }
}
