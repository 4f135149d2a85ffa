/**
 * The UDP socket of a DHT node, with the guard in it. It has the part of `dgram.Socket` that
 * k-rpc-socket uses, so `new DHT({ socket, verify: socket.verify })` runs behind it.
 *
 * In comes only what {@link KrpcGuard} accepts: queries within the rate limits, and the one reply to
 * each query that we sent. Nothing that arrives, and nothing that the library throws meanwhile, can
 * end the process; everything is counted by reason.
 */
import { randomBytes } from "node:crypto"
import * as Dgram from "node:dgram"
import { EventEmitter } from "node:events"
import type { AddressInfo } from "node:net"
import { isIPv4 } from "node:net"
import { KrpcAnswers } from "./KrpcAnswers.ts"
import * as VerifiedSignatures from "../../protocol/core/VerifiedSignatures.ts"
import * as KrpcGuard from "./KrpcGuard.ts"
import { encode, encodeFailure, ErrorCode, type Failure, type Query, type Response } from "./KrpcMessage.ts"
import type { Ignored } from "./KrpcReply.ts"
import { type Admission, defaultRateLimits, KrpcSenders, type RateLimits } from "./KrpcSenders.ts"
import { KrpcTransactions, peerName } from "./KrpcTransactions.ts"

/** What the counters count: why a datagram was dropped, answered or changed, and what else went wrong. */
export type Reason =
  | KrpcGuard.DropReason
  | KrpcGuard.AnswerReason
  | Ignored
  | Exclude<Admission, "admitted">
  | "accepted-query"
  | "accepted-reply"
  | "port-zero"
  | "unsolicited-reply"
  | "second-identity"
  | "library-threw"
  | "send-failed"
  | "socket-error"

/** Records under way at one time: a look-up brings the same one from some twenty nodes. An entry holds at most 1.2 KB. */
const VERDICTS_MAX = 256

type SendCallback = (error: Error | null, bytes: number) => void

/** What is below: the part of `dgram.Socket` that is used. */
export interface Datagrams {
  on(event: "message", listener: (datagram: Buffer, from: Dgram.RemoteInfo) => void): unknown
  on(event: "listening" | "close", listener: () => void): unknown
  on(event: "error", listener: (error: Error) => void): unknown
  bind(options: { readonly port: number; readonly address: string }): unknown
  address(): AddressInfo
  send(
    datagram: Uint8Array,
    offset: number,
    length: number,
    port: number,
    address: string,
    callback: SendCallback
  ): void
  close(): unknown
}

export interface Options {
  /** The IPv4 address to bind; `0.0.0.0` only where every interface is meant. */
  readonly host: string
  /** Checks Ed25519 signatures; asked once for each record on its way, and only after its token was found good. */
  readonly verify: VerifiedSignatures.Verify
  /** Milliseconds; need not be the time of day. */
  readonly now: () => number
  readonly limits?: Partial<RateLimits> | undefined
  /** Ask others not to count on us (BEP 43): for hosts that come and go, or that cannot be reached. */
  readonly readOnly?: boolean | undefined
  /** Told of what the library threw in a handler. The library's state may be unsound, the process is not. */
  readonly onDefect?: ((defect: unknown) => void) | undefined
  /** Transaction ids are made of these; `node:crypto` by default. */
  readonly randomBytes?: ((length: number) => Uint8Array) | undefined
  /** Called once, for a socket that is not yet bound; one of `node:dgram` by default. */
  readonly datagrams?: (() => Datagrams) | undefined
}

interface Events {
  readonly message: [Buffer, Dgram.RemoteInfo]
  readonly listening: []
  readonly error: [Error]
  readonly close: []
}

/** The query that the library is answering right now; it answers before its handler returns. */
interface Exchange {
  readonly query: Query
  answered: boolean
  signatureRefused: boolean
}

