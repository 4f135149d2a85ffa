/**
 * A datagram socket of a simulated machine: in place of `dgram.Socket` under {@link GuardedSocket}. What it
 * sends goes over the wire of the simulation, and what arrives is handed on as the machine's own work.
 */
import { EventEmitter } from "node:events"
import type { RemoteInfo } from "node:dgram"
import type { AddressInfo } from "node:net"
import * as Bencode from "../../protocol/core/Bencode.ts"
import { RecentMap } from "../../protocol/core/RecentMap.ts"
import type { Process } from "../../protocol/testing/simulation/Kernel.ts"
import type { Wire } from "../../protocol/testing/simulation/Wire.ts"
import type { Datagrams } from "../dht/GuardedSocket.ts"
import { peerName } from "../dht/KrpcTransactions.ts"
import * as KrpcText from "./KrpcText.ts"
import type { VirtualGlobals } from "./VirtualGlobals.ts"

/** Queries whose answer is still to leave: the library answers at once, so that few ever are. */
const ASKED_MAX = 64

/** What all sockets of a network share. */
export interface Internet {
  readonly wire: Wire<KrpcText.Message>
  readonly globals: VirtualGlobals
  /** Who listens, by `host:port`. */
  readonly bound: Map<string, WireSocket>
}

/** What a dishonest node does to its traffic. */
export interface Tampering {
  /** The reply that leaves in place of `root`; `undefined` for none. */
  readonly onReply: (root: Bencode.Dictionary, asked: KrpcText.Asked) => Bencode.Dictionary | undefined
  /** The reply to a query that the node is not to see; `undefined` where it is to see it. */
  readonly onQuery: (asked: KrpcText.Asked) => Bencode.Dictionary | undefined
}

export interface Options {
  readonly internet: Internet
  /** As the trace names it. */
  readonly name: string
  readonly process: Process
  readonly tampering?: Tampering
}

interface Events {
  readonly message: [Buffer, RemoteInfo]
  readonly listening: []
  readonly error: [Error]
  readonly close: []
}

const remoteOf = (peer: string, size: number): RemoteInfo => {
  const colon = peer.lastIndexOf(":")
  return { address: peer.slice(0, colon), family: "IPv4", port: Number(peer.slice(colon + 1)), size }
}

export class WireSocket extends EventEmitter<Events> implements Datagrams {
  readonly process: Process
  readonly #internet: Internet
  readonly #name: string
  readonly #tampering: Tampering | undefined
  readonly #asked = new RecentMap<string, KrpcText.Asked>(ASKED_MAX)
  #host = ""
  #port = 0
  #detach: (() => void) | undefined

  constructor({ internet, name, process, tampering }: Options) {
    super()
    this.process = process
    this.#internet = internet
    this.#name = name
    this.#tampering = tampering
  }

  /** A port that is taken is an `error` event, as with `dgram`. */
  bind({ address, port }: { readonly address: string; readonly port: number }): void {
    const { bound, globals, wire } = this.#internet
    const name = peerName(address, port)
    // A machine that lost power does not hold its ports.
    if (bound.get(name)?.process.isAlive === true) {
      const error = Object.assign(new Error(`bind EADDRINUSE ${name}`), { code: "EADDRINUSE" })
      globals.plan(this.process, 0, () => void this.emit("error", error))
      return
    }
    this.#host = address
    this.#port = port
    bound.set(name, this)
    this.#detach = wire.attach({
      name: this.#name,
      address: name,
      receive: (message, from) => {
        if (this.process.isAlive) globals.within(this.process, () => this.#receive(message, from))
      }
    })
    globals.plan(this.process, 0, () => void this.emit("listening"))
  }

  address(): AddressInfo {
    return { address: this.#host, family: "IPv4", port: this.#port }
  }

  send(
    datagram: Uint8Array,
    offset: number,
    length: number,
    port: number,
    address: string,
    callback: (error: Error | null, bytes: number) => void
  ): void {
    this.#send(datagram.subarray(offset, offset + length), peerName(address, port))
    callback(null, length)
  }

  close(): void {
    this.detach()
    this.#internet.globals.plan(this.process, 0, () => void this.emit("close"))
  }

  /** Is heard no more, and hears nothing. */
  detach(): void {
    this.#detach?.()
    this.#detach = undefined
    const { bound } = this.#internet
    const name = peerName(this.#host, this.#port)
    if (bound.get(name) === this) bound.delete(name)
  }

  #receive(message: KrpcText.Message, from: string): void {
    const { asked, bytes } = message
    if (asked !== undefined) {
      const own = this.#tampering?.onQuery(asked)
      if (own !== undefined) {
        this.#transmit({ bytes: Bencode.encode(own), text: KrpcText.replyText(own, asked) }, from)
        return
      }
      this.#asked.set(`${from} ${asked.transactionId}`, asked)
    }
    const datagram = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.emit("message", datagram, remoteOf(from, bytes.length))
  }

  #send(bytes: Uint8Array, to: string): void {
    let asked: KrpcText.Asked | undefined
    const message = KrpcText.read(bytes, (transactionId) => {
      const key = `${to} ${transactionId}`
      asked = this.#asked.get(key)
      this.#asked.delete(key)
      return asked
    })
    if (asked === undefined || message.root === undefined || this.#tampering === undefined) {
      return this.#transmit(message, to)
    }
    const reply = this.#tampering.onReply(message.root, asked)
    if (reply === message.root) return this.#transmit(message, to)
    if (reply !== undefined) {
      this.#transmit({ bytes: Bencode.encode(reply), text: KrpcText.replyText(reply, asked) }, to)
    }
  }

  #transmit(message: KrpcText.Message, to: string): void {
    if (this.#detach === undefined || !this.process.isAlive) return
    this.#internet.wire.send({ name: this.#name, address: peerName(this.#host, this.#port) }, to, message)
  }
}
