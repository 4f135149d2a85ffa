/** What is to happen at which virtual time: a binary heap, first by time, then by the order of planning. */

/** Something planned. Cancelling what has happened already does nothing. */
export interface Timer {
  readonly cancel: () => void
}

interface Planned extends Timer {
  readonly at: number
  readonly order: number
  run: (() => void) | undefined
}

const isBefore = (self: Planned, that: Planned): boolean =>
  self.at < that.at || (self.at === that.at && self.order < that.order)

export class EventQueue {
  #heap: Array<Planned> = []
  #order = 0

  /** Plans `run` for virtual time `at`. */
  plan(at: number, run: () => void): Timer {
    const planned: Planned = {
      at,
      order: this.#order++,
      run,
      cancel: () => {
        planned.run = undefined
      }
    }
    this.#heap.push(planned)
    this.#rise(this.#heap.length - 1)
    return planned
  }

  /** Takes out the earliest that was not cancelled; `too late` where that comes after `until`, and then it stays. */
  take(until: number): { readonly at: number; readonly run: () => void } | "too late" | undefined {
    for (;;) {
      const next = this.#heap[0]
      if (next !== undefined && next.run !== undefined && next.at > until) return "too late"
      const planned = this.#pop()
      if (planned === undefined) return undefined
      const { at, run } = planned
      if (run === undefined) continue
      planned.run = undefined
      return { at, run }
    }
  }

  #pop(): Planned | undefined {
    const first = this.#heap[0]
    const last = this.#heap.pop()
    if (first === undefined || last === undefined || this.#heap.length === 0) return first
    this.#heap[0] = last
    this.#sink(0)
    return first
  }

  #rise(from: number): void {
    let at = from
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!isBefore(this.#heap[at]!, this.#heap[parent]!)) return
      this.#swap(at, parent)
      at = parent
    }
  }

  #sink(from: number): void {
    let at = from
    for (;;) {
      const left = 2 * at + 1
      if (left >= this.#heap.length) return
      const right = left + 1
      const child = right < this.#heap.length && isBefore(this.#heap[right]!, this.#heap[left]!) ? right : left
      if (!isBefore(this.#heap[child]!, this.#heap[at]!)) return
      this.#swap(at, child)
      at = child
    }
  }

  #swap(one: number, other: number): void {
    const kept = this.#heap[one]!
    this.#heap[one] = this.#heap[other]!
    this.#heap[other] = kept
  }
}
