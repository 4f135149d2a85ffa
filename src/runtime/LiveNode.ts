/**
 * Everything a program needs to take part: keys and stores under a home directory, a DHT node over
 * UDP and a swarm over TCP.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Layer from "effect/Layer"
import { PageStore } from "../protocol/dht/PageStore.ts"
import * as Record from "../protocol/dht/Record.ts"
import { RecordStore } from "../protocol/dht/RecordStore.ts"
import { Seeders } from "../protocol/registry/Seeders.ts"
import * as Trust from "../protocol/trust/Trust.ts"
import * as Entry from "./dht/entry/Entry.ts"
import type { Mode } from "./dht/entry/Reach.ts"
import type { ItemArchive } from "./dht/items/ItemArchive.ts"
import * as Stores from "./Stores.ts"
import * as BitTorrentSwarm from "./swarm/BitTorrentSwarm.ts"

export interface Sources {
  /** Domains that list nodes in TXT records (`dht=<address>:<port>`). */
  readonly dnsSeeds?: ReadonlyArray<string> | undefined
  /** Whether neighbours on the LAN are looked for (BEP 14): it tells all of them that this node is there. */
  readonly lan?: boolean | undefined
}

export interface Options {
  /** Home directory, such as `~/.libreseed` (already expanded). */
  readonly home: string
  /** IPv4 address to bind, for UDP and TCP alike. */
  readonly host: string
  /** Port for both; 0 takes free ones. */
  readonly port: number
  /** `host:port` of DHT nodes to start from; a host may be a name. */
  readonly bootstrap: ReadonlyArray<string>
  /**
   * Whether the network is the public one: then it is entered by the nodes of last time too, those met this time are
   * remembered, and peers of torrents may name more. Nodes of different networks must not be mixed.
   */
  readonly remembersNodes?: boolean | undefined
  /**
   * What the node is to others. A `client` takes no place in their tables and forgets what it held for them: for
   * programs that are up for a moment. `adaptive` begins as that and serves once it can be reached; `server` serves
   * from the start. These two remember their id, and what they hold for others. By default `client`.
   */
  readonly mode?: Mode | undefined
  /** Further ways into the network; none by default. */
  readonly sources?: Sources | undefined
  /** Whether peers at private addresses may be dialled although this node's own address is of another kind. */
  readonly allowPrivatePeers?: boolean | undefined
  /** Who decides what to ask of which peer: our engine, or torrent-stream's. By default `own`. */
  readonly downloads?: "own" | "torrent-stream" | undefined
}

class Archive extends Context.Service<Archive, { readonly items: ItemArchive | undefined }>()(
  "@libreseed/protocol/runtime/LiveNode/Archive"
) {}

const forgetting = Layer.succeed(Archive, { items: undefined })

/**
 * What is held for others outlives the process here; without it the node still holds it while it is up. The database
 * is that of all of this process (`Sqlite.layerHome`).
 */
const remembering = Layer.unwrap(
  Effect.gen(function* () {
    // A program that is up for a moment does not load SQLite.
    const SqliteItems = yield* Effect.promise(() => import("./dht/items/SqliteItems.ts"))
    const { layerHome } = yield* Effect.promise(() => import("./store/Sqlite.ts"))
    const archive = Effect.map(SqliteItems.make(), (items) => ({ items }))
    return Layer.provide(Layer.effect(Archive, archive), layerHome)
  })
).pipe(Layer.catch((error) => Layer.provideMerge(forgetting, Layer.effectDiscard(Effect.logWarning(error.message)))))

/** Where what this host keeps alive is to be found. Without its stores the node still does its part for others. */
const ownTargets = Effect.gen(function* () {
  const recordStore = yield* RecordStore
  const pageStore = yield* PageStore
  return Effect.gen(function* () {
    const records = yield* recordStore.all
    const pages = yield* pageStore.targets
    // Where there are too many the last ones win, and what records say leads to all else.
    return [...pages, ...records.map(({ publicKey, salt }) => Record.targetOf(publicKey, salt))].map(Hex.encode)
  }).pipe(Effect.catch((error) => Effect.as(Effect.logWarning(error.message), undefined)))
})

/** The node alone, without a swarm; for whoever has the stores already. */
export const dht = ({ bootstrap, host, mode = "client", port, remembersNodes = false, sources }: Options) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const { items } = yield* Archive
      return Entry.layer({
        host,
        port,
        mode,
        bootstrap,
        isPublic: remembersNodes,
        dnsSeeds: sources?.dnsSeeds ?? [],
        lan: sources?.lan ?? false,
        archive: items,
        ownTargets: mode === "client" ? undefined : yield* ownTargets
      })
    })
  ).pipe(Layer.provide(mode === "client" ? forgetting : remembering))

const swarm = ({ allowPrivatePeers = false, downloads = "own", host, port }: Options) =>
  downloads === "own"
    ? BitTorrentSwarm.layerWithTopics({ host, port, allowPrivatePeers })
    : Layer.unwrap(
        Effect.promise(async () => {
          const { layerWithTopics } = await import("./swarm/TorrentStreamSwarm.ts")
          return layerWithTopics({ host, port, allowPrivatePeers })
        })
      )

/**
 * A whole node. Building it opens the sockets; names are looked up with its first use, or at once where others are to
 * count on it. Peers are asked for the claims that they hold of a name; ours are given to them by `NameIndex.serveAll`.
 */
export const layer = (options: Options) =>
  Layer.mergeAll(swarm(options), Trust.layer, Seeders.layerDht).pipe(
    Layer.provideMerge(dht(options)),
    Layer.provideMerge(Stores.layer({ home: options.home, serves: true }))
  )
