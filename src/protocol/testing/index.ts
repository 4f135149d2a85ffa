/**
 * `@libreseed/protocol/testing`: every service in memory, for tests, tutorials and simulations.
 * Pure, like the protocol itself: nothing here opens a socket or a file.
 */
import * as Layer from "effect/Layer"
import { Ed25519 } from "../core/Ed25519.ts"
import { Hasher } from "../core/Hasher.ts"
import { RecordStore } from "../dht/RecordStore.ts"
import { Observations } from "../registry/Observations.ts"
import * as DhtMemory from "./DhtMemory.ts"
import * as KeystoreMemory from "./KeystoreMemory.ts"
import * as PackageStoreMemory from "./PackageStoreMemory.ts"
import * as SwarmMemory from "./SwarmMemory.ts"

export { DhtMemory, KeystoreMemory, PackageStoreMemory, SwarmMemory }

/** A network in memory that any number of hosts can join. */
export interface Network {
  readonly dht: DhtMemory.Network
  readonly swarm: SwarmMemory.Network
}

export const network = (): Network => ({ dht: DhtMemory.make(), swarm: SwarmMemory.make() })

/** All services of one host on the network, with empty stores. `host` is its IPv4 address there. */
export const host = (network: Network, options: { readonly host: string; readonly port?: number }) =>
  Layer.mergeAll(KeystoreMemory.layer, SwarmMemory.layerOn(network.swarm, { port: 6881, ...options })).pipe(
    Layer.provideMerge(DhtMemory.layerOn(network.dht, options)),
    Layer.provideMerge(
      Layer.mergeAll(
        Ed25519.layerNoble,
        Hasher.layerNoble,
        Layer.fresh(PackageStoreMemory.layer),
        Layer.fresh(RecordStore.layerMemory),
        Layer.fresh(Observations.layerMemory)
      )
    )
  )

/** All services of a single host on a network of its own. */
export const layer = Layer.suspend(() => host(network(), { host: "127.0.0.1" }))
