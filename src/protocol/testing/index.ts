/**
 * `@libreseed/protocol/testing`: every service in memory, for tests, tutorials and simulations.
 * Pure, like the protocol itself: nothing here opens a socket or a file.
 */
import * as Layer from "effect/Layer"
import { Ed25519 } from "../core/Ed25519.ts"
import { Hasher } from "../core/Hasher.ts"
import { PageStore } from "../dht/PageStore.ts"
import { RecordStore } from "../dht/RecordStore.ts"
import { Observations } from "../registry/Observations.ts"
import { Proofs } from "../registry/Proofs.ts"
import { PublicationLog } from "../registry/PublicationLog.ts"
import { Seeders } from "../registry/Seeders.ts"
import { Blacklist } from "../swarm/Blacklist.ts"
import * as Trust from "../trust/Trust.ts"
import { TrustBook } from "../trust/TrustBook.ts"
import * as DhtMemory from "./DhtMemory.ts"
import * as KeystoreMemory from "./KeystoreMemory.ts"
import * as PackageStoreMemory from "./PackageStoreMemory.ts"
import * as SwarmMemory from "./SwarmMemory.ts"
import * as TopicPeersMemory from "./TopicPeersMemory.ts"

export { DhtMemory, KeystoreMemory, PackageStoreMemory, SwarmMemory, TopicPeersMemory }
export * as Actors from "./scenarios/Actors.ts"
export * as Scenarios from "./scenarios/Scenarios.ts"
export { Chance } from "./simulation/Chance.ts"
export * as Fault from "./simulation/Fault.ts"
export * as Nodes from "./simulation/Nodes.ts"
export * as Scenario from "./simulation/Scenario.ts"
export * as Shrink from "./simulation/Shrink.ts"
export * as Simulation from "./simulation/Simulation.ts"
export * as Trace from "./simulation/Trace.ts"
export * as TracePage from "./simulation/TracePage.ts"
export * as TraceText from "./simulation/TraceText.ts"
export type { Machine, Services, World } from "./simulation/World.ts"

/** A network in memory that any number of hosts can join. */
export interface Network {
  readonly dht: DhtMemory.Network
  readonly swarm: SwarmMemory.Network
  readonly topics: TopicPeersMemory.Network
}

export const network = (): Network => ({
  dht: DhtMemory.make(),
  swarm: SwarmMemory.make(),
  topics: TopicPeersMemory.make()
})

const stores = Layer.suspend(() =>
  Layer.mergeAll(
    Layer.fresh(PackageStoreMemory.layer),
    Layer.fresh(RecordStore.layerMemory),
    Layer.fresh(PageStore.layerMemory),
    Layer.fresh(Observations.layerMemory),
    Layer.fresh(Proofs.layerMemory),
    Layer.fresh(PublicationLog.layerMemory),
    Layer.fresh(TrustBook.layerMemory),
    Layer.fresh(Blacklist.layerMemory)
  )
)

/** All services of one host on the network, with empty stores. `host` is its IPv4 address there. */
export const host = (network: Network, options: { readonly host: string; readonly port?: number }) =>
  Layer.mergeAll(
    KeystoreMemory.layer,
    SwarmMemory.layerOn(network.swarm, { port: 6881, ...options }),
    Layer.fresh(Trust.layer),
    Layer.fresh(Seeders.layerDht),
    Layer.fresh(TopicPeersMemory.layerOn(network.topics))
  ).pipe(
    Layer.provideMerge(Layer.fresh(DhtMemory.layerOn(network.dht, options))),
    Layer.provideMerge(Layer.mergeAll(Ed25519.layerNoble, Hasher.layerNoble, stores))
  )

/** All services of a single host on a network of its own. */
export const layer = Layer.suspend(() => host(network(), { host: "127.0.0.1" }))
