/** Values by the time when they are due: a binary heap, in which each value is once and can be taken back. */

interface Node<A> {
  readonly value: A
  at: number
  place: number
}

export class DueQueue<A> {
  readonly #heap: Array<Node<A>> = []
  readonly #nodes = new Map<A, Node<A>>()

  get size(): number {
    return this.#heap.length
  }

  /** When the first one is due. */
  get nextAt(): number | undefined {
    return this.#heap[0]?.at
  }

  /** The value that has been due for the longest, if any is due by now. It stays. */
  first(now: number): A | undefined {
    const node = this.#heap[0]
    return node !== undefined && node.at <= now ? node.value : undefined
  }

  /** A value that is there already is due at the new time instead. */
  add(value: A, at: number): void {
    this.remove(value)
    const node: Node<A> = { value, at, place: this.#heap.length }
    this.#nodes.set(value, node)
    this.#heap.push(node)
    this.#rise(node)
  }

  remove(value: A): void {
    const node = this.#nodes.get(value)
    if (node === undefined) return
    this.#nodes.delete(value)
    const last = this.#heap.pop()!
    if (last === node) return
    this.#put(last, node.place)
    this.#rise(last)
    this.#sink(last)
  }

  /** Everything is due so much later. */
  shift(by: number): void {
    for (const node of this.#heap) node.at += by
  }

  #put(node: Node<A>, place: number): void {
    this.#heap[place] = node
    node.place = place
  }

  #rise(node: Node<A>): void {
    while (node.place > 0) {
      const parent = this.#heap[(node.place - 1) >> 1]!
      if (parent.at <= node.at) return
      this.#swap(parent, node)
    }
  }

  #sink(node: Node<A>): void {
    while (true) {
      const left = this.#heap[2 * node.place + 1]
      const right = this.#heap[2 * node.place + 2]
      const child = right !== undefined && right.at < left!.at ? right : left
      if (child === undefined || node.at <= child.at) return
      this.#swap(node, child)
    }
  }

  #swap(upper: Node<A>, lower: Node<A>): void {
    const place = upper.place
    this.#put(upper, lower.place)
    this.#put(lower, place)
  }
}
