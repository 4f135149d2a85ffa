/**
 * How much may be drawn out of us onto an address that somebody forged. A `get` of 95 bytes is answered with up to
 * 1,300, so a DHT node is an amplifier unless it counts what it says.
 *
 * A reply of up to three times its query always goes, as in QUIC (RFC 9000 §8.1). A longer one is paid for out of a
 * bucket of bytes that each address of the open Internet has: a small one while anybody could have written the
 * query, a larger one once the address has shown that somebody is there (see {@link RealHosts}). Past that
 * the reply has to be cut down to three times the query.
 *
 * Addresses that have shown nothing also pay out of what all of them have together, so that naming ever new ones
 * gains nothing. Half of that belongs to all; the other half is parted among the networks of the Internet, so that
 * whoever forges addresses of some leaves theirs to the rest.
 */
import { RecentMap } from "../../protocol/core/RecentMap.ts"
import { RealHosts } from "./RealHosts.ts"
import { type Bucket, full, take } from "./TokenBucket.ts"

/** RFC 9000 §8.1: what may be sent to an address that is not validated, as a multiple of what came from there. */
export const FREE_RATIO = 3

/** Of long replies to an address that has shown nothing: a hundred whole records at once, then six a second. */
export const STRANGER_BURST_BYTES = 128 * 1_024
export const STRANGER_RATE_BYTES = 8 * 1_024

/** Of long replies to an address where somebody is: what the limit on its queries can ask for (100 a second). */
export const REAL_BURST_BYTES = 2 * 1_024 * 1_024
export const REAL_RATE_BYTES = 128 * 1_024

/** Of long replies to all addresses together that have shown nothing: a tenth of an uplink of 100 Mbit/s. */
export const STRANGERS_BURST_BYTES = 8 * 1_024 * 1_024
export const STRANGERS_RATE_BYTES = 1_024 * 1_024

/** Parts of the second half, one for each first octet: whole /8s, since a forger of one address can forge its neighbours. */
export const PARTS = 256

const COMMON_BURST_BYTES = STRANGERS_BURST_BYTES / 2
const COMMON_RATE_BYTES = STRANGERS_RATE_BYTES / 2

/** A dozen whole records at once, then three every two seconds. */
export const PART_BURST_BYTES = COMMON_BURST_BYTES / PARTS
export const PART_RATE_BYTES = COMMON_RATE_BYTES / PARTS

/** About 1 MiB of memory. Past it the stranger known for longest is forgotten. */
export const STRANGERS_MAX = 8_192

export class KrpcReplyBytes {
  readonly #strangers = new RecentMap<string, Bucket>(STRANGERS_MAX)
  readonly #real = new RealHosts<Bucket>((now) => full(REAL_BURST_BYTES, now))
  readonly #common: Bucket
  readonly #parts: ReadonlyArray<Bucket>
  readonly #now: () => number

  /** `now` in milliseconds. */
  constructor(now: () => number) {
    this.#now = now
    this.#common = full(COMMON_BURST_BYTES, now())
    this.#parts = Array.from({ length: PARTS }, () => full(PART_BURST_BYTES, now()))
  }

  /** Whether a reply of so many bytes may go to `host` (dotted IPv4), and charges for it. */
  allows(host: string, queryBytes: number, replyBytes: number): boolean {
    if (replyBytes <= FREE_RATIO * queryBytes) return true
    const now = this.#now()
    const real = this.#real.get(host, now)
    if (real !== undefined) return take(real, replyBytes, REAL_RATE_BYTES, REAL_BURST_BYTES, now)
    const stranger = this.#strangers.getOrMake(host, () => full(STRANGER_BURST_BYTES, now))
    return (
      take(stranger, replyBytes, STRANGER_RATE_BYTES, STRANGER_BURST_BYTES, now) &&
      (take(this.#partOf(host), replyBytes, PART_RATE_BYTES, PART_BURST_BYTES, now) ||
        take(this.#common, replyBytes, COMMON_RATE_BYTES, COMMON_BURST_BYTES, now))
    )
  }

  /** Somebody is at `host`. */
  noteReal(host: string): void {
    this.#real.note(host, this.#now())
  }

  #partOf(host: string): Bucket {
    return this.#parts[Number.parseInt(host, 10)]!
  }
}
