/**
 * The metadata exchange (BEP 9) on one connection: serves the info dictionary where we have it, and
 * collects it from the peer where we want it. Each peer is collected from by itself, so that a
 * wrong dictionary has one author.
 */
import * as Option from "effect/Option"
import { INFO_MAX_BYTES } from "../../protocol/swarm/Torrent.ts"
import * as ExtensionMessage from "./ExtensionMessage.ts"
import type { PeerConnection } from "./PeerConnection.ts"
import type { Channel } from "./PeerExtensions.ts"
import { OUTBOX_MAX_BYTES } from "./UploadQueue.ts"

export interface Handlers {
  /** The info dictionary, once it is known. */
  readonly info: () => Uint8Array | undefined
  /** The peer has sent a whole dictionary. It is not verified. */
  readonly onInfo: (info: Uint8Array) => void
}

class MetadataExchange {
  readonly #connection: PeerConnection
  readonly #handlers: Handlers
  #channel: Channel | undefined
  #collected: Uint8Array | undefined
  #count = 0

  constructor(connection: PeerConnection, handlers: Handlers) {
    this.#connection = connection
    this.#handlers = handlers
  }

  join(): void {
    const { extensions } = this.#connection
    this.#channel = extensions.register({
      name: ExtensionMessage.UT_METADATA,
      onMessage: (payload) => this.#onMetadata(payload),
      onHandshake: ({ metadataSize }) => this.#onHandshake(metadataSize)
    })
    extensions.announceMetadata(() => this.#handlers.info()?.length)
  }

  #onHandshake(size: number | undefined): void {
    if (this.#handlers.info() !== undefined || this.#collected !== undefined) return
    if (this.#channel?.isTaken() !== true || size === undefined || size > INFO_MAX_BYTES) return
    this.#collected = new Uint8Array(size)
    const count = Math.ceil(size / ExtensionMessage.METADATA_PIECE_BYTES)
    for (let piece = 0; piece < count; piece++) this.#channel?.send(ExtensionMessage.encodeRequest(piece))
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
    this.#channel?.send(
      info === undefined ? ExtensionMessage.encodeReject(piece) : ExtensionMessage.encodeData(info, piece)
    )
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

/** Takes part in the exchange on a connection that has not started, and asks for the info dictionary while it is unknown. */
export const start = (connection: PeerConnection, handlers: Handlers): void => {
  new MetadataExchange(connection, handlers).join()
}
