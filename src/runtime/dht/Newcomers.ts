/**
 * Senders of queries on their way into the routing table. A query's source address and node id are what anybody
 * may write on a datagram, so a stranger is asked back first, and is listed when it answers, under the id that it
 * answers with (libtorrent and BEP 5: a good node has answered one of our queries).
 *
 * Whoever forges a thousand senders gains a few pings to each of them, of the size of what was sent, and no entry;
 * nor does he keep the others from being asked: see {@link NewcomerQueue}.
 */
import { RecentMap } from "../../protocol/core/RecentMap.ts"
import { hasPassed } from "./Elapsed.ts"
import { isPublicHost } from "./KrpcAddresses.ts"
import { type Newcomer, NewcomerQueue } from "./NewcomerQueue.ts"

/** How long a ping waits for its answer, ms: a round trip around the world takes some 300. */
export const PING_TIMEOUT_MS = 500

/** Pings under way at one time. With all of them unanswered that is 64 a second, of 60 bytes each. */
export const PINGS_MAX = 32

/** The same to one network of the Internet (/16): nobody's network is flooded, nor holds up the others. */
export const PINGS_PER_NETWORK_MAX = 4

/** After a ping an address is left alone for this long, ms: it has been listed, or it is not there. */
export const PING_AGAIN_MS = 60_000

/** Addresses pinged lately that are remembered, as many as can be within {@link PING_AGAIN_MS}; about 800 KB. */
export const PINGED_MAX = 8_192

export interface Place {
  /** Dotted IPv4. */
  readonly host: string
  readonly port: number
}

export interface Options {
  /** Milliseconds. */
  readonly now: () => number
  /** A whole number from 0 up to, but not including, `below`. */
  readonly random: (below: number) => number
  /** Asks for the node id at an address; calls back once, with nothing when nobody answers within {@link PING_TIMEOUT_MS}. */
  readonly ping: (place: Place, onId: (id: Uint8Array | undefined) => void) => void
  /** Notes that a listed node was heard of. Whether it is listed, at that address. */
  readonly refresh: (id: Uint8Array, place: Place) => boolean
  /** Puts a node that has answered into the routing table. */
  readonly list: (id: Uint8Array, place: Place) => void
}

/** On one machine and in a private network each address and port is a network of its own. */
const networkOf = (host: string, name: string): string =>
  isPublicHost(host) ? host.slice(0, host.indexOf(".", host.indexOf(".") + 1)) : name

export class Newcomers {
  readonly #options: Options
  /** When each was pinged, ms. */
  readonly #pinged = new RecentMap<string, number>(PINGED_MAX)
  readonly #queue: NewcomerQueue
  /** Pings under way, by network. */
  readonly #busy = new Map<string, number>()
  #underWay = 0

  constructor(options: Options) {
    this.#options = options
    this.#queue = new NewcomerQueue(options.random)
  }

  /** Somebody who says that it is `id` (20 bytes) has sent a query from `place`. */
  meet(id: Uint8Array, place: Place): void {
    if (this.#options.refresh(id, place)) return
    const name = `${place.host}:${place.port}`
    if (this.#queue.has(name) || this.#wasPinged(name)) return
    // A copy: a view would keep the whole datagram in memory.
    this.#queue.add({ id: Uint8Array.from(id), place, name, network: networkOf(place.host, name) })
    this.#fill()
  }

  #wasPinged(name: string): boolean {
    const at = this.#pinged.get(name)
    return at !== undefined && !hasPassed(at, PING_AGAIN_MS, this.#options.now())
  }

  readonly #isFree = (network: string): boolean => (this.#busy.get(network) ?? 0) < PINGS_PER_NETWORK_MAX

  #fill(): void {
    while (this.#underWay < PINGS_MAX) {
      const newcomer = this.#queue.take(this.#isFree)
      if (newcomer === undefined) return
      // It may have been found by other ways while it waited.
      if (!this.#options.refresh(newcomer.id, newcomer.place)) this.#ping(newcomer)
    }
  }

  #ping({ name, network, place }: Newcomer): void {
    const { list, now, ping } = this.#options
    this.#pinged.set(name, now())
    this.#count(network, 1)
    ping(place, (answered) => {
      this.#count(network, -1)
      if (answered !== undefined) list(answered, place)
      this.#fill()
    })
  }

  #count(network: string, by: 1 | -1): void {
    const busy = (this.#busy.get(network) ?? 0) + by
    if (busy === 0) this.#busy.delete(network)
    else this.#busy.set(network, busy)
    this.#underWay += by
  }
}
