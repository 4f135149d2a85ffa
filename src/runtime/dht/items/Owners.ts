/**
 * To whom the items of a store are charged, and whose goes when there is no room: one that belongs to the
 * sender who holds most, in the network that holds most. So a flood turns over its own share, and whoever
 * holds less than an even share of the store loses nothing.
 *
 * A network is an IPv4 /24 and a sender an address in it. On one machine or in a private network addresses
 * come cheap or are all alike: there each sender (address and port) is a network of its own.
 */
import { isPublicHost } from "../KrpcAddresses.ts"
import { Shares } from "./Shares.ts"

/** Candidates among which the one farthest from the node's own id goes: as many as one bucket has nodes (BEP 5: K). */
export const SAMPLE = 8

/** What is charged. */
export interface Charge {
  /** The lower the longer it is kept among equals: how far the item is from the node's own id. */
  readonly distance: number
}

interface Network<C> {
  readonly name: string
  readonly senders: Shares<Sender<C>>
  readonly byName: Map<string, Sender<C>>
}

/** An account to which items are charged. */
export interface Sender<C> {
  readonly name: string
  readonly network: Network<C>
  /** What was kept longest comes first. */
  readonly items: Set<C>
}

/** What a sender (`host:port`) counts as: its network, and itself in it. */
export const namesOf = (peer: string): readonly [network: string, sender: string] => {
  const host = peer.slice(0, peer.lastIndexOf(":"))
  if (!isPublicHost(host)) return [peer, peer]
  return [host.slice(0, host.lastIndexOf(".")), host]
}

export class Owners<C extends Charge> {
  readonly #networks = new Map<string, Network<C>>()
  readonly #shares = new Shares<Network<C>>()

  /** The account of `peer` (`host:port`), a new one where it holds nothing. */
  find(peer: string): Sender<C> {
    const [networkName, name] = namesOf(peer)
    const network = this.#networks.get(networkName) ?? { name: networkName, senders: new Shares(), byName: new Map() }
    return network.byName.get(name) ?? { name, network, items: new Set() }
  }

  /** Items charged to the whole network of a sender. */
  heldBy({ network }: Sender<C>): number {
    return this.#shares.countOf(network)
  }

  /** The less greedy of two. */
  lesser(self: Sender<C>, that: Sender<C>): Sender<C> {
    const [a, b] = [this.heldBy(self), this.heldBy(that)]
    if (a !== b) return a < b ? self : that
    return that.items.size < self.items.size ? that : self
  }

  /** `sender` was found since anything was last added or removed. */
  add(sender: Sender<C>, item: C): void {
    const { items, name, network } = sender
    if (items.has(item)) return
    items.add(item)
    this.#networks.set(network.name, network)
    network.byName.set(name, sender)
    network.senders.increase(sender)
    this.#shares.increase(network)
  }

  remove(sender: Sender<C>, item: C): void {
    if (!sender.items.delete(item)) return
    const { name, network } = sender
    network.senders.decrease(sender)
    this.#shares.decrease(network)
    if (sender.items.size === 0) network.byName.delete(name)
    if (network.byName.size === 0) this.#networks.delete(network.name)
  }

  /** Which item goes where there are too many. */
  victim(): C | undefined {
    return farthest(this.#shares.greediest(SAMPLE).map((network) => this.victimOf(network)))
  }

  /** Which item of one network goes where it holds too many. */
  victimOf({ senders }: Network<C>): C | undefined {
    const greediest = senders.greediest(SAMPLE)
    const [only] = greediest
    return farthest(
      greediest.length === 1 && only !== undefined
        ? oldest(only, SAMPLE)
        : greediest.flatMap((sender) => oldest(sender, 1))
    )
  }
}

const farthest = <C extends Charge>(among: ReadonlyArray<C | undefined>): C | undefined => {
  let victim: C | undefined
  for (const item of among) {
    if (item !== undefined && (victim === undefined || item.distance > victim.distance)) victim = item
  }
  return victim
}

const oldest = <C>({ items }: Sender<C>, max: number): ReadonlyArray<C> => {
  const out: Array<C> = []
  for (const item of items) if (out.push(item) === max) break
  return out
}
