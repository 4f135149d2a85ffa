/**
 * The queries that we have sent and that wait for a reply (BEP 5 "KRPC Protocol", `t`).
 *
 * k-rpc-socket numbers its queries 1, 2, 3, … and compares only the host of a reply, so anyone who
 * can forge a source address could answer for others. Here each query leaves under a random
 * transaction id, and one reply is let in: from that address and port, in time.
 */

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

interface Waiting {
  readonly peer: string
  readonly libraryId: Uint8Array
  readonly since: number
}

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
  /** By transaction id, oldest first. */
  readonly #waiting = new Map<string, Waiting>()
  readonly #countByPeer = new Map<string, number>()
  readonly #options: Options
  #pool: Uint8Array = new Uint8Array(0)
  #poolOffset = 0

  constructor(options: Options) {
    this.#options = options
  }

  get size(): number {
    return this.#waiting.size
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
    if (this.#waiting.size >= TRANSACTIONS_MAX) this.#forgetOldest()
    // A copy: a view would keep the whole query in memory.
    const libraryId = new Uint8Array(datagram.subarray(body + HEAD.length, body + HEAD.length + LIBRARY_ID_BYTES))
    const [id, name] = this.#freshId()
    this.#waiting.set(name, { peer, libraryId, since: this.#options.now() })
    this.#countByPeer.set(peer, (this.#countByPeer.get(peer) ?? 0) + 1)
    const head = this.#options.readOnly ? READ_ONLY_HEAD : NEW_HEAD
    return Buffer.concat([datagram.subarray(0, body), head, id, TAIL])
  }

  /** Whether any reply of `peer` is awaited. */
  awaits(peer: string): boolean {
    this.#expire()
    return this.#countByPeer.has(peer)
  }

  /** Ends the transaction that this reply belongs to; gives the library's own id for it. Each is given once. */
  take(transactionId: Uint8Array, peer: string): Uint8Array | undefined {
    const name = nameOf(transactionId)
    const waiting = this.#waiting.get(name)
    if (waiting === undefined || waiting.peer !== peer) return undefined
    this.#forget(name, waiting)
    return waiting.libraryId
  }

  #freshId(): readonly [Uint8Array, string] {
    for (;;) {
      if (this.#poolOffset === this.#pool.length) {
        this.#pool = this.#options.randomBytes(TRANSACTION_ID_BYTES * IDS_PER_DRAW)
        this.#poolOffset = 0
      }
      const id = this.#pool.subarray(this.#poolOffset, (this.#poolOffset += TRANSACTION_ID_BYTES))
      const name = nameOf(id)
      if (!this.#waiting.has(name)) return [id, name]
    }
  }

  #expire(): void {
    const limit = this.#options.now() - TRANSACTION_LIFETIME_MS
    for (const [name, waiting] of this.#waiting) {
      if (waiting.since > limit) return
      this.#forget(name, waiting)
    }
  }

  #forgetOldest(): void {
    for (const [name, waiting] of this.#waiting) return this.#forget(name, waiting)
  }

  #forget(name: string, waiting: Waiting): void {
    this.#waiting.delete(name)
    const left = (this.#countByPeer.get(waiting.peer) ?? 1) - 1
    if (left === 0) this.#countByPeer.delete(waiting.peer)
    else this.#countByPeer.set(waiting.peer, left)
  }
}

const nameOf = (id: Uint8Array): string => Buffer.from(id.buffer, id.byteOffset, id.byteLength).toString("latin1")
