/**
 * How much each of many holds, and who holds most: what a fair eviction asks before every step, so each
 * operation takes constant time however many there are.
 */

/** 2^32 divided by the golden ratio: steps of it, taken around a circle, spread evenly however many they are. */
const GOLDEN_STEP = 0x9e3779b1
const CIRCLE = 2 ** 32

interface Place {
  readonly count: number
  index: number
}

export class Shares<K> {
  readonly #places = new Map<K, Place>()
  /** By count, in no order. */
  readonly #byCount: Array<Array<K>> = []
  #cursor = 0

  /** How many hold anything. */
  get size(): number {
    return this.#places.size
  }

  countOf(key: K): number {
    return this.#places.get(key)?.count ?? 0
  }

  increase(key: K): void {
    this.#move(key, this.countOf(key) + 1)
  }

  /** Of one that holds something. */
  decrease(key: K): void {
    this.#move(key, this.countOf(key) - 1)
  }

  /** Of those who hold most, all equally much: all, or where there are more than `max` a sample, another one each time. */
  greediest(max: number): ReadonlyArray<K> {
    const among = this.#byCount.at(-1) ?? []
    if (among.length <= max) return among
    return Array.from({ length: max }, () => {
      this.#cursor = (this.#cursor + GOLDEN_STEP) >>> 0
      return among[Math.floor((this.#cursor / CIRCLE) * among.length)]!
    })
  }

  #move(key: K, count: number): void {
    this.#leave(key)
    if (count > 0) {
      const peers = (this.#byCount[count] ??= [])
      this.#places.set(key, { count, index: peers.push(key) - 1 })
    }
    // Counts change by one, so that every list below the last one is there, if empty.
    while (this.#byCount.length > 0 && (this.#byCount.at(-1)?.length ?? 0) === 0) this.#byCount.pop()
  }

  #leave(key: K): void {
    const place = this.#places.get(key)
    if (place === undefined) return
    this.#places.delete(key)
    const peers = this.#byCount[place.count]!
    const last = peers.pop()!
    if (last === key) return
    peers[place.index] = last
    this.#places.get(last)!.index = place.index
  }
}
