/**
 * What one storage node keeps: items, each until a time after its last put, the one put longest ago
 * going first where there are too many; and peers for half an hour.
 */
import type { StoredItem } from "./StoredItem.ts"

/** How long an announced peer is given out, ms: as libtorrent and the clients that follow it. */
export const PEER_LIFETIME_MS = 30 * 60_000

/** Peers kept for one infohash. */
export const PEERS_KEPT_MAX = 1_000

interface Kept {
  readonly item: StoredItem
  readonly putAt: number
}

export class Items {
  /** By target in hex; what was put, or used, longest ago comes first. */
  readonly #kept = new Map<string, Kept>()
  readonly #capacity: number
  readonly #lifetimeMs: number
  readonly #now: () => number

  /** `lifetimeMs` may be `Infinity`. */
  constructor(capacity: number, lifetimeMs: number, now: () => number) {
    this.#capacity = capacity
    this.#lifetimeMs = lifetimeMs
    this.#now = now
  }

  get(target: string): StoredItem | undefined {
    const kept = this.#kept.get(target)
    if (kept === undefined || this.#holds(kept)) return kept?.item
    this.#kept.delete(target)
    return undefined
  }

  /** Keeps an item, or keeps it longer. */
  put(item: StoredItem): void {
    const target = item.target.hex
    this.#kept.delete(target)
    this.#kept.set(target, { item, putAt: this.#now() })
    if (this.#kept.size <= this.#capacity) return
    for (const oldest of this.#kept.keys()) return void this.#kept.delete(oldest)
  }

  /** What is used goes later where there are too many; its time after the last put goes on. */
  use(target: string): void {
    const kept = this.#kept.get(target)
    if (kept === undefined) return
    this.#kept.delete(target)
    this.#kept.set(target, kept)
  }

  /** All that has not expired. */
  *[Symbol.iterator](): Iterator<StoredItem> {
    for (const kept of this.#kept.values()) if (this.#holds(kept)) yield kept.item
  }

  clear(): void {
    this.#kept.clear()
  }

  #holds({ putAt }: Kept): boolean {
    return this.#now() - putAt < this.#lifetimeMs
  }
}

export class Peers {
  /** By infohash in hex; within, when each `host:port` announced itself last, longest ago first. */
  readonly #announced = new Map<string, Map<string, number>>()
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
  }

  add(infohash: string, peer: string): void {
    const peers = this.#announced.get(infohash) ?? new Map<string, number>()
    this.#announced.set(infohash, peers)
    peers.delete(peer)
    peers.set(peer, this.#now())
    if (peers.size <= PEERS_KEPT_MAX) return
    for (const oldest of peers.keys()) return void peers.delete(oldest)
  }

  /** The latest first, at most `count`. */
  get(infohash: string, count: number): ReadonlyArray<string> {
    const peers = this.#announced.get(infohash)
    if (peers === undefined) return NOBODY
    for (const [peer, at] of peers) {
      if (this.#now() - at < PEER_LIFETIME_MS) break
      peers.delete(peer)
    }
    if (peers.size === 0) this.#announced.delete(infohash)
    return [...peers.keys()].toReversed().slice(0, count)
  }

  clear(): void {
    this.#announced.clear()
  }
}

const NOBODY: ReadonlyArray<string> = []
