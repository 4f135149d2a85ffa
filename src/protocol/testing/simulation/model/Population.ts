/**
 * Who knows whom among the storage nodes. How nodes keep their tables up (pings, look-ups of their own
 * id, refreshed buckets) takes no messages here: its outcome is drawn instead, since it would make up most
 * of a year's traffic and nothing of what the library does depends on it.
 */
import { closest } from "../../../dht/client/NodeId.ts"
import type { Chance } from "../Chance.ts"
import type { Kernel } from "../Kernel.ts"
import { K } from "./Krpc.ts"
import type { StorageNode } from "./StorageNode.ts"

/** The longest that a node goes on naming one that stopped, ms (BEP 5: after 15 minutes without a word a node is questionable). */
export const FORGOTTEN_AFTER_MAX_MS = 15 * 60_000

export class Population {
  /** All but those that are gone for ever, in the order in which they came. */
  readonly #nodes: Array<StorageNode> = []
  #living: ReadonlyArray<StorageNode> | undefined
  readonly #kernel: Kernel
  readonly #chance: Chance

  constructor(kernel: Kernel, chance: Chance) {
    this.#kernel = kernel
    this.#chance = chance
  }

  /** All that may be up again, in the order in which they came. */
  get known(): ReadonlyArray<StorageNode> {
    return this.#nodes
  }

  /** Those that are up, in the order in which they came. */
  get living(): ReadonlyArray<StorageNode> {
    this.#living ??= this.#nodes.filter(({ isUp }) => isUp)
    return this.#living
  }

  /** The beginning: everybody is there, and knows some of the others. */
  settle(nodes: ReadonlyArray<StorageNode>): void {
    this.#add(nodes)
    // One order, in which each begins elsewhere: to shuffle a thousand for each of a thousand takes too long.
    const order = this.#chance.shuffled(nodes)
    for (const node of nodes) {
      const from = this.#chance.below(order.length)
      for (let i = 0; i < order.length; i++) {
        const other = order[(from + i) % order.length]!
        if (other !== node) node.table.admit(other)
      }
    }
  }

  /** One comes, or comes back. */
  enter(node: StorageNode): void {
    this.#add(this.#nodes.includes(node) ? [] : [node])
    this.#introduce(
      node,
      this.living.filter((other) => other !== node)
    )
  }

  /**
   * Several come at once who know each other. The nodes that were there before and are closest to them know them:
   * else the newcomers would know of one another only.
   */
  enterTogether(nodes: ReadonlyArray<StorageNode>): void {
    const before = this.living
    this.#add(nodes)
    for (const node of nodes) this.#introduce(node, before)
    for (const node of nodes) {
      for (const other of this.#chance.shuffled(nodes)) if (other !== node) node.table.offer(other)
    }
  }

  /** One is up no longer, and may come back. The others find out one by one. */
  leave(node: StorageNode): void {
    this.#living = undefined
    for (const other of this.living) {
      if (other === node || !other.table.has(node)) continue
      this.#kernel.after(this.#chance.between(0, FORGOTTEN_AFTER_MAX_MS), () => this.#forget(other, node))
    }
  }

  /** One that is up no longer will never come back. */
  forget(node: StorageNode): void {
    const at = this.#nodes.indexOf(node)
    if (at !== -1) this.#nodes.splice(at, 1)
  }

  #add(nodes: ReadonlyArray<StorageNode>): void {
    this.#nodes.push(...nodes)
    this.#living = undefined
  }

  #introduce(node: StorageNode, others: ReadonlyArray<StorageNode>): void {
    node.table.clear()
    for (const other of this.#chance.shuffled(others)) {
      node.table.offer(other)
      other.table.offer(node)
    }
    for (const other of closest(others, node.id, K)) other.table.force(node)
  }

  #forget(node: StorageNode, gone: StorageNode): void {
    // It may be back by now.
    if (gone.isUp || !node.table.has(gone)) return
    node.table.remove(gone)
    const bucket = node.table.bucketOf(gone)
    const others = this.living.filter(
      (other) => other !== node && node.table.bucketOf(other) === bucket && !node.table.has(other)
    )
    if (others.length > 0) node.table.offer(this.#chance.pick(others))
  }
}
