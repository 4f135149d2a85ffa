/** Hosts on 127.0.0.1 that serve and ask about topics, on one DHT in memory. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Ed25519 } from "../../../../src/protocol/core/Ed25519.ts"
import { Dht } from "../../../../src/protocol/dht/Dht.ts"
import { TopicPeers } from "../../../../src/protocol/dht/TopicPeers.ts"
import * as DhtMemory from "../../../../src/protocol/testing/DhtMemory.ts"
import type { Options } from "../../../../src/runtime/swarm/SwarmOptions.ts"
import * as TopicAsking from "../../../../src/runtime/swarm/topic/TopicAsking.ts"
import * as TopicPeersLive from "../../../../src/runtime/swarm/topic/TopicPeersLive.ts"

const dht = (network: DhtMemory.Network) =>
  Layer.fresh(DhtMemory.layerOn(network, { host: "127.0.0.1" }).pipe(Layer.provide(Ed25519.layerNoble)))

/** The network as whoever is on it sees it. */
export const dhtOn = (network: DhtMemory.Network) => Effect.map(Layer.build(dht(network)), Context.get(Dht))

const settings = { host: "127.0.0.1", port: 0, allowPrivatePeers: true }

/** A host that serves and asks. */
export const host = (network: DhtMemory.Network, options: Partial<Options> = {}) =>
  Layer.build(Layer.fresh(TopicPeersLive.layer({ ...settings, ...options })).pipe(Layer.provide(dht(network)))).pipe(
    Effect.map(Context.get(TopicPeers))
  )

/** A host that only asks. */
export const asker = (network: DhtMemory.Network) =>
  Layer.build(Layer.fresh(TopicAsking.layer(settings)).pipe(Layer.provide(dht(network)))).pipe(
    Effect.map(Context.get(TopicPeers))
  )
