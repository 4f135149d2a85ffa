/**
 * What the guard remembers of those who send us queries: how many more it takes from each (token
 * buckets), under which node ids they have answered, and how much more it says to each.
 *
 * In the open Internet the unit is the IP address: one host has 65,535 ports, and whoever can be at one of them
 * can be at all. On loopback and in private networks it is the address with its port, since a testnet has all its
 * nodes on one address. The tables are bounded; a flood from forged addresses wears out what is common to
 * strangers, never memory, nor what is kept for those who have shown that they are there.
 */
import { RecentMap } from "../../protocol/core/RecentMap.ts"
import { hasPassed } from "./Elapsed.ts"
import { isPublicHost } from "./KrpcAddresses.ts"
import { KrpcReplyBytes } from "./KrpcReplyBytes.ts"
import { RealHosts } from "./RealHosts.ts"
import { type Bucket, full, take } from "./TokenBucket.ts"

export interface RateLimits {
  /** Queries a second that one address and port of a private network may keep up, and how many it may send at once. */
  readonly senderRate: number
  readonly senderBurst: number
  /** The same for one address of the open Internet, all its ports together. */
  readonly hostRate: number
  readonly hostBurst: number
  /** The same for all senders together. */
  readonly totalRate: number
  readonly totalBurst: number
  /** The same, beside that, for all senders together who have shown that they are there: see {@link RealHosts}. */
  readonly reserveRate: number
  readonly reserveBurst: number
}

/**
 * An honest node of the Internet sends a few queries a second: libtorrent bans an address for minutes that keeps up
 * more than 5 (`dos_blocker.cpp`). Twenty times as much leaves room for many hosts behind one address (carrier-grade
 * NAT) and for a publisher whose network has only a few nodes. On loopback such a publisher of thousands of
 * records sends each of five nodes some thousands. All senders together may use about a fifth of a core at 20 µs a
 * query; what is kept of it for those who are there is enough for 600 nodes at libtorrent's limit.
 */
export const defaultRateLimits: RateLimits = {
  senderRate: 5_000,
  senderBurst: 10_000,
  hostRate: 100,
  hostBurst: 1_000,
  totalRate: 7_000,
  totalBurst: 14_000,
  reserveRate: 3_000,
  reserveBurst: 6_000
}

/** About 1 MiB of memory. Past it the stranger known for longest is forgotten. */
export const SENDERS_MAX = 8_192

/** A sender that has answered under another node id is answered, but not met for this long: the library's bucket age. */
export const IDENTITY_LIFETIME_MS = 15 * 60 * 1_000

/**
 * Ports of one address of the open Internet whose nodes may enter the routing table. libtorrent admits one
 * (`dht_restrict_routing_ips`); a household or a host with a seeder and a client on it has some more.
 */
export const IDENTITIES_PER_HOST_MAX = 4

export type Admission = "admitted" | "rate-limited-sender" | "rate-limited-total"

/** The node that has answered at one port. */
interface Identity {
  readonly port: string
  readonly id: Uint8Array
  readonly since: number
}

/** A sender that has shown that it is there. */
interface Real {
  readonly queries: Bucket
  readonly identities: Array<Identity>
}

/** Of `host:port`. */
const hostOf = (peer: string): string => peer.slice(0, peer.lastIndexOf(":"))

/** What counts as one sender: see the head of this file. */
const unitOf = (peer: string): string => {
  const host = hostOf(peer)
  return isPublicHost(host) ? host : peer
}

const portOf = (peer: string): string => peer.slice(peer.lastIndexOf(":") + 1)

export class KrpcSenders {
  readonly #strangers = new RecentMap<string, Bucket>(SENDERS_MAX)
  readonly #real: RealHosts<Real>
  readonly #replies: KrpcReplyBytes
  readonly #limits: RateLimits
  readonly #now: () => number
  readonly #total: Bucket
  readonly #reserve: Bucket

  /** `now` in milliseconds. */
  constructor(now: () => number, limits: RateLimits) {
    this.#now = now
    this.#limits = limits
    this.#total = full(limits.totalBurst, now())
    this.#reserve = full(limits.reserveBurst, now())
    // The bucket is cut to the burst of its sender when something is first taken.
    this.#real = new RealHosts((at) => ({ queries: full(Infinity, at), identities: [] }))
    this.#replies = new KrpcReplyBytes(now)
  }

  /** Takes one datagram's worth from the bucket of the sender (`host:port`), then from a common one. */
  admit(peer: string): Admission {
    const { hostRate, hostBurst, reserveBurst, reserveRate, senderRate, senderBurst, totalRate, totalBurst } =
      this.#limits
    const now = this.#now()
    const unit = unitOf(peer)
    const isPrivate = unit === peer
    const [rate, burst] = isPrivate ? [senderRate, senderBurst] : [hostRate, hostBurst]
    const real = this.#real.get(unit, now)
    const queries = real?.queries ?? this.#strangers.getOrMake(unit, () => full(burst, now))
    if (!take(queries, 1, rate, burst, now)) return "rate-limited-sender"
    const isReserved = real !== undefined && take(this.#reserve, 1, reserveRate, reserveBurst, now)
    return isReserved || take(this.#total, 1, totalRate, totalBurst, now) ? "admitted" : "rate-limited-total"
  }

  /**
   * Whether this sender (`host:port`) may be the node `id`: it has not answered as another of late, nor have as many
   * other ports of its host as one host may have nodes. A query alone binds nobody: anybody may write one.
   */
  isKnownAs(peer: string, id: Uint8Array): boolean {
    const now = this.#now()
    const identities = this.#real.get(unitOf(peer), now)?.identities ?? []
    const port = portOf(peer)
    const current = identities.filter(({ since }) => !hasPassed(since, IDENTITY_LIFETIME_MS, now))
    const known = current.find((each) => each.port === port)
    return known === undefined ? current.length < IDENTITIES_PER_HOST_MAX : Buffer.compare(known.id, id) === 0
  }

  /**
   * Whether a reply of `replyBytes` may go to the sender (`host:port`) of a query of `queryBytes`, which may have been
   * forged: see {@link KrpcReplyBytes}. A yes is charged for.
   */
  mayReply(peer: string, queryBytes: number, replyBytes: number): boolean {
    const host = hostOf(peer)
    return !isPublicHost(host) || this.#replies.allows(host, queryBytes, replyBytes)
  }

  /**
   * This sender (`host:port`) is where it says: it has answered us, as the node `id` if it gave one, or shown a token
   * that we sent there.
   */
  noteReal(peer: string, id?: Uint8Array): void {
    const now = this.#now()
    const unit = unitOf(peer)
    const { identities } = this.#real.note(unit, now)
    if (unit !== peer) this.#replies.noteReal(unit)
    if (id === undefined) return
    const port = portOf(peer)
    const own = identities.findIndex((each) => each.port === port)
    const place = own === -1 ? identities.findIndex(({ since }) => hasPassed(since, IDENTITY_LIFETIME_MS, now)) : own
    // A copy: a view would keep the whole datagram in memory.
    const identity = { port, id: Uint8Array.from(id), since: now }
    if (place !== -1) identities[place] = identity
    else if (identities.length < IDENTITIES_PER_HOST_MAX) identities.push(identity)
  }
}
