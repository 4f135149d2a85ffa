/**
 * The UDP socket of a DHT node, with the guard in it. It has the part of `dgram.Socket` that
 * k-rpc-socket uses, so `new DHT({ socket, verify: socket.verify })` runs behind it.
 *
 * In comes only what {@link KrpcGuard} accepts: queries within the rate limits, and the one reply to
 * each query that we sent. Nothing that arrives, and nothing that the library throws meanwhile, can
 * end the process; everything is counted by reason.
 */
import { randomBytes } from "node:crypto"
import type { RemoteInfo } from "node:dgram"
import { EventEmitter } from "node:events"
import type { AddressInfo } from "node:net"
import { isIPv4 } from "node:net"
import * as VerifiedSignatures from "../../protocol/core/VerifiedSignatures.ts"
import type { SendCallback } from "./Datagrams.ts"
import * as KrpcAnswers from "./KrpcAnswers.ts"
import { Incidents, type Reason } from "./Incidents.ts"
import * as KrpcGuard from "./KrpcGuard.ts"
import { encode, isBytesOfLength, NODE_ID_BYTES, type Query, withAsker } from "./KrpcMessage.ts"
import type { Ignored } from "./KrpcReply.ts"
import { KrpcRequests, realAfter, type Request } from "./KrpcRequests.ts"
import { FREE_RATIO } from "./KrpcReplyBytes.ts"
import { defaultRateLimits, KrpcSenders } from "./KrpcSenders.ts"
import { KrpcTransactions, type OnReply, peerName, type Reply } from "./KrpcTransactions.ts"
import type { Options } from "./SocketOptions.ts"
import { refusalOf } from "../swarm/Utp.ts"
import { UdpPort } from "./UdpPort.ts"

export type { Datagrams } from "./Datagrams.ts"
export type { Reason } from "./Incidents.ts"
export type { From, Options } from "./SocketOptions.ts"

/** Records under way at one time: a look-up brings the same one from some twenty nodes. An entry holds at most 1.2 KB. */
const VERDICTS_MAX = 256

interface Events {
  readonly message: [Buffer, RemoteInfo]
  readonly listening: []
  readonly error: [Error]
  readonly close: []
}

/** A query, and whence it came. */
interface Asked {
  readonly from: RemoteInfo
  /** `host:port` of that. */
  readonly peer: string
  /** Of the whole datagram. */
  readonly bytes: number
}

/** The query that the library is answering right now; it answers before its handler returns. */
interface Exchange {
  readonly query: Query
  readonly asked: Asked
}

export class GuardedSocket extends EventEmitter<Events> {
  readonly #port: UdpPort
  readonly #incidents: Incidents
  readonly #transactions: KrpcTransactions
  readonly #requests: KrpcRequests
  readonly #senders: KrpcSenders
  readonly #options: Options
  readonly #verify: VerifiedSignatures.Verify
  #exchange: Exchange | undefined

