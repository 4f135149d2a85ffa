/**
 * Who may be one owner: whoever rents one server has all its ports, and gets its neighbours' addresses cheaply, but
 * not addresses all over the Internet. So few nodes of one host or prefix count where it matters who is
 * independent; nor do many whose ids do not follow from their addresses (BEP 42), which anybody can choose.
 */
import { isIpv4, reachOf } from "../../core/PeerAddress.ts"
import type { Contact } from "./Krpc.ts"
import type { NodeId } from "./NodeId.ts"
import * as SecureId from "./SecureId.ts"

/** Networks that the nodes which hold an item should be of, at least. */
export const NETWORKS_MIN = 3

/** Of the nodes closest to a target, those of one host and of one network that count before all others. */
export const PER_HOST_MAX = 1
export const PER_NETWORK_MAX = 4

/** Share of them whose ids may be of their own choice. */
export const UNFIT_SHARE_MAX = 0.5

/** Where a node stands. In a private network, or on one machine, addresses are all alike: there each node is its own. */
export interface Owner {
  readonly host: string
  /** The /16 of a public IPv4 address. */
  readonly network: string
  readonly isPublic: boolean
}

/** Of a node (`host:port`). */
export const ownerOf = (address: string): Owner => {
  const host = address.slice(0, address.lastIndexOf(":"))
  if (!isIpv4(host) || reachOf(host) !== "public") return { host: address, network: address, isPublic: false }
  return { host, network: host.slice(0, host.indexOf(".", host.indexOf(".") + 1)), isPublic: true }
}

/** The network of a node (`host:port`). */
export const networkOf = (address: string): string => ownerOf(address).network

const distinct = (addresses: Iterable<string>, of: (owner: Owner) => string): number => {
  const found = new Set<string>()
  for (const address of addresses) found.add(of(ownerOf(address)))
  return found.size
}

/** How many networks nodes (`host:port`) are of. */
export const count = (addresses: Iterable<string>): number => distinct(addresses, ({ network }) => network)

/** How many hosts nodes (`host:port`) are on: ports of one public address are one. */
export const countHosts = (addresses: Iterable<string>): number => distinct(addresses, ({ host }) => host)

interface Placed {
  readonly owner: Owner
  readonly isFit: boolean
}

/** Whether the id of a node follows from its address, or need not. */
export const isFit = ({ host, isPublic }: Owner, id: NodeId): boolean => !isPublic || SecureId.isValidId(id, host)

/** A node with its owner, worked out once. */
export const placed = <C extends Contact>(contact: C): C & Placed => {
  const owner = ownerOf(contact.address)
  return { ...contact, owner, isFit: isFit(owner, contact.id) }
}

/**
 * The first `count` of `nodes`, which are in the order of closeness: before all, those that are within the limits of
 * this module; where these are not enough, those with ids of their own choice, and last the others of the same owners.
 */
export const spread = <N extends Placed>(nodes: Iterable<N>, count: number): Array<N> => {
  const hosts = new Map<string, number>()
  const networks = new Map<string, number>()
  const chosen: Array<N> = []
  const unfit: Array<N> = []
  const crowd: Array<N> = []
  let unfitChosen = 0
  for (const node of nodes) {
    if (chosen.length >= count) return chosen
    const { host, isPublic, network } = node.owner
    // Each is its own.
    if (!isPublic) {
      chosen.push(node)
      continue
    }
    const [onHost, inNetwork] = [hosts.get(host) ?? 0, networks.get(network) ?? 0]
    if (onHost >= PER_HOST_MAX || inNetwork >= PER_NETWORK_MAX) {
      crowd.push(node)
      continue
    }
    hosts.set(host, onHost + 1)
    networks.set(network, inNetwork + 1)
    if (!node.isFit && unfitChosen >= count * UNFIT_SHARE_MAX) unfit.push(node)
    else {
      chosen.push(node)
      if (!node.isFit) unfitChosen++
    }
  }
  return [...chosen, ...unfit, ...crowd].slice(0, count)
}
