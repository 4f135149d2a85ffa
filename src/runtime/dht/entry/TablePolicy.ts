/**
 * Whom a routing table takes in. Anybody may claim any id, and so surround a target or a newcomer; nodes whose ids
 * fit their addresses (BEP 42) cannot. So once enough of those are known, others have no place, and no owner of
 * neighbouring addresses has more than a few.
 *
 * While few are known others are taken: many nodes of today's Mainline have ids of their own choice.
 */
import * as PeerAddress from "../../../protocol/core/PeerAddress.ts"
import * as Networks from "../../../protocol/dht/client/Networks.ts"
import * as SecureId from "../../../protocol/dht/client/SecureId.ts"

/** Nodes with fitting ids past which others are not taken in: three buckets' worth (K = 20). */
export const SECURE_ENOUGH = 60

/** Nodes of one address, each on a port of its own: more than one may be at home behind a NAT. */
export const PER_HOST_MAX = 2

/** Nodes of one network (see `Networks`), of some 200 in a table. */
export const PER_NETWORK_MAX = 8

/** Nodes that leave the table at one look: what was taken in by need goes gradually. */
export const LEAVING_MAX = 4

export interface Contact {
  /** 20 bytes. */
  readonly id: Uint8Array
  /** Dotted IPv4. */
  readonly host: string
  readonly port: number
}

const isPublic = ({ host }: Contact): boolean => PeerAddress.reachOf(host) === "public"

const networkOf = ({ host, port }: Contact): string => Networks.networkOf(`${host}:${port}`)

const isSecure = ({ host, id }: Contact): boolean => SecureId.isValid(id, host)

/** Between two counts of the whole table, in ms; newcomers meanwhile are added up. */
const COUNT_INTERVAL_MS = 1000

export class TablePolicy {
  readonly #table: () => ReadonlyArray<Contact>
  readonly #now: () => number
  #countedAt = -Infinity
  #secure = 0
  readonly #byHost = new Map<string, number>()
  readonly #byNetwork = new Map<string, number>()

  /** `table` gives the whole routing table, `now` milliseconds. */
  constructor(table: () => ReadonlyArray<Contact>, now: () => number) {
    this.#table = table
    this.#now = now
  }

  /** Whether a newcomer, which the table has taken in already, may stay there. Nodes of private networks always may. */
  isWelcome(newcomer: Contact): boolean {
    if (!isPublic(newcomer)) return true
    const now = this.#now()
    // A clock that was set back is no reason to count on what was.
    if (Math.abs(now - this.#countedAt) < COUNT_INTERVAL_MS) this.#count(newcomer, 1)
    else this.#recount(now)
    const ofHost = this.#byHost.get(newcomer.host) ?? 0
    const ofNetwork = this.#byNetwork.get(networkOf(newcomer)) ?? 0
    const isAllowed =
      ofHost <= PER_HOST_MAX && ofNetwork <= PER_NETWORK_MAX && (isSecure(newcomer) || this.#secure < SECURE_ENOUGH)
    if (!isAllowed) this.#count(newcomer, -1)
    return isAllowed
  }

  /** Whom the table can do without now: nodes that were taken in while too few were known whose ids fit. */
  leaving(): ReadonlyArray<Contact> {
    const known = this.#table().filter(isPublic)
    const strangers = known.filter((node) => !isSecure(node))
    return known.length - strangers.length < SECURE_ENOUGH ? [] : strangers.slice(0, LEAVING_MAX)
  }

  #recount(now: number): void {
    this.#countedAt = now
    this.#secure = 0
    this.#byHost.clear()
    this.#byNetwork.clear()
    for (const node of this.#table()) if (isPublic(node)) this.#count(node, 1)
  }

  #count(node: Contact, by: 1 | -1): void {
    const network = networkOf(node)
    this.#byHost.set(node.host, (this.#byHost.get(node.host) ?? 0) + by)
    this.#byNetwork.set(network, (this.#byNetwork.get(network) ?? 0) + by)
    if (isSecure(node)) this.#secure += by
  }
}
