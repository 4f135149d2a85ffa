/**
 * Everything a program needs to take part: keys and stores under a home directory, a DHT node over
 * UDP and a swarm over TCP.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { TopicPeers } from "../protocol/dht/TopicPeers.ts"
import { Seeders } from "../protocol/registry/Seeders.ts"
import * as Trust from "../protocol/trust/Trust.ts"
import * as NodeHasher from "./crypto/NodeHasher.ts"
import * as MainlineDht from "./dht/MainlineDht.ts"
import * as RememberedNodes from "./dht/RememberedNodes.ts"
import * as OfflineNode from "./OfflineNode.ts"
import * as FileBlacklist from "./store/FileBlacklist.ts"
import * as FileObservations from "./store/FileObservations.ts"
import * as FilePackageStore from "./store/FilePackageStore.ts"
import * as FilePageStore from "./store/FilePageStore.ts"
import * as FileProofs from "./store/FileProofs.ts"
import * as FilePublicationLog from "./store/FilePublicationLog.ts"
import * as FileRecordStore from "./store/FileRecordStore.ts"
import * as FileTrustBook from "./store/FileTrustBook.ts"
import * as TorrentStreamSwarm from "./swarm/TorrentStreamSwarm.ts"

export interface Options {
  /** Home directory, such as `~/.libreseed` (already expanded). */
  readonly home: string
  /** IPv4 address to bind, for UDP and TCP alike. */
  readonly host: string
  /** Port for both; 0 takes free ones. */
  readonly port: number
  /** `host:port` of DHT nodes to start from. */
  readonly bootstrap: ReadonlyArray<string>
  /** Whether to start from the nodes of last time too, and to remember those met this time. */
  readonly remembersNodes?: boolean | undefined
  /** Whether peers at private addresses may be dialled although this node's own address is of another kind. */
  readonly allowPrivatePeers?: boolean | undefined
}

const stores = (options: Pick<Options, "home">) =>
  Layer.mergeAll(
    FilePackageStore.layer,
    FileRecordStore.layer,
    FilePageStore.layer,
    FileObservations.layer,
    FileProofs.layer,
    FileBlacklist.layer,
    FilePublicationLog.layer,
    FileTrustBook.layer,
    NodeHasher.layer
  ).pipe(Layer.provideMerge(OfflineNode.keystore(options)))

const dht = (given: Options) => {
  const options = { ...given, readOnly: true }
  return given.remembersNodes === true
    ? Layer.unwrap(
        Effect.map(RememberedNodes.load, (remembered) =>
          MainlineDht.layer({
            ...options,
            bootstrap: [...options.bootstrap, ...remembered],
            onClose: RememberedNodes.save
          })
        )
      )
    : MainlineDht.layer(options)
}

/**
 * A whole node. Building it opens the sockets; what it does on the network starts with its first use. Peers
 * are not yet asked for the claims that they hold, and ours are not given to them.
 */
export const layer = (options: Options) =>
  Layer.mergeAll(
    TorrentStreamSwarm.layer({
      host: options.host,
      port: options.port,
      allowPrivatePeers: options.allowPrivatePeers ?? false
    }),
    Trust.layer,
    Seeders.layerDht,
    TopicPeers.layerNone
  ).pipe(Layer.provideMerge(dht(options)), Layer.provideMerge(stores(options)))
