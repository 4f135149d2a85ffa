/**
 * How many puts a node takes from one sender: a bucket a sender, refilled over a minute. It stands behind
 * the guard's limits on datagrams, since a put costs what ten other queries do: the check of a signature.
 */
import { RecentMap } from "../../../protocol/core/RecentMap.ts"
import { type Bucket, full, take } from "../TokenBucket.ts"
import { namesOf } from "./Owners.ts"

/** Puts that a network of the Internet may make in a minute: an honest publisher of 10,000 records brings one node a handful. */
export const PUTS_PER_MINUTE = 1_200

/** The same for a sender on this machine or in a private network: there, a publisher of thousands of records brings each of a few nodes all of them. */
export const LOCAL_PUTS_PER_MINUTE = 60_000

/** Past it the sender that was silent for longest is forgotten. */
const SENDERS_MAX = 8_192

const SECONDS_PER_MINUTE = 60

export class PutLimits {
  readonly #buckets = new RecentMap<string, Bucket>(SENDERS_MAX)
  readonly #now: () => number

  /** `now` in ms. */
  constructor(now: () => number) {
    this.#now = now
  }

  /** Takes one put of `peer` (`host:port`). */
  admits(peer: string): boolean {
    const [network, sender] = namesOf(peer)
    const perMinute = network === sender ? LOCAL_PUTS_PER_MINUTE : PUTS_PER_MINUTE
    const now = this.#now()
    const bucket = this.#buckets.get(network) ?? full(perMinute, now)
    this.#buckets.set(network, bucket)
    return take(bucket, 1, perMinute / SECONDS_PER_MINUTE, perMinute, now)
  }
}
