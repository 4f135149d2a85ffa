/**
 * The queries that we have sent and that wait for a reply (BEP 5 "KRPC Protocol", `t`): the library's,
 * and our own.
 *
 * k-rpc-socket numbers its queries 1, 2, 3, … and compares only the host of a reply, so anyone who
 * can forge a source address could answer for others. Here each query leaves under a random
 * transaction id, and one reply is let in: from that address and port, in time.
 */
import { hasPassed } from "./Elapsed.ts"
import type { Failure, Response } from "./KrpcMessage.ts"

/** Too long to guess before the reply is there; the length that µTorrent and Transmission use. */
export const TRANSACTION_ID_BYTES = 4

/** Twice the library's own 2,000 ms: a reply that it still waits for is never turned away. */
export const TRANSACTION_LIFETIME_MS = 5_000

/** The library keeps 16 queries in flight for each lookup; past this bound the oldest are given up. */
export const TRANSACTIONS_MAX = 8_192

/** A call for four random bytes costs as much as one for a kilobyte. */
const IDS_PER_DRAW = 256

/** How every query that k-rpc-socket encodes ends: `1:t2:` + id + `1:y1:qe` (its keys are sorted: a, q, t, y). */
const HEAD = Buffer.from("1:t2:", "latin1")
const TAIL = Buffer.from("1:y1:qe", "latin1")
const LIBRARY_ID_BYTES = 2
const ENDING_BYTES = HEAD.length + LIBRARY_ID_BYTES + TAIL.length
const NEW_HEAD = Buffer.from(`1:t${TRANSACTION_ID_BYTES}:`, "latin1")
/** BEP 43: whoever is asked must not put us into their routing table. Its key sorts between `q` and `t`. */
const READ_ONLY_HEAD = Buffer.concat([Buffer.from("2:roi1e", "latin1"), NEW_HEAD])

export type Reply = Response | Failure

/** Called once: with the reply, or with nothing when none came. */
export type OnReply = (reply: Reply | undefined) => void

/** Whose query it was: the library's, under the id that the library gave it, or our own. */
export type Owner =
  | { readonly _tag: "Library"; readonly id: Uint8Array }
  | { readonly _tag: "Own"; readonly onReply: OnReply }

interface Waiting<O extends Owner = Owner> {
  readonly peer: string
  readonly owner: O
  /** Whether a datagram with its transaction id was expected already: see {@link KrpcTransactions.expects}. */
  isSeen: boolean
}

interface LibraryWaiting extends Waiting<Extract<Owner, { readonly _tag: "Library" }>> {
  readonly since: number
}

type OwnWaiting = Waiting<Extract<Owner, { readonly _tag: "Own" }>>

/** `address:port`, the name of a peer in every table of the guard. */
export const peerName = (address: string, port: number): string => `${address}:${port}`

export interface Options {
  /** Milliseconds. */
  readonly now: () => number
  readonly randomBytes: (length: number) => Uint8Array
  /** Marks every query as that of a read-only node (BEP 43). */
  readonly readOnly: boolean
}

export class KrpcTransactions {
  /** Marks every query from now on as that of a read-only node (BEP 43). */
  readOnly: boolean
  /** The library's by transaction id, oldest first: nobody says when it gives one up. */
  readonly #library = new Map<string, LibraryWaiting>()
  /** Ours: whoever began one ends it. */
  readonly #own = new Map<string, OwnWaiting>()
  readonly #options: Options
  #pool: Uint8Array = new Uint8Array(0)
  #poolOffset = 0

  constructor(options: Options) {
    this.#options = options
    this.readOnly = options.readOnly
  }

  get size(): number {
    return this.#library.size + this.#own.size
  }

  get ownSize(): number {
    return this.#own.size
  }

