/**
 * A download by torrent-stream's engine: liars are found out and banned, pieces that liars had a hand
 * in are fetched from one peer at a time, and slow peers give their work to others, none of which the
 * engine does of its own.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Content } from "../../protocol/swarm/Content.ts"
import { Blame } from "../../protocol/swarm/download/Blame.ts"
import { BLOCK_BYTES } from "../../protocol/swarm/download/Geometry.ts"
import type { Torrent } from "../../protocol/swarm/Torrent.ts"
import * as ChunkStore from "./ChunkStore.ts"
import { DownloadSession } from "./DownloadSession.ts"
import type { PeerConnection } from "./PeerConnection.ts"
import { printsOf } from "./PieceBytes.ts"
import { DIALLED_MAX, INCOMING_PER_TORRENT_MAX } from "./SwarmOptions.ts"
import * as TorrentStreamEngine from "./TorrentStreamEngine.ts"

/** With another peer idle, one that owes blocks for so long gives them up. */
const SNAIL_MS = 2000
/** How long it then gets no work. */
const SNAIL_REST_MS = 5000

export class TorrentStreamSession extends DownloadSession {
  readonly #blame = new Blame<PeerConnection>()
  /** Sender of each block of a piece. */
  readonly #senders = new Map<number, Array<PeerConnection | undefined>>()
  /** Who may be asked for a contested piece; `undefined` until someone can. */
  readonly #owners = new Map<number, PeerConnection | undefined>()
  #engine: TorrentStreamEngine.Engine | undefined

  fetch(torrent: Torrent, content: Content): Effect.Effect<void, never, Scope.Scope> {
    return Effect.gen({ self: this }, function* () {
      const engine = yield* TorrentStreamEngine.make({
        torrent,
        store: ChunkStore.make(torrent, content, this.setting.run, this.#storeHandlers),
        handlers: this.#engineHandlers,
        requestTimeoutMs: this.setting.requestTimeoutMs,
        maxPeers: DIALLED_MAX + INCOMING_PER_TORRENT_MAX
      })
      this.#engine = engine
      this.checked()
      for (const connection of this.connections) engine.attach(connection)
    })
  }

  protected attach(connection: PeerConnection): void {
    const { wire } = connection
    wire.isVisible = (index) => this.#mayAsk(connection, index)
    wire.onBlock = ({ index, offset }) => this.#onBlock(connection, index, offset)
    wire.on("choke", () => this.#disown(connection))
    wire.on("unchoke", () => {
      for (const index of this.#owners.keys()) wire.refresh(index)
    })
    connection.onClosed(() => this.#disown(connection))
    this.#engine?.attach(connection)
  }

  protected onTick(now: number): void {
    for (const { wire } of this.connections) {
      if (wire.waitedMs(now) > SNAIL_MS && this.connections.some((other) => other.wire.couldHelp(wire)))
        wire.rest(now + SNAIL_REST_MS)
      wire.tick(now)
    }
  }

  readonly #engineHandlers: TorrentStreamEngine.EngineHandlers = {
    onVerified: (index, bytes) => {
      if (bytes === undefined) return this.count(index)
      this.#senders.delete(index)
      if (!this.#blame.isContested(index)) return
      for (const { peer } of this.#blame.onVerified(index, printsOf(bytes))) this.ban(peer)
      this.#owners.delete(index)
    },
    onInvalid: (index, bytes) => {
      const senders = this.#senders.get(index) ?? []
      this.#senders.delete(index)
      for (const { peer } of this.#blame.onFailed(index, senders, printsOf(bytes))) this.ban(peer)
      if (!this.#blame.isContested(index)) return
      this.#owners.set(index, undefined)
      this.#refreshAll(index)
    }
  }

  readonly #storeHandlers: ChunkStore.Handlers = {
    onWritten: (index) => this.count(index),
    onFailed: (error) => this.setting.outcome.onStorageFailed(error),
    onPending: (bytes) => this.onPending(bytes)
  }

  #onBlock(connection: PeerConnection, index: number, offset: number): void {
    const senders = this.#senders.get(index) ?? []
    senders[Math.floor(offset / BLOCK_BYTES)] = connection
    this.#senders.set(index, senders)
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
    for (const { wire } of this.connections) wire.refresh(index)
  }
}