  constructor(options: Options) {
    super()
    if (!isIPv4(options.host)) throw new TypeError(`A DHT socket needs an IPv4 address to bind, not "${options.host}"`)
    this.#options = options
    this.#incidents = new Incidents(options.onDefect)
    this.#verify = VerifiedSignatures.remembering(options.verify, VERDICTS_MAX)
    this.#transactions = new KrpcTransactions({
      now: options.now,
      randomBytes: options.randomBytes ?? randomBytes,
      readOnly: options.readOnly ?? false
    })
    this.#requests = new KrpcRequests({
      transactions: this.#transactions,
      after: options.after ?? realAfter,
      transmit: (datagram, port, host, done) => this.#port.send(datagram, port, host, (error) => done(error === null)),
      incidents: this.#incidents
    })
    this.#senders = new KrpcSenders(options.now, { ...defaultRateLimits, ...options.limits })
    this.setMaxListeners(0)
    this.#port = new UdpPort({
      host: options.host,
      datagrams: options.datagrams,
      onDatagram: (datagram, from) =>
        this.#incidents.guarded("library-threw", () => this.#receive(datagram, from), undefined),
      onListening: () => this.#deliver("listening"),
      onError: (error) => {
        this.#count("socket-error")
        this.#deliver("error", error)
      },
      onClose: () => {
        this.#transactions.endAll()
        this.#deliver("close")
      },
      onSendFailed: () => this.#count("send-failed")
    })
  }

  /** How often each thing has happened so far; a copy. */
  counters(): ReadonlyMap<Reason, number> {
    return this.#incidents.counters()
  }

  /** The `verify` of the options, which is not asked twice in a row about one record. Where it throws, that is a no. */
  readonly verify: VerifiedSignatures.Verify = (signature, message, publicKey) =>
    this.#incidents.guarded("handler-threw", () => this.#verify(signature, message, publicKey), false)

  /** Binds the address of the options unless another is given. Throws what `dgram` throws; a busy port is an `error` event. */
  bind(port?: number, address?: string, listening?: () => void): this
  bind(port?: number, listening?: () => void): this
  bind(port = 0, address?: string | (() => void), listening?: () => void): this {
    const callback = typeof address === "function" ? address : listening
    if (callback !== undefined) this.once("listening", callback)
    this.#port.bind(port, typeof address === "string" ? address : undefined)
    return this
  }

  address(): AddressInfo {
    return this.#port.address()
  }

  /** Never throws: failures go to `callback` and the counters. Queries leave under a transaction id of our own. */
  send(
    message: Uint8Array,
    offset: number,
    length: number,
    port: number,
    address: string,
    callback?: SendCallback
  ): void {
    const datagram = Buffer.from(message.buffer, message.byteOffset + offset, length)
    const opened = this.#transactions.open(datagram, peerName(address, port))
    if (opened !== undefined) return this.#port.send(opened, port, address, callback)
    const exchange = this.#exchange
    if (exchange === undefined) return this.#port.send(datagram, port, address, callback)
    const { asked, query } = exchange
    this.#answer(KrpcAnswers.finish(datagram, query, asked.from), query, asked)
    if (callback !== undefined) process.nextTick(callback, null, length)
  }

  /**
   * Asks one node of our own accord; `host` is an IPv4 address. `onReply` is called once, not before this
   * returns: with the checked reply of exactly that address and port, or with nothing after `timeoutMs`. What
   * the reply holds are views into its datagram. Where the query could not leave, `onUnsent` is called in its place.
   */
  request(
    request: Request,
    host: string,
    port: number,
    timeoutMs: number,
    onReply: OnReply,
    onUnsent?: () => void
  ): void {
    this.#requests.send(request, host, port, timeoutMs, onReply, onUnsent)
  }

  /** Whether our queries from now on ask others not to count on us (BEP 43). */
  setReadOnly(readOnly: boolean): void {
    this.#transactions.readOnly = readOnly
  }

  /** Can be called at any time and more than once; `callback` runs when the socket is closed. */
  close(callback?: () => void): this {
    if (this.#port.isClosed) {
      if (callback !== undefined) process.nextTick(callback)
      return this
    }
    if (callback !== undefined) this.once("close", callback)
    this.#port.close()
    return this
  }

  #count(reason: Reason): void {
    this.#incidents.count(reason)
  }

  #guarded(callback: () => void): void {
    this.#incidents.guarded("handler-threw", callback, undefined)
  }

  /** `emit`, one listener at a time, so that what one throws neither escapes nor silences the others. */
  #deliver<K extends keyof Events>(event: K, ...args: Events[K]): void {
    for (const listener of this.rawListeners(event)) {
      this.#incidents.guarded<unknown>("library-threw", () => Reflect.apply(listener, this, args), undefined)
    }
  }

  #admits(peer: string): boolean {
    const admission = this.#senders.admit(peer)
    if (admission === "admitted") return true
    this.#count(admission)
    return false
  }

  #receive(datagram: Buffer, from: RemoteInfo): void {
    if (from.port === 0) return this.#count("port-zero")
    const peer = peerName(from.address, from.port)
    const isExpected = this.#transactions.expects(datagram, peer)
    if (!isExpected) {
      if (!this.#admits(peer)) return
      const refusal = refusalOf(datagram)
      if (refusal !== undefined) {
        this.#count("utp-refused")
        return this.#port.send(refusal, from.port, from.address)
      }
      if (datagram.length > KrpcGuard.QUERY_MAX_BYTES) return this.#count("oversize")
    }
    const verdict = KrpcGuard.inspect(datagram, from.address)
    if (verdict._tag === "Accept" && verdict.message._tag !== "Query") {
      return this.#receiveReply(verdict.message, verdict.ignored, peer, from)
    }
    // It was no reply after all.
    if (isExpected && !this.#admits(peer)) return
    if (verdict._tag === "Drop") return this.#count(verdict.reason)
    const asked = { from, peer, bytes: datagram.length }
    if (verdict._tag === "Answer") {
      this.#count(verdict.reason)
      return this.#transmit(withAsker(verdict.reply, verdict.transactionId, from), verdict.transactionId, asked)
    }
    if (verdict.message._tag === "Query") this.#receiveQuery(verdict.message, asked)
  }

  #receiveReply(reply: Reply, ignored: ReadonlyArray<Ignored>, peer: string, from: RemoteInfo): void {
    const owner = this.#transactions.take(reply.transactionId, peer)
    if (owner === undefined) return this.#count("unsolicited-reply")
    for (const part of ignored) this.#count(part)
    this.#count("accepted-reply")
    const id = reply._tag === "Response" ? reply.values["id"] : undefined
    this.#senders.noteReal(peer, isBytesOfLength(id, NODE_ID_BYTES) ? id : undefined)
    const { onExternalAddress } = this.#options
    const external = reply._tag === "Response" ? reply.externalAddress : undefined
    if (external !== undefined) this.#guarded(() => onExternalAddress?.(external.host, external.port, from))
    if (owner._tag === "Own") owner.onReply(reply)
    else this.#hand(encode(reply, owner.id), from)
  }

  #receiveQuery(query: Query, asked: Asked): void {
    const { from, peer } = asked
    this.#count("accepted-query")
    const isSecond = !query.unlisted && !this.#senders.isKnownAs(peer, query.id)
    if (isSecond) this.#count("second-identity")
    const { onQuery, onSender } = this.#options
    if (onQuery !== undefined) this.#guarded(() => onQuery(query, from))
    const isListed = !query.unlisted && !isSecond
    if (!this.#serve(query, asked)) this.#ask(unlisted(query), asked)
    if (isListed && onSender !== undefined) this.#guarded(() => onSender(query.id, from))
  }

  /** Whether the query is done with: it was answered, or may not be. */
  #serve(query: Query, asked: Asked): boolean {
    const { serve } = this.#options
    if (serve === undefined) return false
    const { from } = asked
    const reply = this.#incidents.guarded<Uint8Array | "threw" | undefined>(
      "handler-threw",
      () => serve(query, from),
      "threw"
    )
    if (reply === undefined) return false
    if (reply === "threw") return true
    this.#count("served-query")
    this.#answer(withAsker(reply, query.transactionId, from), query, asked)
    return true
  }

  /** Hands a query to the library. */
  #ask(query: Query, asked: Asked): void {
    this.#exchange = { query, asked }
    this.#hand(encode(query), asked.from)
    this.#exchange = undefined
  }

  #answer(reply: Uint8Array, { method, transactionId }: Query, asked: Asked): void {
    // Whoever may write has shown a token that we sent to that address.
    if ((method === "put" || method === "announce_peer") && isResponse(reply)) this.#senders.noteReal(asked.peer)
    this.#transmit(reply, transactionId, asked)
  }

  /** Sends a reply: what fits of it, where all of it is not to go to an address that somebody may have forged. */
  #transmit(reply: Uint8Array, transactionId: Uint8Array, { bytes, from, peer }: Asked): void {
    if (this.#senders.mayReply(peer, bytes, reply.length)) return this.#port.send(reply, from.port, from.address)
    const room = FREE_RATIO * bytes
    const short = KrpcAnswers.shrink(reply, transactionId, from, room)
    if (short.length > room) return this.#count("reply-withheld")
    this.#count("reply-shortened")
    this.#port.send(short, from.port, from.address)
  }

  #hand(datagram: Uint8Array, from: RemoteInfo): void {
    this.#deliver("message", Buffer.from(datagram.buffer, datagram.byteOffset, datagram.byteLength), from)
  }
}

/** The library puts a sender into its routing table unless it is so marked; a query alone says nothing of who is there. */
const unlisted = (query: Query): Query => (query.unlisted ? query : { ...query, unlisted: true })

/** Canonical bencode of a message with `y` last: `…1:y1:re`. */
const isResponse = (reply: Uint8Array): boolean => reply[reply.length - 2] === "r".charCodeAt(0)

/** A socket that is not yet bound. Throws `TypeError` when `host` is not an IPv4 address. */
export const make = (options: Options): GuardedSocket => new GuardedSocket(options)
