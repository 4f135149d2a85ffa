/**
 * What the guard remembers of those who send us queries: how many more it takes from each (a token
 * bucket per address and port, and one for all), and under which node id each presents itself.
 *
 * The table is bounded; a flood from forged addresses wears out the common bucket, never memory.
 */

export interface RateLimits {
  /** Queries a second that one sender may keep up, and how many it may send at once. */
  readonly senderRate: number
  readonly senderBurst: number
  /** The same for all senders together. */
  readonly totalRate: number
  readonly totalBurst: number
}

/**
 * An honest node of the Internet sends a few queries a second; a publisher of thousands of records in
 * a testnet of five nodes on loopback sends each of them some thousands. All senders together may use
 * about half a core at 50 µs a query.
 */
export const defaultRateLimits: RateLimits = {
  senderRate: 5_000,
  senderBurst: 10_000,
  totalRate: 10_000,
  totalBurst: 20_000
}

/** About 1 MiB of memory. Past it the sender known for longest is forgotten. */
export const SENDERS_MAX = 8_192

/** A sender under another node id is answered, but stays out of the routing table for this long: the library's bucket age. */
export const IDENTITY_LIFETIME_MS = 15 * 60 * 1_000

export type Admission = "admitted" | "rate-limited-sender" | "rate-limited-total"

interface Bucket {
  tokens: number
  filledAt: number
}

interface Sender extends Bucket {
  id: Uint8Array | undefined
  idSince: number
}

const take = (bucket: Bucket, rate: number, burst: number, now: number): boolean => {
  // A clock that is set back must not drain the bucket.
  const elapsedMs = Math.max(0, now - bucket.filledAt)
  bucket.tokens = Math.min(burst, bucket.tokens + (elapsedMs / 1_000) * rate)
  bucket.filledAt = now
  if (bucket.tokens < 1) return false
  bucket.tokens--
  return true
}

export class KrpcSenders {
  readonly #senders = new Map<string, Sender>()
  readonly #limits: RateLimits
  readonly #now: () => number
  readonly #total: Bucket

  /** `now` in milliseconds. */
  constructor(now: () => number, limits: RateLimits) {
    this.#now = now
    this.#limits = limits
    this.#total = { tokens: limits.totalBurst, filledAt: now() }
  }

  /** Takes one datagram's worth from the sender's bucket, then from the common one. */
  admit(sender: string): Admission {
    const { senderRate, senderBurst, totalRate, totalBurst } = this.#limits
    const now = this.#now()
    if (!take(this.#find(sender, now), senderRate, senderBurst, now)) return "rate-limited-sender"
    return take(this.#total, totalRate, totalBurst, now) ? "admitted" : "rate-limited-total"
  }

  /** Whether `id` is the one that this sender has used so far: one address cannot fill a routing table. */
  isKnownAs(sender: string, id: Uint8Array): boolean {
    const now = this.#now()
    const known = this.#find(sender, now)
    if (known.id === undefined || now - known.idSince > IDENTITY_LIFETIME_MS) {
      known.id = id
      known.idSince = now
    }
    return Buffer.compare(known.id, id) === 0
  }

  #find(sender: string, now: number): Sender {
    const known = this.#senders.get(sender)
    if (known !== undefined) return known
    if (this.#senders.size >= SENDERS_MAX) {
      for (const oldest of this.#senders.keys()) {
        this.#senders.delete(oldest)
        break
      }
    }
    const fresh: Sender = { tokens: this.#limits.senderBurst, filledAt: now, id: undefined, idSince: now }
    this.#senders.set(sender, fresh)
    return fresh
  }
}
