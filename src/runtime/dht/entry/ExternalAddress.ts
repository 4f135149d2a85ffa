/**
 * This node's address as others see it, by vote. Every reply may say where the query came from (`ip`, BEP 42):
 * each says it as it likes, so one network has one vote, and nothing is believed before more than half agree.
 */
import * as PeerAddress from "../../../protocol/core/PeerAddress.ts"
import { RecentMap } from "../../../protocol/core/RecentMap.ts"
import * as Networks from "../../../protocol/dht/client/Networks.ts"
import * as SteadyClock from "./SteadyClock.ts"

/** Votes for one address before it is believed. */
export const VOTERS_MIN = 3

/** How long a vote counts, in ms: a home's address changes about daily, a laptop's whenever it is carried elsewhere. */
export const VOTE_LIFETIME_MS = 30 * 60 * 1000

/** Networks whose votes are kept, the latest: more would not make it surer. */
export const VOTES_MAX = 128

/** Of the votes for an address, the share that must agree on the port for it to be stable: a few may be old or lies. */
const STABLE_PORT_SHARE = 2 / 3

export interface External {
  /** Dotted IPv4. */
  readonly host: string
  /** That most voters see. */
  readonly port: number
  /** Whether nearly all see the same port. Behind a NAT that gives each connection its own, nobody can be called back. */
  readonly portIsStable: boolean
  /** Networks that voted for `host`. */
  readonly voters: number
}

interface Vote {
  readonly host: string
  readonly port: number
  readonly at: number
}

/** The value that most have, and how many. */
const most = <A>(values: ReadonlyArray<A>): readonly [value: A | undefined, count: number] => {
  const counts = new Map<A, number>()
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1)
  let winner: readonly [A | undefined, number] = [undefined, 0]
  for (const entry of counts) if (entry[1] > winner[1]) winner = entry
  return winner
}

export class ExternalAddress {
  readonly #votes: RecentMap<string, Vote> = new RecentMap(VOTES_MAX)
  readonly #now: () => number
  #elected: string | undefined

  /** `now` in milliseconds. `remembered` is the host that was elected last time: it stands until another one is. */
  constructor(now: () => number, remembered?: string) {
    this.#now = SteadyClock.make(now)
    this.#elected = remembered
  }

  /** A node at `voter` (`host:port`) says that we are at `host:port`. What cannot be true is passed over. */
  vote(voter: string, host: string, port: number): void {
    if (!PeerAddress.isIpv4(host) || port < 1 || port > 65_535) return
    const reach = PeerAddress.reachOf(host)
    const voterReach = PeerAddress.reachOf(voter.slice(0, voter.lastIndexOf(":")))
    // Who is on the Internet sees an address of the Internet; who is on our own network says nothing about that.
    if (reach === "reserved" || (reach === "public") !== (voterReach === "public")) return
    this.#votes.set(Networks.networkOf(voter), { host, port, at: this.#now() })
  }

  /**
   * What most of the networks say that said anything lately; `undefined` while too few agree. Votes from the
   * Internet go before those of a private network. Where there is no majority the last winner stays.
   */
  get(): External | undefined {
    const oldest = this.#now() - VOTE_LIFETIME_MS
    const votes = [...this.#votes.values()].filter(({ at }) => at > oldest)
    const outside = votes.filter(({ host }) => PeerAddress.reachOf(host) === "public")
    const electorate = outside.length > 0 ? outside : votes
    const [winner, count] = most(electorate.map(({ host }) => host))
    if (winner !== undefined && count >= VOTERS_MIN && count * 2 > electorate.length) this.#elected = winner
    const ports = electorate.filter(({ host }) => host === this.#elected).map(({ port }) => port)
    const [port, agreeing] = most(ports)
    if (this.#elected === undefined || port === undefined || ports.length < VOTERS_MIN) return undefined
    const portIsStable = agreeing >= ports.length * STABLE_PORT_SHARE
    return { host: this.#elected, port, portIsStable, voters: ports.length }
  }
}
