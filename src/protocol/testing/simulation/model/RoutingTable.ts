/**
 * The k-buckets of one storage node (BEP 5 "Routing Table"): at most eight others for each number of
 * leading bits that they have in common with it, so that it knows many near and few far.
 */
import { closest, commonBits, type NodeId } from "../../../dht/client/NodeId.ts"
import { K } from "./Krpc.ts"

export interface Neighbour {
  readonly id: NodeId
  /** `host:port`. */
  readonly address: string
  readonly isUp: boolean
}

export class RoutingTable<N extends Neighbour> {
  readonly #own: NodeId
  /** Flat, since every query reads all of it. */
  readonly #entries: Array<N> = []
  readonly #known = new Set<N>()
  readonly #counts = new Uint8Array(161)

  constructor(own: NodeId) {
    this.#own = own
  }

  get size(): number {
    return this.#entries.length
  }

  has(node: N): boolean {
    return this.#known.has(node)
  }

  /** The number of the bucket that a node belongs to. */
  bucketOf(node: N): number {
    return commonBits(this.#own, node.id)
  }

  /** Takes a node in where its bucket has room. */
  admit(node: N): boolean {
    const bucket = this.bucketOf(node)
    if (this.#counts[bucket]! >= K) return this.#known.has(node)
    if (!this.#known.has(node)) this.#add(node, bucket)
    return true
  }

  /** As {@link admit}, and in the place of a dead one. */
  offer(node: N): boolean {
    if (this.admit(node)) return true
    const bucket = this.bucketOf(node)
    const dead = this.#entries.find((other) => !other.isUp && this.bucketOf(other) === bucket)
    if (dead === undefined) return false
    this.remove(dead)
    this.#add(node, bucket)
    return true
  }

  /** Takes a node in, in the place of the one longest in its bucket where that is full. */
  force(node: N): void {
    if (this.offer(node)) return
    const bucket = this.bucketOf(node)
    const oldest = this.#entries.find((other) => this.bucketOf(other) === bucket)
    if (oldest !== undefined) this.remove(oldest)
    this.#add(node, bucket)
  }

  remove(node: N): void {
    if (!this.#known.delete(node)) return
    this.#entries.splice(this.#entries.indexOf(node), 1)
    this.#counts[this.bucketOf(node)]!--
  }

  clear(): void {
    this.#entries.length = 0
    this.#known.clear()
    this.#counts.fill(0)
  }

  /** The eight closest, dead or alive: it cannot know. */
  closest(target: NodeId): ReadonlyArray<N> {
    return closest(this.#entries, target, K)
  }

  #add(node: N, bucket: number): void {
    this.#entries.push(node)
    this.#known.add(node)
    this.#counts[bucket]!++
  }
}
