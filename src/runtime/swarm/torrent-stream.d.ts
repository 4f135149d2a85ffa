/**
 * torrent-stream 1.2.1 brings no types; only what `Engine.ts` uses is declared. `swarm` is
 * peer-wire-swarm 0.12, whose methods with an underscore are private: the versions are pinned.
 */
declare module "torrent-stream" {
  import type { EventEmitter } from "node:events"

  /** What parse-torrent would make of a torrent file; given as it is, it is not parsed again. */
  interface ParsedTorrent {
    /** 40 hex digits. */
    readonly infoHash: string
    readonly infoBuffer: Buffer
    readonly name: string
    readonly files: ReadonlyArray<{
      readonly path: string
      readonly name: string
      readonly length: number
      readonly offset: number
    }>
    readonly length: number
    readonly pieceLength: number
    /** SHA-1 of every piece, 40 hex digits each. */
    readonly pieces: ReadonlyArray<string>
    readonly announce: ReadonlyArray<string>
  }

  type StoreCallback = (error: Error | null, bytes?: Buffer) => void

  /** abstract-chunk-store */
  interface ChunkStore {
    readonly get: (
      index: number,
      range: { readonly offset: number; readonly length: number } | StoreCallback | null,
      callback?: StoreCallback
    ) => void
    readonly put: (index: number, bytes: Buffer, callback: (error: Error | null) => void) => void
    readonly close: (callback?: (error: Error | null) => void) => void
  }

  interface EngineOptions {
    /** 20 characters. */
    readonly id: string
    readonly path: string
    readonly tmp: string
    readonly dht: false
    readonly tracker: false
    readonly hotswap: false
    /** Peers. Above it the engine throws peers out. */
    readonly connections: number
    readonly uploads: number
    /** For how long a peer may owe a block, in ms. */
    readonly timeout: number
    readonly storage: (pieceLength: number) => ChunkStore
  }

  interface WireSwarm {
    readonly _onconnection: (connection: EventEmitter) => void
    readonly _onwire: (connection: EventEmitter, wire: EventEmitter) => void
  }

  interface TorrentEngine extends EventEmitter {
    readonly swarm: WireSwarm
    readonly select: (from: number, to: number, priority: boolean) => void
    readonly destroy: () => void
  }

  export default function torrentStream(torrent: ParsedTorrent, options: EngineOptions): TorrentEngine
}
