/**
 * Our own queries (BEP 5 "Queries"), past the library: they are written down once, go out at once, and
 * their checked replies come back as they are. The library would let sixteen of them out at a time and
 * decode each reply a second time.
 */
import * as Bencode from "../../protocol/core/Bencode.ts"
import type { Incidents } from "./Incidents.ts"
import type { Method } from "./KrpcMessage.ts"
import { type KrpcTransactions, type OnReply, peerName } from "./KrpcTransactions.ts"

/** Own queries that wait for a reply at one time; each takes about 300 bytes. Past it a query does not leave. */
export const REQUESTS_MAX = 1_024

export interface Request {
  readonly method: Method
  /** All of `a`, `id` among them. */
  readonly args: Bencode.Dictionary
}

/** Calls `run` once after `ms`; the result takes that back. */
export type After = (ms: number, run: () => void) => () => void

export interface Options {
  readonly transactions: KrpcTransactions
  readonly after: After
  /** Calls `done` with whether the datagram left, not before it returns. */
  readonly transmit: (datagram: Uint8Array, port: number, host: string, done: (isSent: boolean) => void) => void
  readonly incidents: Incidents
}

const QUERY = Bencode.utf8("q")

/** Timers of Node, which keep no process alive. */
export const realAfter: After = (ms, run) => {
  const timer = setTimeout(run, ms)
  timer.unref()
  return () => clearTimeout(timer)
}

export class KrpcRequests {
  readonly #options: Options

  constructor(options: Options) {
    this.#options = options
  }

  /**
   * Asks one node, whose `host` is an IPv4 address. `onReply` is called once, not before this returns, and
   * what it throws goes no further: with the reply, or with nothing after `timeoutMs`, or when the socket
   * closes. In its place, `onUnsent` is called when the query could not leave.
   */
  send(
    { args, method }: Request,
    host: string,
    port: number,
    timeoutMs: number,
    onReply: OnReply,
    onUnsent: () => void = () => onReply(undefined)
  ): void {
    const { after, incidents, transactions, transmit } = this.#options
    if (transactions.ownSize >= REQUESTS_MAX) {
      incidents.count("own-too-many")
      return void after(0, () => this.#guarded(onUnsent))
    }
    let cancel = () => {}
    let isUnsent = false
    const id = transactions.begin(peerName(host, port), (reply) => {
      cancel()
      this.#guarded(isUnsent ? onUnsent : () => onReply(reply))
    })
    const giveUp = () => transactions.end(id)
    cancel = after(timeoutMs, () => {
      incidents.count("own-timeout")
      giveUp()
    })
    incidents.count("own-query")
    const message = { a: args, q: Bencode.utf8(method), t: id, y: QUERY }
    const datagram = Bencode.encode(transactions.readOnly ? { ...message, ro: 1 } : message)
    transmit(datagram, port, host, (isSent) => {
      if (isSent) return
      isUnsent = true
      giveUp()
    })
  }

  #guarded(callback: () => void): void {
    this.#options.incidents.guarded("handler-threw", callback, undefined)
  }
}
