/**
 * torrent-stream's engine for one download: which block to ask of whom, and whether a piece is true.
 * All use of the library, its private parts included, is here. It neither listens nor dials, never
 * sees metadata that it would have to parse, and touches no file: connections come by `attach`,
 * the torrent comes parsed, and bytes go through the chunk store.
 */
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import type * as Scope from "effect/Scope"
import { hashOfPiece, pieceCount, type Torrent } from "../../protocol/swarm/Torrent.ts"
import type { ChunkStore } from "./ChunkStore.ts"
import type { PeerConnection } from "./PeerConnection.ts"

export interface EngineHandlers {
  /** A piece is true: found in the store at the start (no `bytes`), or received. */
  readonly onVerified: (index: number, bytes: Uint8Array | undefined) => void
  /** The blocks of a piece are in and its hash is another. The engine will ask for them anew. */
  readonly onInvalid: (index: number, bytes: Uint8Array) => void
}

export interface Engine {
  /** Hands a connection over. From now on the engine asks, and serves, through its wire. */
  readonly attach: (connection: PeerConnection) => void
}

export interface EngineOptions {
  readonly torrent: Torrent
  readonly store: ChunkStore
  readonly handlers: EngineHandlers
  readonly requestTimeoutMs: number
  readonly maxPeers: number
}

/** The form in which parse-torrent gives a torrent file. */
const parsed = (torrent: Torrent) => ({
  infoHash: Hex.encode(torrent.infohash),
  infoBuffer: Buffer.from(torrent.info),
  name: torrent.name,
  files: [torrent.manifest, torrent.tarball].map(({ path, length, offset }) => ({ path, name: path, length, offset })),
  length: torrent.totalLength,
  pieceLength: torrent.pieceLength,
  pieces: Array.from({ length: pieceCount(torrent) }, (_, i) => Hex.encode(hashOfPiece(torrent, i))),
  announce: []
})

/**
 * Succeeds when what the store holds has been checked; then wants every piece that is missing.
 * The library takes 0.1 s to load, so it is loaded by the first download.
 */
export const make = Effect.fnUntraced(function* (options: EngineOptions): Effect.fn.Return<Engine, never, Scope.Scope> {
  const { default: torrentStream } = yield* Effect.promise(() => import("torrent-stream"))
  const { handlers, torrent } = options
  const engine = yield* Effect.acquireRelease(
    Effect.sync(() =>
      torrentStream(parsed(torrent), {
        // Never sent: handshakes are ours. The library insists on 20 characters.
        id: "-LS0000-000000000000",
        // Never read or written: the torrent is complete and the store is ours.
        path: torrent.name,
        tmp: torrent.name,
        dht: false,
        tracker: false,
        // Its hotswap takes back a wrong block (it reads `BLOCK_SIZE`, which torrent-piece does not have).
        hotswap: false,
        connections: options.maxPeers,
        uploads: options.maxPeers,
        timeout: options.requestTimeoutMs,
        storage: () => options.store
      })
    ),
    (engine) => Effect.sync(() => engine.destroy())
  )
  engine.on("invalid-piece", (index: number, bytes: Buffer) => handlers.onInvalid(index, bytes))
  let ready = false
  engine.on("verify", (index: number) => {
    if (!ready) handlers.onVerified(index, undefined)
  })
  engine.on("download", (index: number, bytes: Buffer) => handlers.onVerified(index, bytes))
  yield* Effect.callback<void>((resume) => {
    engine.once("ready", () => resume(Effect.void))
  })
  ready = true
  engine.select(0, pieceCount(torrent) - 1, false)

  return {
    attach: ({ peer, wire, closed }) => {
      if (closed) return
      engine.swarm._onconnection(peer.socket)
      engine.swarm._onwire(peer.socket, wire)
      // The engine looks for work when a peer unchokes; this one may have done so before.
      if (!wire.peerChoking) wire.emit("unchoke")
    }
  }
})
