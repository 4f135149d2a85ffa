/**
 * One UDP port of one host: what is sent goes out from there and nowhere else, sending never throws, and
 * closing twice is no error.
 */
import * as Dgram from "node:dgram"
import type { AddressInfo } from "node:net"
import type { Datagrams, SendCallback } from "./Datagrams.ts"

/**
 * Room for what arrives while this process is busy. Linux grants 416 KiB of it (`net.core.rmem_max`), twice what a
 * socket has by default.
 */
export const RECEIVE_BUFFER_BYTES = 1_024 * 1_024

/** An IPv4 socket of this computer with that room, not yet bound. */
export const openSocket = (): Datagrams => {
  const socket = Dgram.createSocket("udp4")
  socket.once("listening", () => {
    try {
      socket.setRecvBufferSize(RECEIVE_BUFFER_BYTES)
    } catch {
      // A system that refuses so much leaves it as it was, which does as well, only not in a storm.
    }
  })
  return socket
}

export interface Options {
  /** The IPv4 address to bind. */
  readonly host: string
  /** Called once, for a socket that is not yet bound; one of `node:dgram` by default. */
  readonly datagrams?: (() => Datagrams) | undefined
  /** While the port is open. May not throw. */
  readonly onDatagram: (datagram: Buffer, from: Dgram.RemoteInfo) => void
  readonly onListening: () => void
  readonly onError: (error: Error) => void
  readonly onClose: () => void
  readonly onSendFailed: () => void
}

export class UdpPort {
  readonly #socket: Datagrams
  readonly #options: Options
  /** An unbound `dgram` socket binds every interface when it sends: so we must know. */
  #binding: "none" | "pending" | "bound" | "failed" = "none"
  #state: "open" | "closing" | "closed" = "open"

  constructor(options: Options) {
    this.#options = options
    this.#socket = (options.datagrams ?? openSocket)()
    this.#socket.on("message", (datagram, from) => {
      if (this.#state === "open") options.onDatagram(datagram, from)
    })
    this.#socket.on("listening", () => {
      this.#binding = "bound"
      options.onListening()
    })
    this.#socket.on("error", (error) => {
      if (this.#binding === "pending") this.#binding = "failed"
      options.onError(error)
    })
    this.#socket.on("close", () => {
      this.#state = "closed"
      options.onClose()
    })
  }

  get isClosed(): boolean {
    return this.#state === "closed"
  }

  /** Throws what `dgram` throws; a busy port is told to `onError`. */
  bind(port: number, address = this.#options.host): void {
    this.#binding = "pending"
    this.#socket.bind({ port, address })
  }

  address(): AddressInfo {
    return this.#socket.address()
  }

  /** Binds a free port first where none is bound. Failures go to `callback` and `onSendFailed`. */
  send(datagram: Uint8Array, port: number, address: string, callback?: SendCallback): void {
    const done: SendCallback = (error, bytes) => {
      if (error !== null) this.#options.onSendFailed()
      callback?.(error, bytes)
    }
    try {
      if (this.#binding === "failed") throw new Error("The DHT socket could not be bound")
      if (this.#binding === "none") this.bind(0)
      this.#socket.send(datagram, 0, datagram.length, port, address, done)
    } catch (error) {
      const failure = error instanceof Error ? error : new Error(String(error))
      process.nextTick(done, failure, 0)
    }
  }

  close(): void {
    if (this.#state !== "open") return
    this.#state = "closing"
    this.#socket.close()
  }
}