export class GuardedSocket extends EventEmitter<Events> {
  readonly #socket: Datagrams
  readonly #counters = new Map<Reason, number>()
  readonly #answers = new KrpcAnswers()
  readonly #transactions: KrpcTransactions
  readonly #senders: KrpcSenders
  readonly #options: Options
  readonly #verify: VerifiedSignatures.Verify
  #exchange: Exchange | undefined
  /** An unbound `dgram` socket binds every interface when it sends: so we must know. */
  #binding: "none" | "pending" | "bound" | "failed" = "none"
  #state: "open" | "closing" | "closed" = "open"

  constructor(options: Options) {
    super()
    if (!isIPv4(options.host)) throw new TypeError(`A DHT socket needs an IPv4 address to bind, not "${options.host}"`)
    this.#options = options
    this.#socket = options.datagrams === undefined ? Dgram.createSocket("udp4") : options.datagrams()
    this.#verify = VerifiedSignatures.remembering(options.verify, VERDICTS_MAX)
    this.#transactions = new KrpcTransactions({
      now: options.now,
      randomBytes: options.randomBytes ?? randomBytes,
      readOnly: options.readOnly ?? false
    })
    this.#senders = new KrpcSenders(options.now, { ...defaultRateLimits, ...options.limits })
    this.setMaxListeners(0)
    this.#socket.on("message", (datagram, from) => {
      try {
        this.#receive(datagram, from)
      } catch (defect) {
        this.#defect(defect)
      }
    })
    this.#socket.on("listening", () => {
      this.#binding = "bound"
      this.#deliver("listening")
    })
    this.#socket.on("error", (error) => {
      this.#count("socket-error")
      if (this.#binding === "pending") this.#binding = "failed"
      this.#deliver("error", error)
    })
    this.#socket.on("close", () => {
      this.#state = "closed"
      this.#deliver("close")
    })
  }

  /** How often each thing has happened so far; a copy. */
  counters(): ReadonlyMap<Reason, number> {
    return new Map(this.#counters)
  }

  /** The library's `verify` option. A bad signature in a `put` is then answered with error 206 (BEP 44). */
  readonly verify: VerifiedSignatures.Verify = (signature, message, publicKey) => {
    let valid = false
    try {
      valid = this.#verify(signature, message, publicKey)
    } catch (defect) {
      this.#defect(defect)
    }
    if (!valid && this.#exchange !== undefined) this.#exchange.signatureRefused = true
    return valid
  }

  /** Binds the address of the options unless another is given. Throws what `dgram` throws; a busy port is an `error` event. */
  bind(port?: number, address?: string, listening?: () => void): this
  bind(port?: number, listening?: () => void): this
  bind(port = 0, address?: string | (() => void), listening?: () => void): this {
    const callback = typeof address === "function" ? address : listening
    if (callback !== undefined) this.once("listening", callback)
    this.#binding = "pending"
    this.#socket.bind({ port, address: typeof address === "string" ? address : this.#options.host })
    return this
  }

  address(): AddressInfo {
    return this.#socket.address()
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
    const query = this.#transactions.open(datagram, peerName(address, port))
    if (query !== undefined) return this.#transmit(query, port, address, callback)
    const exchange = this.#exchange
    if (exchange === undefined) return this.#transmit(datagram, port, address, callback)
    exchange.answered = true
    this.#transmit(this.#answers.finish(datagram, exchange.query), port, address, callback)
  }

  /** Can be called at any time and more than once; `callback` runs when the socket is closed. */
  close(callback?: () => void): this {
    if (this.#state === "closed") {
      if (callback !== undefined) process.nextTick(callback)
      return this
    }
    if (callback !== undefined) this.once("close", callback)
    if (this.#state === "closing") return this
    this.#state = "closing"
    this.#socket.close()
    return this
  }

  #count(reason: Reason): void {
    this.#counters.set(reason, (this.#counters.get(reason) ?? 0) + 1)
  }

  #defect(defect: unknown): void {
    this.#count("library-threw")
    try {
      this.#options.onDefect?.(defect)
    } catch {
      // A handler for defects that is itself defective must not end the process either; the count stands.
    }
  }

  /** `emit`, one listener at a time, so that what one throws neither escapes nor silences the others. */
  #deliver<K extends keyof Events>(event: K, ...args: Events[K]): void {
    for (const listener of this.rawListeners(event)) {
      try {
        Reflect.apply(listener, this, args)
      } catch (defect) {
        this.#defect(defect)
      }
    }
  }

  #transmit(datagram: Uint8Array, port: number, address: string, callback?: SendCallback): void {
    const done: SendCallback = (error, bytes) => {
      if (error !== null) this.#count("send-failed")
      callback?.(error, bytes)
    }
    try {
      if (this.#binding === "failed") throw new Error("The DHT socket could not be bound")
      if (this.#binding === "none") this.bind()
      this.#socket.send(datagram, 0, datagram.length, port, address, done)
    } catch (error) {
      const failure = error instanceof Error ? error : new Error(String(error))
      process.nextTick(done, failure, 0)
    }
  }

  #admits(peer: string): boolean {
    const admission = this.#senders.admit(peer)
    if (admission === "admitted") return true
    this.#count(admission)
    return false
  }

  #receive(datagram: Buffer, from: Dgram.RemoteInfo): void {
    if (this.#state !== "open") return
    if (from.port === 0) return this.#count("port-zero")
    const peer = peerName(from.address, from.port)
    const isAwaited = this.#transactions.awaits(peer)
    if (!isAwaited) {
      if (!this.#admits(peer)) return
      if (datagram.length > KrpcGuard.QUERY_MAX_BYTES) return this.#count("oversize")
    }
    const verdict = KrpcGuard.inspect(datagram, from.address)
    if (verdict._tag === "Accept" && verdict.message._tag !== "Query") {
      return this.#receiveReply(verdict.message, verdict.ignored, peer, from)
    }
    if (isAwaited && !this.#admits(peer)) return
    if (verdict._tag === "Drop") return this.#count(verdict.reason)
    if (verdict._tag === "Answer") {
      this.#count(verdict.reason)
      return this.#transmit(verdict.reply, from.port, from.address)
    }
    if (verdict.message._tag === "Query") this.#receiveQuery(verdict.message, peer, from)
  }

  #receiveReply(
    reply: Response | Failure,
    ignored: ReadonlyArray<Ignored>,
    peer: string,
    from: Dgram.RemoteInfo
  ): void {
    const libraryId = this.#transactions.take(reply.transactionId, peer)
    if (libraryId === undefined) return this.#count("unsolicited-reply")
    for (const part of ignored) this.#count(part)
    this.#count("accepted-reply")
    this.#hand(encode(reply, libraryId), from)
  }

  #receiveQuery(query: Query, peer: string, from: Dgram.RemoteInfo): void {
    this.#count("accepted-query")
    const isSecond = !query.unlisted && !this.#senders.isKnownAs(peer, query.id)
    if (isSecond) this.#count("second-identity")
    const datagram = encode(isSecond ? { ...query, unlisted: true } : query)
    const exchange: Exchange = { query, answered: false, signatureRefused: false }
    this.#exchange = exchange
    this.#hand(datagram, from)
    this.#exchange = undefined
    if (exchange.signatureRefused && !exchange.answered) {
      this.#count("invalid-signature")
      const reply = encodeFailure(query.transactionId, ErrorCode.invalidSignature, "invalid signature")
      this.#transmit(reply, from.port, from.address)
    }
  }

  #hand(datagram: Uint8Array, from: Dgram.RemoteInfo): void {
    this.#deliver("message", Buffer.from(datagram.buffer, datagram.byteOffset, datagram.byteLength), from)
  }
}

/** A socket that is not yet bound. Throws `TypeError` when `host` is not an IPv4 address. */
export const make = (options: Options): GuardedSocket => new GuardedSocket(options)
