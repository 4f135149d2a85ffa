/**
 * IPv4 addresses of hosts that are given by name, such as public routers. Each name is looked up once and
 * remembered for some minutes, however many ask meanwhile. A name that cannot be found is no error: it is
 * as good as a node that does not answer.
 */
import * as Dns from "node:dns"
import { RecentMap } from "../../protocol/core/RecentMap.ts"
import { hasPassed } from "./Elapsed.ts"

/** How long an address serves, ms: routers move seldom, and most names are given for five minutes or more. */
export const REMEMBERED_FOR_MS = 5 * 60_000

/** A name that was not found is tried again after this, ms: a network that comes back should not have to wait. */
export const FAILED_FOR_MS = 5_000

/** Names remembered; nobody configures so many. */
const NAMES_MAX = 64

/** How long a resolver may take, ms: as long as the system's tries two servers once (`resolv.conf(5)`: 5 s each). */
export const ASKING_FOR_MS = 10_000

/** Names asked for at one time, and who may wait for one of them. */
export const ASKING_MAX = 64
export const WAITERS_MAX = 256

/** `undefined` when there is none. */
export type OnAddress = (address: string | undefined) => void

/** Looks up one name, and calls back once. */
export type Resolve = (name: string, onAddress: OnAddress) => void

const systemResolve: Resolve = (name, onAddress) =>
  Dns.lookup(name, { family: 4 }, (error, address) => onAddress(error === null ? address : undefined))

interface Known {
  readonly address: string | undefined
  readonly at: number
}

interface Asking {
  readonly since: number
  readonly waiting: Array<OnAddress>
}

export class HostNames {
  readonly #known = new RecentMap<string, Known>(NAMES_MAX)
  readonly #asking = new Map<string, Asking>()
  readonly #now: () => number
  readonly #resolve: Resolve

  /** `now` in ms. */
  constructor(now: () => number, resolve: Resolve = systemResolve) {
    this.#now = now
    this.#resolve = resolve
  }

  /** Calls back at once where the address is remembered, and, with nothing, where too much is being asked. */
  find(name: string, onAddress: OnAddress): void {
    const now = this.#now()
    const known = this.#known.get(name)
    if (known !== undefined && !hasPassed(known.at, this.#lifetimeOf(known), now)) return onAddress(known.address)
    this.#giveUp(now)
    const others = this.#asking.get(name)
    if (others === undefined)
      return this.#asking.size < ASKING_MAX ? this.#ask(name, now, onAddress) : onAddress(undefined)
    if (others.waiting.length < WAITERS_MAX) others.waiting.push(onAddress)
    else onAddress(undefined)
  }

  #ask(name: string, since: number, onAddress: OnAddress): void {
    const asking = { since, waiting: [onAddress] }
    this.#asking.set(name, asking)
    this.#resolve(name, (address) => {
      // An answer that comes too late, or twice, is to nobody.
      if (this.#asking.get(name) !== asking) return
      this.#known.set(name, { address, at: this.#now() })
      this.#end(name, asking, address)
    })
  }

  /** A resolver may never call back. */
  #giveUp(now: number): void {
    for (const [name, asking] of this.#asking) {
      if (hasPassed(asking.since, ASKING_FOR_MS, now)) this.#end(name, asking, undefined)
    }
  }

  #end(name: string, { waiting }: Asking, address: string | undefined): void {
    this.#asking.delete(name)
    for (const each of waiting) each(address)
  }

  #lifetimeOf({ address }: Known): number {
    return address === undefined ? FAILED_FOR_MS : REMEMBERED_FOR_MS
  }
}
