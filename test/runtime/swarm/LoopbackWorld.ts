/** Nodes of the real swarm on 127.0.0.1, over a DHT in memory. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Ed25519 } from "../../../src/protocol/core/Ed25519.ts"
import { Swarm } from "../../../src/protocol/swarm/Swarm.ts"
import * as DhtMemory from "../../../src/protocol/testing/DhtMemory.ts"
import * as BitTorrentSwarm from "../../../src/runtime/swarm/BitTorrentSwarm.ts"
import type { World } from "../../protocol/swarm/SwarmSuite.ts"

export const options: BitTorrentSwarm.Options = {
  host: "127.0.0.1",
  port: 0,
  allowPrivatePeers: true,
  lookupInterval: "50 millis"
}

export interface LoopbackWorld extends World {
  readonly dht: DhtMemory.Network
}

/** `layer` is the one that `LiveNode` uses, unless another is given. */
export const make = (overrides?: Partial<BitTorrentSwarm.Options>, layer = BitTorrentSwarm.layer) =>
  Effect.sync((): LoopbackWorld => {
    const network = DhtMemory.make()
    const shared = DhtMemory.layerOn(network, { host: "127.0.0.1" }).pipe(Layer.provide(Ed25519.layerNoble))
    return {
      dht: network,
      node: (dht) => {
        const swarm = layer({ ...options, ...overrides })
        return Effect.map(Layer.build(Layer.provide(Layer.fresh(swarm), dht ?? shared)), Context.get(Swarm))
      }
    }
  })
