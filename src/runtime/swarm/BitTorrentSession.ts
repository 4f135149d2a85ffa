/**
 * A download by our own engine (`protocol/swarm/download`): what the peers say goes in as events, its
 * commands go out over their wires. Between them lies no fiber, promise or timer for a block: blocks
 * are copied into their piece, a whole piece is hashed, and the disk gets it in one write.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Content } from "../../protocol/swarm/Content.ts"
import { Bitfield } from "../../protocol/swarm/download/Bitfield.ts"
import { type Command, Engine, type Event } from "../../protocol/swarm/download/Engine.ts"
import { pieceCount, type Torrent } from "../../protocol/swarm/Torrent.ts"
import type { Address } from "./Bans.ts"
import { DownloadSession } from "./DownloadSession.ts"
import type { PeerConnection } from "./PeerConnection.ts"
import { isTrue, PieceBytes, printsOf } from "./PieceBytes.ts"
import { PieceWriter } from "./PieceWriter.ts"
import * as ResumeCheck from "./ResumeCheck.ts"
import { shapeOf } from "./Shape.ts"
import type { Respond } from "./UploadQueue.ts"

/** Peers that are gone whose addresses are kept: they may turn out to have lied. */
const GONE_MAX = 256

/** What there is once the torrent is known and the content checked. */
interface Transfer {
  readonly engine: Engine
  readonly torrent: Torrent
  readonly content: Content
  readonly bytes: PieceBytes
  readonly writer: PieceWriter
  /** Pieces that can be given to others. */
  readonly written: Bitfield
}

interface Occurrence {
  readonly event: Event
  /** The bytes of a `Block`. */
  readonly block?: Uint8Array | undefined
}

export class BitTorrentSession extends DownloadSession {
  readonly #ids = new Map<PeerConnection, number>()
  readonly #connections = new Map<number, PeerConnection>()
  readonly #gone = new Map<number, Address>()
  readonly #occurrences: Array<Occurrence> = []
  #transfer: Transfer | undefined
  #nextId = 0
  #isRunning = false

  fetch(torrent: Torrent, content: Content): Effect.Effect<void, never, Scope.Scope> {
    return Effect.gen({ self: this }, function* () {
      const have = yield* ResumeCheck.check(torrent, content, (piece) => this.count(piece))
      if (have.isFull) return
      this.#transfer = this.#begin(torrent, content, have)
      this.checked()
      for (const connection of this.connections) this.#join(connection)
    })
  }

