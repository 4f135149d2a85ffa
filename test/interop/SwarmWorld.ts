/**
 * A DHT of our nodes on loopback, nodes of our swarm in it, and what clients of others need to take part: torrent files,
 * magnet links, directories, and a way to wait until somebody can be found.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import * as Path from "node:path"
import type { Infohash } from "../../src/protocol/core/Infohash.ts"
import { Dht } from "../../src/protocol/dht/Dht.ts"
import { Swarm } from "../../src/protocol/swarm/Swarm.ts"
import type { Torrent } from "../../src/protocol/swarm/Torrent.ts"
import { layer as ed25519 } from "../../src/runtime/crypto/NodeEd25519.ts"
import * as MainlineDht from "../../src/runtime/dht/MainlineDht.ts"
import * as Testnet from "../../src/runtime/dht/Testnet.ts"
import * as BitTorrentSwarm from "../../src/runtime/swarm/BitTorrentSwarm.ts"
import * as TorrentStreamSwarm from "../../src/runtime/swarm/TorrentStreamSwarm.ts"
import type { Sample } from "../protocol/swarm/SwarmSuite.ts"

/** A magnet link, or a torrent file. */
export type Wanted = string | Uint8Array

/** Both layers. */
export const LAYERS = [
  ["our engine", BitTorrentSwarm.layer],
  ["torrent-stream", TorrentStreamSwarm.layer]
] as const

/** As many as there are closest ones to store at. */
const NODES = 8

export const magnetOf = ({ infohash }: Torrent): string => `magnet:?xt=urn:btih:${Hex.encode(infohash)}`

export const fileOf = ({ info }: Pick<Torrent, "info">): Uint8Array =>
  Buffer.concat([Buffer.from("d4:info"), info, Buffer.from("e")])

/** An empty directory until the scope closes. */
export const directory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(Path.join(tmpdir(), "libreseed-interop-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

/** Puts the files of a release there. */
export const fill = (path: string, { bytes, torrent }: Sample): void => {
  mkdirSync(Path.join(path, torrent.name))
  for (const file of [torrent.manifest, torrent.tarball]) {
    writeFileSync(Path.join(path, torrent.name, file.path), bytes.subarray(file.offset, file.offset + file.length))
  }
}

/** What of a release is there, in its order. */
export const read = (path: string, { torrent }: Sample): Uint8Array =>
  Buffer.concat(
    [torrent.manifest, torrent.tarball].map((file) => readFileSync(Path.join(path, torrent.name, file.path)))
  )

const make = Effect.gen(function* () {
  const { nodes } = yield* Testnet.make(NODES)
  const bootstrap = nodes.map(({ host, port }) => `${host}:${port}`)
  const dhtLayer = () =>
    Layer.fresh(MainlineDht.layer({ host: Testnet.HOST, port: 0, bootstrap, readOnly: true })).pipe(
      Layer.provide(ed25519)
    )
  const dht = Context.get(yield* Layer.build(dhtLayer()), Dht)
  return {
    bootstrap,
    /** A node of ours until the scope closes. */
    node: (
      layer: typeof BitTorrentSwarm.layer = BitTorrentSwarm.layer,
      options: Partial<BitTorrentSwarm.Options> = {}
    ) =>
      Effect.map(
        Layer.build(
          Layer.fresh(
            layer({ host: Testnet.HOST, port: 0, allowPrivatePeers: true, lookupInterval: "200 millis", ...options })
          ).pipe(Layer.provide(dhtLayer()))
        ),
        Context.get(Swarm)
      ),
    /** Waits until whoever listens on the port can be found under the infohash. */
    announced: (infohash: Infohash, port: number) =>
      dht.findPeers(infohash).pipe(
        Effect.flatMap((peers) => (peers.some((peer) => peer.port === port) ? Effect.void : Effect.fail("not yet"))),
        Effect.retry(Schedule.spaced("100 millis"))
      )
  }
}).pipe(Effect.provide(ed25519))

export class SwarmWorld extends Context.Service<SwarmWorld, Effect.Success<typeof make>>()(
  "libreseed/test/SwarmWorld"
) {
  /** Started once for the tests that share it. */
  static readonly layer = Layer.effect(SwarmWorld, make)
}
