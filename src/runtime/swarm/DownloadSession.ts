/**
 * What happens in one download between its peers and the content, whoever decides what to ask of whom:
 * the info dictionary is collected where it is not known, pieces are counted when they are written,
 * and a slow disk slows the peers.
 */
import { createHash } from "node:crypto"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Content, StorageFailed } from "../../protocol/swarm/Content.ts"
import type { Progress } from "../../protocol/swarm/Swarm.ts"
import { lengthOfPiece, pieceCount, type Torrent } from "../../protocol/swarm/Torrent.ts"
import type { DownloadPeers } from "./DownloadPeers.ts"
import type { Run } from "./Fibers.ts"
import * as MetadataExchange from "./MetadataExchange.ts"
import type { PeerConnection } from "./PeerConnection.ts"
import { shapeOf } from "./Shape.ts"

/** Verified bytes that may wait for the disk before the peers are told to wait, too. */
export const WRITES_PENDING_MAX_BYTES = 8 * 1024 * 1024

export interface Outcome {
  /** The info dictionary with the right hash has come. It may still not be one of a release. */
  readonly onInfo: (info: Uint8Array) => void
  /** More of the torrent is in the content. */
  readonly onProgress: () => void
  readonly onComplete: (torrent: Torrent) => void
  readonly onStorageFailed: (error: StorageFailed) => void
}

export interface Setting {
  readonly infohash: Uint8Array
  /** In ms. */
  readonly now: () => number
  readonly run: Run
  /** At least 0, less than 1. */
  readonly random: () => number
  /** For how long a peer may owe blocks without sending one. */
  readonly requestTimeoutMs: number
  readonly outcome: Outcome
}

export abstract class DownloadSession {
  protected readonly setting: Setting
  #peers: DownloadPeers | undefined
  #torrent: Torrent | undefined
  #isFetching = false
  #complete = 0
  #isPaused = false
  #receivedBytes = 0

  constructor(setting: Setting) {
    this.setting = setting
  }

  get progress(): Progress {
    return {
      receivedBytes: this.#receivedBytes,
      totalBytes: this.#torrent?.totalLength ?? 0,
      peers: this.#peers?.connections.size ?? 0
    }
  }

  /** False while the content is opened and checked: it may turn out to be complete. */
  get needsPeers(): boolean {
    return this.#torrent === undefined || this.#isFetching
  }

  /** The peers whose connections come by {@link onConnection}. */
  join(peers: DownloadPeers): void {
    this.#peers = peers
  }

  /** The torrent is known, from the start or from a peer. */
  setTorrent(torrent: Torrent): void {
    this.#torrent = torrent
    for (const connection of this.connections) connection.fit(shapeOf(torrent))
  }

  onConnection(connection: PeerConnection): void {
    const { wire } = connection
    if (this.#torrent !== undefined) connection.fit(shapeOf(this.#torrent))
    wire.on("interested", () => wire.unchoke())
    this.attach(connection)
    MetadataExchange.start(connection, {
      info: () => this.#torrent?.info,
      onInfo: (info) => this.#onInfo(connection, info)
    })
    connection.start()
    if (this.#isPaused) connection.peer.socket.pause()
  }

  /** Checks what the content holds, and from then on fetches what it lacks. */
  abstract fetch(torrent: Torrent, content: Content): Effect.Effect<void, never, Scope.Scope>

  /** Takes a connection on before anything is read from it. */
  protected abstract attach(connection: PeerConnection): void

  /** To be called a few times a second. */
  tick(): void {
    if (this.#isPaused) return
    const now = this.setting.now()
    this.onTick(now)
    this.#peers?.makeRoom(now)
  }

  protected abstract onTick(now: number): void

  /** Reading goes on after a while in which nobody could send. */
  protected onResumed(): void {}

  /** A copy, for connections end while they are visited. */
  protected get connections(): ReadonlyArray<PeerConnection> {
    return [...(this.#peers?.connections ?? [])]
  }

  protected ban(liar: { readonly host: string; readonly port: number }): void {
    this.#peers?.ban(liar)
  }

  /** The content has been checked: {@link needsPeers} holds if anything is missing. */
  protected checked(): void {
    this.#isFetching = true
  }

  /** A piece is in the content for good. */
  protected count(index: number): void {
    const torrent = this.#torrent
    if (torrent === undefined) return
    this.#receivedBytes += lengthOfPiece(torrent, index)
    this.#complete++
    this.setting.outcome.onProgress()
    if (this.#complete === pieceCount(torrent)) this.setting.outcome.onComplete(torrent)
  }

  /** So many bytes wait for the disk. */
  protected onPending(bytes: number): void {
    if (bytes > WRITES_PENDING_MAX_BYTES) this.#setPaused(true)
    else if (bytes < WRITES_PENDING_MAX_BYTES / 2) this.#setPaused(false)
  }

  #onInfo(connection: PeerConnection, info: Uint8Array): void {
    if (this.#torrent !== undefined) return
    const digest = createHash("sha1").update(info).digest()
    if (digest.equals(this.setting.infohash)) this.setting.outcome.onInfo(info)
    else this.ban(connection.peer)
  }

  #setPaused(isPaused: boolean): void {
    if (isPaused === this.#isPaused) return
    this.#isPaused = isPaused
    for (const { peer } of this.connections) {
      if (isPaused) peer.socket.pause()
      else peer.socket.resume()
    }
    if (!isPaused) this.onResumed()
  }
}
