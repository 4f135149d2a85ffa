/**
 * The extensions of one connection (BEP 10). Each registers a name and a handler; the handshake tells the peer our ids
 * and us the peer's. Both sides number as they like: a message comes under our id, and goes under the peer's.
 */
import * as Option from "effect/Option"
import * as ExtensionMessage from "./ExtensionMessage.ts"
import type { PeerWire } from "./PeerWire.ts"

/** Ids of one byte, of which 0 is the handshake. */
export const EXTENSIONS_MAX = 255

export interface Extension {
  /** As in the handshake's `m`. */
  readonly name: string
  /** A message of the peer, at most `EXTENDED_MAX_BYTES`; believed in nothing. */
  readonly onMessage: (payload: Uint8Array) => void
  /** The peer has told which extensions it takes. It may do so more than once. */
  readonly onHandshake?: ((handshake: ExtensionMessage.ExtensionHandshake) => void) | undefined
}

/** What a registered extension sends by. */
export interface Channel {
  /** Sends a message; `false` where the peer does not take this extension, or has not said so yet. */
  readonly send: (payload: Uint8Array) => boolean
  /** Whether the peer takes messages of this extension. */
  readonly isTaken: () => boolean
}

/** What our handshake says beside the ids. */
export interface OwnHandshake {
  /** TCP port on which we listen. */
  readonly port?: number | undefined
  /** Requests of a peer that we queue. */
  readonly reqq: number
  /** Client and version. */
  readonly version?: string | undefined
}

export class PeerExtensions {
  readonly #wire: PeerWire
  readonly #speaks: boolean
  readonly #own: OwnHandshake
  readonly #extensions: Array<Extension> = []
  readonly #theirIds = new Map<string, number>()
  #metadataSize: (() => number | undefined) | undefined
  #started = false
  /** What the peer has said of itself; `undefined` before its handshake. */
  peer: ExtensionMessage.ExtensionHandshake | undefined

  /** `speaks` where both sides announced the extension protocol. Without it nothing is ever sent. */
  constructor(wire: PeerWire, speaks: boolean, own: OwnHandshake) {
    this.#wire = wire
    this.#speaks = speaks
    this.#own = own
  }

  /** Takes an extension on. Those that come before the connection starts are in one handshake. */
  register(extension: Extension): Channel {
    if (this.#extensions.length >= EXTENSIONS_MAX) throw new RangeError("a connection has at most 255 extensions")
    this.#extensions.push(extension)
    if (this.#started) this.#handshake()
    const idOf = () => this.#theirIds.get(extension.name)
    return {
      isTaken: () => idOf() !== undefined,
      send: (payload) => {
        const id = idOf()
        if (id !== undefined) this.#wire.extended(id, payload)
        return id !== undefined
      }
    }
  }

  /** Has the handshake tell how long the info dictionary is (BEP 9), as far as that is known by then. */
  announceMetadata(size: () => number | undefined): void {
    this.#metadataSize = size
  }

  /** Sends the handshake. */
  start(): void {
    this.#started = true
    this.#handshake()
  }

  /** Takes a message of the peer; one under an id that we never gave is dropped. */
  receive(id: number, payload: Uint8Array): void {
    if (!this.#speaks) return
    if (id === ExtensionMessage.HANDSHAKE_ID) return this.#onHandshake(payload)
    this.#extensions[id - 1]?.onMessage(payload)
  }

  #handshake(): void {
    if (!this.#speaks) return
    const payload = ExtensionMessage.encodeHandshake({
      ...this.#own,
      names: this.#extensions.map(({ name }) => name),
      metadataSize: this.#metadataSize?.()
    })
    this.#wire.extended(ExtensionMessage.HANDSHAKE_ID, payload)
  }

  #onHandshake(payload: Uint8Array): void {
    const handshake = Option.getOrUndefined(ExtensionMessage.decodeHandshake(payload))
    if (handshake === undefined) return
    this.peer = handshake
    if (handshake.requestQueue !== undefined) this.#wire.setPeerQueue(handshake.requestQueue)
    for (const { name } of this.#extensions) {
      const id = handshake.ids.get(name)
      // BEP 10: what is not named stays as it was; 0 switches an extension off.
      if (id === 0) this.#theirIds.delete(name)
      else if (id !== undefined) this.#theirIds.set(name, id)
    }
    for (const { onHandshake } of this.#extensions) onHandshake?.(handshake)
  }
}
