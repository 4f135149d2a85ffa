/**
 * A real socket whose network is bad: datagrams are lost, come late, or are followed by what somebody
 * forges. What happens to the n-th datagram is fixed, so that each run is the same.
 */
import * as Crypto from "node:crypto"
import * as Dgram from "node:dgram"
import { EventEmitter } from "node:events"
import type { AddressInfo } from "node:net"
import type { Datagrams, SendCallback } from "../../../src/runtime/dht/Datagrams.ts"
import type { Machine } from "../../../src/runtime/dht/DhtNode.ts"
import { realAfter } from "../../../src/runtime/dht/KrpcRequests.ts"

export interface Roughness {
  /** Whether the `index`-th datagram that leaves, or arrives, is lost. */
  readonly loses?: ((index: number) => boolean) | undefined
  /** By how many ms a datagram from that port comes late. */
  readonly delayMs?: ((port: number) => number) | undefined
  /** Told of each datagram that leaves. */
  readonly onSend?: ((datagram: Uint8Array, port: number, address: AddressInfo) => void) | undefined
}

class RoughSocket extends EventEmitter implements Datagrams {
  readonly #socket = Dgram.createSocket("udp4")
  readonly #roughness: Roughness
  #index = 0

  constructor(roughness: Roughness) {
    super()
    this.#roughness = roughness
    for (const event of ["listening", "close", "error"]) {
      this.#socket.on(event, (...args) => void this.emit(event, ...args))
    }
    this.#socket.on("message", (datagram, from) => {
      if (this.#loses()) return
      const delayMs = roughness.delayMs?.(from.port) ?? 0
      if (delayMs === 0) this.emit("message", datagram, from)
      else realAfter(delayMs, () => void this.emit("message", datagram, from))
    })
  }

  bind(options: { readonly port: number; readonly address: string }): void {
    this.#socket.bind(options)
  }

  address(): AddressInfo {
    return this.#socket.address()
  }

  send(
    datagram: Uint8Array,
    offset: number,
    length: number,
    port: number,
    address: string,
    callback: SendCallback
  ): void {
    this.#roughness.onSend?.(datagram.subarray(offset, offset + length), port, this.address())
    if (this.#loses()) process.nextTick(callback, null, length)
    else this.#socket.send(datagram, offset, length, port, address, callback)
  }

  close(): void {
    this.#socket.close()
  }

  #loses(): boolean {
    return this.#roughness.loses?.(this.#index++) ?? false
  }
}

/** This computer, on a bad network. */
export const machine = (roughness: Roughness): Machine => ({
  nodeId: new Uint8Array(Crypto.randomBytes(20)),
  after: realAfter,
  randomBytes: Crypto.randomBytes,
  datagrams: () => new RoughSocket(roughness),
  onDefect: (defect) => {
    throw defect
  },
  build: (construct) => construct()
})
