/**
 * How many key exchanges an address may cause: each costs 1 ms, far more than anything else that a stranger can ask
 * for with 96 bytes. Addresses are forgotten when their allowance is full again.
 */
import { type Bucket, full, take } from "../dht/TokenBucket.ts"
import { KEY_EXCHANGES_BURST, KEY_EXCHANGES_PER_SECOND } from "./SwarmOptions.ts"

/** Addresses whose allowance is kept in mind. With more at once, those who were here longest ago start anew. */
const HOSTS_MAX = 4096

export class KeyExchangePace {
  readonly #buckets = new Map<string, Bucket>()
  readonly #now: () => number

  /** `now` in ms. */
  constructor(now: () => number) {
    this.#now = now
  }

  /** Whether the address may have one more, which then counts. */
  allows(host: string): boolean {
    const now = this.#now()
    const bucket = this.#buckets.get(host) ?? full(KEY_EXCHANGES_BURST, now)
    // Moved to the end: the first is then who was here longest ago.
    this.#buckets.delete(host)
    this.#buckets.set(host, bucket)
    if (this.#buckets.size > HOSTS_MAX) {
      const [oldest] = this.#buckets.keys()
      if (oldest !== undefined) this.#buckets.delete(oldest)
    }
    return take(bucket, 1, KEY_EXCHANGES_PER_SECOND, KEY_EXCHANGES_BURST, now)
  }
}
