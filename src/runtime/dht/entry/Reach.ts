/**
 * Whether a node takes a place in the routing tables of others (BEP 43). Nodes that strangers cannot reach would
 * be dead ends there: so a node begins read-only, and serves once it has been reached.
 *
 * What shows it are queries from nodes that we never asked: no NAT had a reason to let them in. A query of our
 * own to our own outer address that comes back shows less, since a firewall may never have seen it: it will do to
 * begin with, and does not count again where nobody else came after it.
 */
import * as PeerAddress from "../../../protocol/core/PeerAddress.ts"
import { RecentMap } from "../../../protocol/core/RecentMap.ts"
import * as Networks from "../../../protocol/dht/client/Networks.ts"
import type { External } from "./ExternalAddress.ts"
import * as SteadyClock from "./SteadyClock.ts"

/** "client" and "server" stay what they are; "adaptive" begins as a client. */
export type Mode = "client" | "adaptive" | "server"

/** What a node is at the moment. */
export type Role = "client" | "server"

/** How long a node has been up before others may count on it, in ms. As long as pubky's mainline takes: most short visits are over by then. */
export const SETTLING_MS = 15 * 60 * 1000
/** The same in a private network or on one machine, where nobody else suffers from a dead end. */
export const PRIVATE_SETTLING_MS = 10 * 1000

/** Networks of strangers that must have come in within {@link STRANGER_WINDOW_MS}: one could be the NAT's own mistake. */
export const STRANGERS_MIN = 3
export const STRANGER_WINDOW_MS = 10 * 60 * 1000

/** After so long without a stranger a server of the Internet is a client again, in ms. A reachable node of the Mainline hears one every few seconds. */
export const QUIET_MS = 30 * 60 * 1000

/** How long a node that was asked may be let in by a NAT for that reason, in ms; most forget after 1 to 5 minutes. */
export const ASKED_MS = 30 * 60 * 1000

/** How long a query to ourselves may be on its way, in ms. */
export const HAIRPIN_MS = 5 * 1000

/** Addresses that were asked and are remembered, each some 100 bytes. Past it the node is too busy to tell strangers. */
const ASKED_MAX = 16_384
/** Networks of strangers that are remembered: many more than count. */
const STRANGERS_MAX = 64

export interface Options {
  readonly mode: Mode
  /** The IPv4 address that is bound. */
  readonly boundHost: string
  /** Milliseconds. */
  readonly now: () => number
}

export class Reach {
  readonly #options: Options
  /** By address, when it was asked last. */
  readonly #asked: RecentMap<string, number> = new RecentMap(ASKED_MAX)
  /** By network, when a stranger of it came in last. */
  readonly #strangers: RecentMap<string, number> = new RecentMap(STRANGERS_MAX)
  /** Addresses that have fallen out of {@link #asked} too early: until then nobody is a stranger for sure. */
  #unsureUntil = -Infinity
  #role: Role
  /** Since when the node has been up, or a client again. */
  #since: number
  #strangerAt: number
  #hairpin: { readonly address: string; readonly at: number } | undefined
  #hairpinAt = -Infinity
  #isHairpinDisproved = false

  constructor(options: Options) {
    this.#options = { ...options, now: SteadyClock.make(options.now) }
    this.#role = options.mode === "server" ? "server" : "client"
    this.#since = this.#options.now()
    this.#strangerAt = this.#since
  }

  get role(): Role {
    return this.#role
  }

  /** A datagram of ours left for `address` (`host:port`): what comes from there now is no surprise. */
  noteAsked(address: string): void {
    const now = this.#options.now()
    const known = this.#asked.get(address)
    if (known === undefined && this.#asked.size === ASKED_MAX) {
      const [oldest = now] = this.#asked.values()
      this.#unsureUntil = Math.max(this.#unsureUntil, oldest + ASKED_MS)
    }
    this.#asked.set(address, now)
  }

  /** Whether it was asked lately, as far as that is remembered. */
  hasAsked(address: string): boolean {
    return this.#asked.get(address) !== undefined
  }

  /** A query came in from `address` (`host:port`). `isOwn`: it bears our own node id. */
  noteQuery(address: string, isOwn: boolean): void {
    if (this.#options.mode !== "adaptive") return
    const now = this.#options.now()
    if (isOwn) {
      const hairpin = this.#hairpin
      if (hairpin?.address === address && now - hairpin.at <= HAIRPIN_MS) this.#hairpinAt = now
      return
    }
    const askedAt = this.#asked.get(address)
    if (askedAt !== undefined && now - askedAt < ASKED_MS) return
    // To stay a server the likelihood will do; to become one it will not.
    this.#strangerAt = now
    if (now < this.#unsureUntil) return
    this.#isHairpinDisproved = false
    this.#strangers.set(Networks.networkOf(address), now)
  }

  /** Where to send a query to ourselves now, `host:port`; `undefined` where it would show nothing new. */
  hairpin(external: External | undefined): string | undefined {
    const { mode, now } = this.#options
    if (mode !== "adaptive" || this.#role === "server" || this.#isHairpinDisproved) return undefined
    if (external === undefined || !external.portIsStable) return undefined
    const address = `${external.host}:${external.port}`
    this.#hairpin = { address, at: now() }
    return address
  }

  /** What the node is to be from now on; to be called every few seconds. */
  evaluate(external: External | undefined): Role {
    if (this.#options.mode !== "adaptive") return this.#role
    const now = this.#options.now()
    const isPrivate = this.#isPrivate(external)
    if (this.#role === "server") {
      // In a small network everybody has been asked, and so nobody is a stranger.
      if (isPrivate || now - Math.max(this.#strangerAt, this.#since) < QUIET_MS) return "server"
      this.#isHairpinDisproved = this.#hairpinAt > this.#strangerAt
      return this.#become("client", now)
    }
    if (now - this.#since < (isPrivate ? PRIVATE_SETTLING_MS : SETTLING_MS)) return "client"
    // Behind a NAT with a port for each connection nobody comes in twice.
    if (external !== undefined && !external.portIsStable) return "client"
    const recent = [...this.#strangers.values()].filter((at) => now - at < STRANGER_WINDOW_MS).length
    const cameBack = !this.#isHairpinDisproved && now - this.#hairpinAt < STRANGER_WINDOW_MS
    return recent >= STRANGERS_MIN || cameBack ? this.#become("server", now) : "client"
  }

  #become(role: Role, now: number): Role {
    this.#role = role
    this.#since = now
    return role
  }

  #isPrivate(external: External | undefined): boolean {
    const bound = PeerAddress.reachOf(this.#options.boundHost)
    if (bound === "loopback") return true
    return external !== undefined && PeerAddress.reachOf(external.host) !== "public"
  }
}
