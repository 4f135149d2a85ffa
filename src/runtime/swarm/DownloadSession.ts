/**
 * What happens in one download between its peers, the engine and the content: pieces are counted
 * when they are written, liars are found out and banned, pieces that liars had a hand in are fetched
 * from one peer at a time, slow peers give their work to others, and a slow disk slows the peers.
 */
import { createHash } from "node:crypto"
import type { StorageFailed } from "../../protocol/swarm/Content.ts"
import type { Progress } from "../../protocol/swarm/Swarm.ts"
import { lengthOfPiece, pieceCount, type Torrent } from "../../protocol/swarm/Torrent.ts"
import { Blame } from "./Blame.ts"
import type * as ChunkStore from "./ChunkStore.ts"
import type { DownloadPeers } from "./DownloadPeers.ts"
import type { Engine, EngineHandlers } from "./Engine.ts"
import * as MetadataExchange from "./MetadataExchange.ts"
import type { PeerConnection } from "./PeerConnection.ts"
import { shapeOf } from "./Shape.ts"

/** Verified bytes that may wait for the disk before the peers are told to wait, too. */
export const WRITES_PENDING_MAX_BYTES = 16 * 1024 * 1024
/** With another peer idle, one that owes blocks for so long gives them up. */
const SNAIL_MS = 2000
/** How long it then gets no work. */
const SNAIL_REST_MS = 5000

export interface Outcome {
  /** The info dictionary with the right hash has come. It may still not be one of a release. */
  readonly onInfo: (info: Uint8Array) => void
  /** More of the torrent is in the content. */
  readonly onProgress: () => void
  readonly onComplete: () => void
  readonly onStorageFailed: (error: StorageFailed) => void
}

export class DownloadSession {
  readonly #infohash: Uint8Array
  readonly #outcome: Outcome
  readonly #now: () => number
  readonly #blame = new Blame<PeerConnection>()
  /** Who may be asked for a contested piece; `undefined` until someone can. */
  readonly #owners = new Map<number, PeerConnection | undefined>()
  #peers: DownloadPeers | undefined
  #torrent: Torrent | undefined
  #engine: Engine | undefined
  #complete = 0
  #paused = false
  receivedBytes = 0

  constructor(infohash: Uint8Array, now: () => number, outcome: Outcome) {
    this.#infohash = infohash
    this.#now = now
    this.#outcome = outcome
  }

  get progress(): Progress {
    return {
      receivedBytes: this.receivedBytes,
      totalBytes: this.#torrent?.totalLength ?? 0,
      peers: this.#peers?.connections.size ?? 0
    }
  }

  /** False while the content is opened and checked: it may turn out to be complete. */
  get needsPeers(): boolean {
    return this.#torrent === undefined || this.#engine !== undefined
  }

  /** The peers whose connections come by {@link onConnection}. */
  join(peers: DownloadPeers): void {
    this.#peers = peers
  }

  /** The torrent is known, from the start or from a peer. */
  setTorrent(torrent: Torrent): void {
    this.#torrent = torrent
    for (const connection of this.#connections) connection.fit(shapeOf(torrent))
  }

  /** The content has been checked: from now on pieces are fetched. */
  setEngine(engine: Engine): void {
    this.#engine = engine
    for (const connection of this.#connections) engine.attach(connection)
  }

  onConnection(connection: PeerConnection): void {
    const { wire } = connection
    if (this.#torrent !== undefined) connection.fit(shapeOf(this.#torrent))
    wire.isVisible = (index) => this.#mayAsk(connection, index)
    wire.onBlock = ({ index, offset }) => this.#blame.onBlock(index, offset, connection)
    wire.on("interested", () => wire.unchoke())
    wire.on("choke", () => this.#disown(connection))
    wire.on("unchoke", () => {
      for (const index of this.#owners.keys()) wire.refresh(index)
    })
    connection.onClosed(() => this.#disown(connection))
    this.#engine?.attach(connection)
    MetadataExchange.start(connection, {
      info: () => this.#torrent?.info,
      onInfo: (info) => this.#onInfo(connection, info)
    })
    connection.start()
    if (this.#paused) connection.peer.socket.pause()
  }

  /** What the engine tells. */
  readonly engineHandlers: EngineHandlers = {
    onVerified: (index, bytes) => {
      if (bytes === undefined) return this.#count(index)
      for (const liar of this.#blame.onValid(index, bytes)) this.#peers?.ban(liar)
      this.#owners.delete(index)
    },
    onInvalid: (index, bytes) => {
      for (const liar of this.#blame.onInvalid(index, bytes)) this.#peers?.ban(liar)
      if (!this.#blame.isContested(index)) return
      this.#owners.set(index, undefined)
      this.#refreshAll(index)
    }
  }

  /** What the chunk store tells. */
  readonly storeHandlers: ChunkStore.Handlers = {
    onWritten: (index) => this.#count(index),
    onFailed: (error) => this.#outcome.onStorageFailed(error),
    onPending: (bytes) => {
      if (bytes > WRITES_PENDING_MAX_BYTES) this.#setPaused(true)
      else if (bytes < WRITES_PENDING_MAX_BYTES / 2) this.#setPaused(false)
    }
  }

  /** To be called a few times a second. */
  tick(): void {
    if (this.#paused) return
    const now = this.#now()
    for (const { wire } of this.#connections) {
      if (wire.waitedMs(now) > SNAIL_MS && this.#connections.some((other) => other.wire.couldHelp(wire)))
        wire.rest(now + SNAIL_REST_MS)
      wire.tick(now)
    }
    this.#peers?.makeRoom(now)
  }

  /** A copy, for connections end while they are visited. */
  get #connections(): ReadonlyArray<PeerConnection> {
    return [...(this.#peers?.connections ?? [])]
  }

  #count(index: number): void {
    const torrent = this.#torrent
    if (torrent === undefined) return
    this.receivedBytes += lengthOfPiece(torrent, index)
    this.#complete++
    this.#outcome.onProgress()
    if (this.#complete === pieceCount(torrent)) this.#outcome.onComplete()
  }

  #onInfo(connection: PeerConnection, info: Uint8Array): void {
    if (this.#torrent !== undefined) return
    const digest = createHash("sha1").update(info).digest()
    if (digest.equals(this.#infohash)) this.#outcome.onInfo(info)
    else this.#peers?.ban(connection)
  }

  #mayAsk(connection: PeerConnection, index: number): boolean {
    if (!this.#owners.has(index)) return true
    const owner = this.#owners.get(index)
    if (owner !== undefined || connection.closed || connection.wire.peerChoking) return owner === connection
    this.#owners.set(index, connection)
    return true
  }

  #disown(connection: PeerConnection): void {
    for (const [index, owner] of this.#owners) {
      if (owner !== connection) continue
      this.#owners.set(index, undefined)
      this.#refreshAll(index)
    }
  }

  #refreshAll(index: number): void {
    for (const { wire } of this.#connections) wire.refresh(index)
  }

  #setPaused(paused: boolean): void {
    if (paused === this.#paused) return
    this.#paused = paused
    for (const { peer } of this.#connections) {
      if (paused) peer.socket.pause()
      else peer.socket.resume()
    }
  }
}