  protected attach(connection: PeerConnection): void {
    const { wire } = connection
    wire.on("choke", () => this.#say(connection, (peer) => ({ _tag: "Choked", peer })))
    wire.on("unchoke", () => {
      this.#tellQueue(connection)
      this.#say(connection, (peer) => ({ _tag: "Unchoked", peer }))
    })
    wire.on("have", (piece: number) => this.#say(connection, (peer) => ({ _tag: "Have", peer, piece })))
    wire.on("bitfield", (pieces: Uint8Array) => this.#say(connection, (peer) => ({ _tag: "Has", peer, pieces })))
    wire.on("allowedFast", (piece: number) => this.#say(connection, (peer) => ({ _tag: "AllowedFast", peer, piece })))
    wire.on("request", (index: number, offset: number, length: number, respond: Respond) =>
      this.#serve(index, offset, length, respond)
    )
    connection.onClosed(() => this.#leave(connection))
    this.#join(connection)
  }

  protected onTick(): void {
    for (const connection of this.#connections.values()) this.#tellQueue(connection)
    this.#do({ _tag: "Tick" })
  }

  protected override onResumed(): void {
    this.#do({ _tag: "Resumed" })
  }

  #begin(torrent: Torrent, content: Content, have: Bitfield): Transfer {
    const { outcome, random, requestTimeoutMs, run } = this.setting
    const written = Bitfield.from(have.bytes, have.size)
    const bytes = new PieceBytes(torrent)
    const writer = new PieceWriter(torrent, content, run, {
      onWritten: (piece, buffer) => {
        bytes.recycle(buffer)
        written.add(piece)
        for (const { wire } of this.#connections.values()) if (!wire.has(piece)) wire.have(piece)
        this.count(piece)
      },
      onFailed: (error) => outcome.onStorageFailed(error),
      onPending: (pending) => this.onPending(pending)
    })
    const geometry = shapeOf(torrent)
    const firstBytes = torrent.manifest.length
    const engine = new Engine({ geometry, have, firstBytes, timeoutMs: requestTimeoutMs, random })
    return { engine, torrent, content, bytes, writer, written }
  }

  /** Tells the engine of a peer, and the peer of us; what it has said before is told with it. */
  #join(connection: PeerConnection): void {
    if (this.#transfer === undefined || connection.closed) return
    const { torrent, written } = this.#transfer
    const { wire } = connection
    const peer = this.#nextId++
    this.#ids.set(connection, peer)
    this.#connections.set(peer, connection)
    if (written.count > 0) wire.bitfield({ buffer: written.bytes })
    const has = new Bitfield(pieceCount(torrent))
    for (let piece = 0; piece < has.size; piece++) if (wire.has(piece)) has.add(piece)
    this.#do({ _tag: "Joined", peer, isFast: wire.isFast })
    this.#tellQueue(connection)
    if (has.count > 0) this.#do({ _tag: "Has", peer, pieces: has.bytes })
    for (const piece of wire.peerAllowedFast) this.#do({ _tag: "AllowedFast", peer, piece })
    if (!wire.peerChoking) this.#do({ _tag: "Unchoked", peer })
  }

  #leave(connection: PeerConnection): void {
    const peer = this.#ids.get(connection)
    if (peer === undefined) return
    this.#ids.delete(connection)
    this.#connections.delete(peer)
    const { host, port } = connection.peer
    this.#gone.set(peer, { host, port })
    const [oldest] = this.#gone.keys()
    if (oldest !== undefined && this.#gone.size > GONE_MAX) this.#gone.delete(oldest)
    this.#do({ _tag: "Left", peer })
  }

  #tellQueue(connection: PeerConnection): void {
    const requests = connection.wire.peerQueue
    if (Number.isFinite(requests)) this.#say(connection, (peer) => ({ _tag: "Queues", peer, requests }))
  }

  #say(connection: PeerConnection, event: (peer: number) => Event): void {
    const peer = this.#ids.get(connection)
    if (peer !== undefined) this.#do(event(peer))
  }

  /** One event after another: what a command brings about waits until all commands before are carried out. */
  #do(event: Event, block?: Uint8Array): void {
    if (this.#transfer === undefined) return
    this.#occurrences.push({ event, block })
    if (this.#isRunning) return
    this.#isRunning = true
    try {
      for (let next = this.#occurrences.shift(); next !== undefined; next = this.#occurrences.shift()) {
        const commands = this.#transfer.engine.step(next.event, this.setting.now())
        for (const command of commands) this.#obey(this.#transfer, command, next.block)
      }
    } finally {
      this.#isRunning = false
    }
  }

  #obey(transfer: Transfer, command: Command, block: Uint8Array | undefined): void {
    switch (command._tag) {
      case "Request":
        return this.#request(command.peer, command.piece, command.offset, command.length)
      case "Cancel":
        return this.#connections.get(command.peer)?.wire.cancel(command.piece, command.offset, command.length)
      case "Interested":
        return this.#connections.get(command.peer)?.wire.interested()
      case "Uninterested":
        return this.#connections.get(command.peer)?.wire.uninterested()
      case "Keep":
        return block === undefined ? undefined : transfer.bytes.put(command.piece, command.offset, block)
      case "Check":
        return this.#check(transfer, command.piece)
      case "Forget":
        return transfer.bytes.forget(command.piece)
      case "Replace":
        return this.#connections.get(command.peer)?.close()
      case "Ban": {
        const liar = this.#connections.get(command.peer)?.peer ?? this.#gone.get(command.peer)
        return liar === undefined ? undefined : this.ban(liar)
      }
    }
  }

  #request(peer: number, piece: number, offset: number, length: number): void {
    this.#connections.get(peer)?.wire.request(piece, offset, length, (error, block) => {
      if (error === null) this.#do({ _tag: "Block", peer, piece, offset }, block)
      else this.#do({ _tag: "Rejected", peer, piece, offset })
    })
  }

  #check({ bytes, engine, torrent, writer }: Transfer, piece: number): void {
    const whole = bytes.take(piece)
    if (whole === undefined) return
    if (isTrue(torrent, piece, whole)) {
      this.#do({ _tag: "Verified", piece, prints: engine.isContested(piece) ? printsOf(whole) : undefined })
      writer.write(piece, whole)
    } else {
      this.#do({ _tag: "Failed", piece, prints: printsOf(whole) })
      bytes.recycle(whole)
    }
  }

  #serve(index: number, offset: number, length: number, respond: Respond): void {
    const transfer = this.#transfer
    if (transfer === undefined || !transfer.written.has(index)) return respond(new Error("it is not here yet"))
    const { content, torrent } = transfer
    this.setting.run(
      Effect.match(content.read(index * torrent.pieceLength + offset, length), {
        onSuccess: (bytes) => respond(null, bytes),
        onFailure: (error) => respond(error)
      })
    )
  }
}
