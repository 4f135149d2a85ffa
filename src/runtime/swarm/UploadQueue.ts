/**
 * Blocks that one peer has asked us for and not got yet. Few are read at a time, and none while the
 * peer is slow to take what it has got, so that a peer that asks without reading costs a bounded
 * amount of memory. Every request is answered where the peer can understand a refusal (BEP 6).
 */
import type { Block, Outlet } from "./PeerOutlet.ts"

/** Requests that a peer may have waiting, told as `reqq` (BEP 10). libtorrent's default is 500. */
export const REQUEST_QUEUE = 512
/** A peer that has so many requests waiting does not listen; it is closed. */
export const REQUEST_QUEUE_MAX = 2 * REQUEST_QUEUE
/** Bytes that may wait in a socket before further requests of that peer are served. */
export const OUTBOX_MAX_BYTES = 512 * 1024
/** Reads under way for one peer. */
const READS_MAX = 8

export type Respond = (error: Error | null, bytes?: Uint8Array) => void

export interface Uploading {
  /** Whether a block is to be given to this peer now. Asked when it is asked for, and again when it has been read. */
  readonly mayServe: (block: Block) => boolean
  /** Gets the bytes of a block from whoever has them. */
  readonly read: (block: Block, respond: Respond) => void
  /** Sends them. */
  readonly send: (block: Block, bytes: Uint8Array) => void
  /** The peer will not get the block. */
  readonly refuse: (block: Block) => void
  /** The block should be there and cannot be read. */
  readonly onUnreadable: (block: Block) => void
}

export class UploadQueue {
  #asked: Array<Block> = []
  readonly #outlet: Outlet
  readonly #uploading: Uploading
  #reads = 0

  constructor(outlet: Outlet, uploading: Uploading) {
    this.#outlet = outlet
    this.#uploading = uploading
  }

  push({ index, length, offset }: Block): void {
    const block = { index, offset, length }
    if (!this.#uploading.mayServe(block)) return this.#uploading.refuse(block)
    if (this.#asked.length >= REQUEST_QUEUE_MAX) return this.#outlet.fault("too many requests")
    this.#asked.push(block)
    this.serve()
  }

  /** What is being read already is still sent. */
  cancel(block: Block): void {
    const at = this.#asked.findIndex(({ index, offset }) => index === block.index && offset === block.offset)
    const [cancelled] = at < 0 ? [] : this.#asked.splice(at, 1)
    if (cancelled !== undefined) this.#uploading.refuse(cancelled)
  }

  /** Refuses whatever may not be served any more. */
  review(): void {
    const asked = this.#asked
    this.#asked = asked.filter((block) => this.#uploading.mayServe(block))
    for (const block of asked) if (!this.#uploading.mayServe(block)) this.#uploading.refuse(block)
  }

  clear(): void {
    this.#asked = []
  }

  /** Goes on: something was asked for, read, or sent. */
  serve(): void {
    while (this.#asked.length > 0 && this.#reads < READS_MAX && this.#outlet.hasRoom()) {
      const block = this.#asked.shift()!
      this.#reads++
      this.#uploading.read(block, (error, bytes) => {
        this.#reads--
        if (error !== null || bytes === undefined) this.#uploading.onUnreadable(block)
        else if (this.#uploading.mayServe(block)) this.#uploading.send(block, bytes)
        else this.#uploading.refuse(block)
        this.serve()
      })
    }
  }
}
