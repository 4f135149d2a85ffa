/**
 * Which of the nodes that were met are worth remembering, and which of those are asked first next time.
 *
 * Whoever surrounds a node for one evening must not own its memory for good: so no network has more than a few
 * places, and a share of the places goes by lot to nodes that were known before.
 */
import * as Hex from "effect/encoding/Hex"
import * as Result from "effect/Result"
import * as PeerAddress from "../../../protocol/core/PeerAddress.ts"
import * as Networks from "../../../protocol/dht/client/Networks.ts"
import * as SecureId from "../../../protocol/dht/client/SecureId.ts"

/** Nodes that are remembered. More do not help: a handful that still answer is enough. */
export const NODES_MAX = 128

/** Places that go by lot to nodes known from earlier times. */
export const LOTS = NODES_MAX / 4

/** Of one network, see `Networks`. */
export const PER_NETWORK_MAX = 2

/** A node not met for so long is forgotten, in ms: few homes keep an address longer. */
export const LIFETIME_MS = 30 * 24 * 60 * 60 * 1000

export interface MetNode {
  /** `host:port`, IPv4. */
  readonly address: string
  /** 40 hex digits. */
  readonly id: string
  /** When it was met first and last, Unix ms. */
  readonly first: number
  readonly last: number
}

/** A number from 0 up to 1. */
export type Random = () => number

const hostOf = ({ address }: MetNode): string => address.slice(0, address.lastIndexOf(":"))

const isSecure = (node: MetNode): boolean =>
  Result.match(Hex.decode(node.id), { onFailure: () => false, onSuccess: (id) => SecureId.isValid(id, hostOf(node)) })

/** In an order of chance (Fisher and Yates). */
export const shuffled = <A>(items: ReadonlyArray<A>, random: Random): Array<A> => {
  const out = [...items]
  for (let i = out.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1))
    const swapped = out[i]!
    out[i] = out[j]!
    out[j] = swapped
  }
  return out
}

/** Those first whose ids fit their addresses (BEP 42), among them those that have been around for longest. */
const ranked = (nodes: ReadonlyArray<MetNode>): Array<MetNode> => {
  const secure = new Map(nodes.map((node) => [node, Number(isSecure(node))]))
  return nodes.toSorted(
    (a, b) => secure.get(b)! - secure.get(a)! || b.last - b.first - (a.last - a.first) || b.last - a.last
  )
}

/** Whether a node may be remembered by one that is bound to `boundHost`: it is of the Internet, or of the same private network. */
export const isOfNetwork = (address: string, boundHost: string): boolean => {
  const host = address.slice(0, address.lastIndexOf(":"))
  const reach = PeerAddress.reachOf(host)
  return reach === "public" || (reach !== "reserved" && reach === PeerAddress.reachOf(boundHost))
}

/** `known` with what was met at `now`: who is met again keeps the time of the first meeting, unless under another id. */
export const merge = (
  known: ReadonlyArray<MetNode>,
  met: ReadonlyArray<Pick<MetNode, "address" | "id">>,
  now: number
): ReadonlyArray<MetNode> => {
  const merged = new Map(known.map((node) => [node.address, node]))
  for (const { address, id } of met) {
    const before = merged.get(address)
    merged.set(address, { address, id, first: before?.id === id ? before.first : now, last: now })
  }
  return [...merged.values()]
}

/** At most {@link NODES_MAX} of them, none too old. `since`: who was met first before that, in ms, takes part in the lot. */
export const select = (
  nodes: ReadonlyArray<MetNode>,
  now: number,
  since: number,
  random: Random
): ReadonlyArray<MetNode> => {
  const alive = nodes.filter(({ last }) => now - last < LIFETIME_MS)
  const chosen = new Set<MetNode>()
  const perNetwork = new Map<string, number>()
  const take = (from: ReadonlyArray<MetNode>, count: number) => {
    for (const node of from) {
      if (chosen.size >= count) return
      const network = Networks.networkOf(node.address)
      const taken = perNetwork.get(network) ?? 0
      if (chosen.has(node) || taken >= PER_NETWORK_MAX) continue
      chosen.add(node)
      perNetwork.set(network, taken + 1)
    }
  }
  take(
    shuffled(
      alive.filter(({ first }) => first < since),
      random
    ),
    LOTS
  )
  take(ranked(alive), NODES_MAX)
  return ranked([...chosen])
}

/** The order in which they are asked: one from the front of the ranking, one by lot, and so on. */
export const order = (nodes: ReadonlyArray<MetNode>, random: Random): ReadonlyArray<MetNode> => {
  const best = ranked(nodes)
  const lots = shuffled(nodes, random)
  const out = new Set<MetNode>()
  best.forEach((node, i) => out.add(node).add(lots[i]!))
  return [...out]
}
