/**
 * Newcomers that wait to be pinged (see {@link Newcomers}). Anybody can put as many there as he likes, so their
 * number is bounded, and chance decides who goes and who stays: whoever comes once has the same part as each
 * forged one. Those whose ids fit their addresses (BEP 42) stand in a line of their own, which goes first.
 */
import * as SecureId from "../../protocol/dht/client/SecureId.ts"

/** Of each of the two lines; both together take about 150 KB. */
export const WAITING_MAX = 256

/** Every so many turns the others go first: most nodes of today's Mainline have ids of their own choice. */
const TURNS = 4

export interface Newcomer {
  /** 20 bytes: what it says that it is. */
  readonly id: Uint8Array
  readonly place: { readonly host: string; readonly port: number }
  /** `host:port` */
  readonly name: string
  readonly network: string
}

export class NewcomerQueue {
  readonly #fit: Array<Newcomer> = []
  readonly #others: Array<Newcomer> = []
  readonly #names = new Set<string>()
  readonly #random: (below: number) => number
  #turn = 0

  /** `random` gives a whole number from 0 up to, but not including, its argument. */
  constructor(random: (below: number) => number) {
    this.#random = random
  }

  has(name: string): boolean {
    return this.#names.has(name)
  }

  /** Where the line is full, somebody in it makes room. */
  add(newcomer: Newcomer): void {
    const line = SecureId.isValid(newcomer.id, newcomer.place.host) ? this.#fit : this.#others
    if (line.length >= WAITING_MAX) this.#remove(line, this.#random(line.length))
    line.push(newcomer)
    this.#names.add(newcomer.name)
  }

  /** Takes out one whose network `isFree`. */
  take(isFree: (network: string) => boolean): Newcomer | undefined {
    const isTurnOfOthers = this.#turn % TURNS === TURNS - 1
    const lines = isTurnOfOthers ? [this.#others, this.#fit] : [this.#fit, this.#others]
    for (const line of lines) {
      const from = line.length > 1 ? this.#random(line.length) : 0
      for (let i = 0; i < line.length; i++) {
        const at = (from + i) % line.length
        if (!isFree(line[at]!.network)) continue
        this.#turn++
        return this.#remove(line, at)
      }
    }
    return undefined
  }

  #remove(line: Array<Newcomer>, at: number): Newcomer {
    const removed = line[at]!
    const last = line.pop()!
    if (removed !== last) line[at] = last
    this.#names.delete(removed.name)
    return removed
  }
}