  /**
   * Whether `datagram`, as the library wrote it, is a query: then gives it back under a fresh
   * transaction id and awaits the reply from `peer`. `undefined` for replies and errors.
   */
  open(datagram: Buffer, peer: string): Buffer | undefined {
    const body = datagram.length - ENDING_BYTES
    if (body < 0 || datagram.compare(HEAD, 0, HEAD.length, body, body + HEAD.length) !== 0) return undefined
    if (datagram.compare(TAIL, 0, TAIL.length, datagram.length - TAIL.length) !== 0) return undefined
    this.#expire()
    if (this.#library.size >= TRANSACTIONS_MAX) this.#forgetOldest()
    // A copy: a view would keep the whole query in memory.
    const libraryId = new Uint8Array(datagram.subarray(body + HEAD.length, body + HEAD.length + LIBRARY_ID_BYTES))
    const [id, name] = this.#freshId()
    this.#library.set(name, {
      peer,
      owner: { _tag: "Library", id: libraryId },
      isSeen: false,
      since: this.#options.now()
    })
    const head = this.readOnly ? READ_ONLY_HEAD : NEW_HEAD
    return Buffer.concat([datagram.subarray(0, body), head, id, TAIL])
  }

  /** Awaits one reply from `peer` until {@link end}; gives the transaction id. */
  begin(peer: string, onReply: OnReply): Uint8Array {
    const [id, name] = this.#freshId()
    this.#own.set(name, { peer, owner: { _tag: "Own", onReply }, isSeen: false })
    return id
  }

  /** Ends one of our own queries, if it still waits: nothing came. */
  end(transactionId: Uint8Array): void {
    this.#end(nameOf(transactionId))
  }

  /** Ends all of our own queries: nothing will come any more. */
  endAll(): void {
    // Whoever is told so may begin others at once: those are not ended here.
    const names = Array.from(this.#own.keys())
    for (const name of names) this.#end(name)
  }

  /**
   * Whether this may be a reply that we await from `peer`: it carries the id of a query of ours to it, as nobody
   * can who has not received that. A glance at the bytes; and once a query, so that nobody has more read by that.
   */
  expects(datagram: Buffer, peer: string): boolean {
    const at = datagram.lastIndexOf(NEW_HEAD)
    if (at === -1) return false
    this.#expire()
    const idAt = at + NEW_HEAD.length
    const waiting = this.#find(nameOf(datagram.subarray(idAt, idAt + TRANSACTION_ID_BYTES)), peer)
    if (waiting === undefined || waiting.isSeen) return false
    waiting.isSeen = true
    return true
  }

  /** Ends the transaction that this reply belongs to; says whose it is. Each is given once. */
  take(transactionId: Uint8Array, peer: string): Owner | undefined {
    this.#expire()
    const name = nameOf(transactionId)
    const waiting = this.#find(name, peer)
    if (waiting !== undefined) this.#forget(name, waiting)
    return waiting?.owner
  }

  #find(name: string, peer: string): Waiting | undefined {
    const waiting = this.#own.get(name) ?? this.#library.get(name)
    return waiting?.peer === peer ? waiting : undefined
  }

  #freshId(): readonly [Uint8Array, string] {
    for (;;) {
      if (this.#poolOffset === this.#pool.length) {
        this.#pool = this.#options.randomBytes(TRANSACTION_ID_BYTES * IDS_PER_DRAW)
        this.#poolOffset = 0
      }
      const id = this.#pool.subarray(this.#poolOffset, (this.#poolOffset += TRANSACTION_ID_BYTES))
      const name = nameOf(id)
      if (!this.#library.has(name) && !this.#own.has(name)) return [id, name]
    }
  }

  #end(name: string): void {
    const waiting = this.#own.get(name)
    if (waiting === undefined) return
    this.#forget(name, waiting)
    waiting.owner.onReply(undefined)
  }

  #expire(): void {
    const now = this.#options.now()
    for (const [name, waiting] of this.#library) {
      if (!hasPassed(waiting.since, TRANSACTION_LIFETIME_MS, now)) return
      this.#forget(name, waiting)
    }
  }

  #forgetOldest(): void {
    for (const [name, waiting] of this.#library) return this.#forget(name, waiting)
  }

  #forget(name: string, { owner }: Waiting): void {
    if (owner._tag === "Own") this.#own.delete(name)
    else this.#library.delete(name)
  }
}

const nameOf = (id: Uint8Array): string => Buffer.from(id.buffer, id.byteOffset, id.byteLength).toString("latin1")
