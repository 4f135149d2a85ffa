/**
 * The metadata exchange (BEP 9) on one connection: serves the info dictionary where we have it, and
 * collects it from the peer where we want it. Each peer is collected from by itself, so that a
 * wrong dictionary has one author.
 */
import * as Option from "effect/Option"
import { INFO_MAX_BYTES } from "../../protocol/swarm/Torrent.ts"
import * as ExtensionMessage from "./ExtensionMessage.ts"
import type { PeerConnection } from "./PeerConnection.ts"
import { OUTBOX_MAX_BYTES, REQUEST_QUEUE } from "./UploadQueue.ts"

export interface Handlers {
  /** The info dictionary, once it is known. */
  readonly info: () => Uint8Array | undefined
  /** The peer has sent a whole dictionary. It is not verified. */
  readonly onInfo: (info: Uint8Array) => void
}

class MetadataExchange {
  readonly #connection: PeerConnection
  readonly #handlers: Handlers
  #peerId: number | undefined
  #collected: Uint8Array | undefined
  #count = 0

  constructor(connection: PeerConnection, handlers: Handlers) {
    this.#connection = connection
    this.#handlers = handlers
  }

  onExtended(id: number, payload: Uint8Array): void {
    if (id === ExtensionMessage.HANDSHAKE_ID) this.#onHandshake(payload)
    if (id === ExtensionMessage.UT_METADATA_ID) this.#onMetadata(payload)
  }

  #send(payload: Uint8Array): void {
    if (this.#peerId !== undefined) this.#connection.wire.extended(this.#peerId, payload)
  }

  #onHandshake(payload: Uint8Array): void {
    const handshake = Option.getOrUndefined(ExtensionMessage.decodeHandshake(payload))
    if (handshake === undefined) return
    this.#peerId = handshake.utMetadata ?? this.#peerId
    const size = handshake.metadataSize
    if (this.#handlers.info() !== undefined || this.#collected !== undefined) return
    if (this.#peerId === undefined || size === undefined || size > INFO_MAX_BYTES) return
    this.#collected = new Uint8Array(size)
    const count = Math.ceil(size / ExtensionMessage.METADATA_PIECE_BYTES)
    for (let piece = 0; piece < count; piece++) this.#send(ExtensionMessage.encodeRequest(piece))
  }

  #onMetadata(payload: Uint8Array): void {
    const message = Option.getOrUndefined(ExtensionMessage.decodeMetadata(payload))
    if (message?._tag === "Request") this.#onRequest(message.piece)
    if (message?._tag === "Data") this.#onData(message.piece, message.bytes)
  }

  #onRequest(piece: number): void {
    // A peer that asks without reading waits, as with blocks; BEP 9 lets a request go unanswered.
    if (this.#connection.peer.socket.writableLength > OUTBOX_MAX_BYTES) return
    const info = this.#handlers.info()
    this.#send(info === undefined ? ExtensionMessage.encodeReject(piece) : ExtensionMessage.encodeData(info, piece))
  }

  /** Pieces come in the order in which they were asked for (TCP); one out of turn is ignored. */
  #onData(piece: number, bytes: Uint8Array): void {
    const collected = this.#collected
    if (collected === undefined || piece !== this.#count) return
    const offset = piece * ExtensionMessage.METADATA_PIECE_BYTES
    const expected = Math.min(ExtensionMessage.METADATA_PIECE_BYTES, collected.length - offset)
    if (expected <= 0) return
    if (bytes.length !== expected) return this.#connection.fault("metadata of a wrong length")
    collected.set(bytes, offset)
    this.#count++
    if (offset + expected === collected.length) this.#handlers.onInfo(collected)
  }
}

/** Answers extension messages on a connection, and asks for the info dictionary while it is unknown. */
export const start = (connection: PeerConnection, handlers: Handlers): void => {
  if (!connection.peer.extended) return
  const exchange = new MetadataExchange(connection, handlers)
  connection.onExtended = (id, payload) => exchange.onExtended(id, payload)
  const payload = ExtensionMessage.encodeHandshake({
    metadataSize: handlers.info()?.length,
    reqq: REQUEST_QUEUE
  })
  connection.wire.extended(ExtensionMessage.HANDSHAKE_ID, payload)
}
