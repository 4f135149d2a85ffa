/**
 * Blocks that are on order from one peer, in the order in which they were asked for. Each is answered once: with the
 * block, or with the reason why it will not come.
 */
import type { Block } from "./PeerOutlet.ts"

export type BlockCallback = (error: Error | null, block?: Buffer) => void

export interface Order extends Block {
  readonly callback: BlockCallback
  /** When it was asked for, in ms. */
  readonly at: number
}

/** Offsets stay under 2^20, the longest piece. */
const keyOf = (index: number, offset: number): number => index * 2 ** 20 + offset

export class PeerOrders {
  readonly #orders = new Map<number, Order>()

  get size(): number {
    return this.#orders.size
  }

  get oldest(): Order | undefined {
    return this.#orders.values().next().value
  }

  /** A copy, for answers add and remove. */
  get all(): ReadonlyArray<Order> {
    return [...this.#orders.values()]
  }

  add(order: Order): void {
    this.#orders.set(keyOf(order.index, order.offset), order)
  }

  /** Takes the order of just this block out; the caller answers it. */
  take({ index, length, offset }: Block): Order | undefined {
    const key = keyOf(index, offset)
    const order = this.#orders.get(key)
    if (order === undefined || order.length !== length) return undefined
    this.#orders.delete(key)
    return order
  }

  /** Takes all orders out and answers them; gives how many there were. */
  drop(why: string): number {
    const orders = this.all
    this.#orders.clear()
    for (const order of orders) order.callback(new Error(why))
    return orders.length
  }
}
