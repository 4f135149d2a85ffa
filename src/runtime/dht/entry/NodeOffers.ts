/**
 * What the swarm and the DHT tell each other (BEP 5 "Peer Protocol"): peers of torrents say on which port their DHT
 * node is (`port` message), and hear ours. Without a DHT node of one's own nothing is said and nothing is heard.
 */
import * as Context from "effect/Context"

export interface NodeOffers {
  /** A node at `host:port`, of which a peer told. */
  readonly offer: (address: string) => void
  /** The UDP port of our own node, where others may count on it; `undefined` while they may not. */
  readonly port: () => number | undefined
}

export const NodeOffers = Context.Reference<NodeOffers | undefined>("@libreseed/protocol/runtime/NodeOffers", {
  defaultValue: () => undefined
})
