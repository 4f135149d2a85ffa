/**
 * Blocks that one peer has asked us for and not got yet. Few are read at a time, and none while the
 * peer is slow to take what it has got, so that a peer that asks without reading costs a bounded
 * amount of memory.
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

export class UploadQueue {
  readonly #asked: Array<Block> = []
  readonly #outlet: Outlet
  readonly #read: (block: Block, respond: Respond) => void
  readonly #onBytes: (block: Block, bytes: Uint8Array) => void
  #reads = 0

  /** `read` gets the bytes of a block from whoever has them, `onBytes` sends them. */
  constructor(
    outlet: Outlet,
    read: (block: Block, respond: Respond) => void,
    onBytes: (block: Block, bytes: Uint8Array) => void
  ) {
    this.#outlet = outlet
    this.#read = read
    this.#onBytes = onBytes
  }

  push(block: Block): void {
    if (this.#asked.length >= REQUEST_QUEUE_MAX) return this.#outlet.fault("too many requests")
    this.#asked.push(block)
    this.serve()
  }

  cancel(block: Block): void {
    const at = this.#asked.findIndex(({ index, offset }) => index === block.index && offset === block.offset)
    if (at >= 0) this.#asked.splice(at, 1)
  }

  clear(): void {
    this.#asked.length = 0
  }

  /** Goes on: something was asked for, read, or sent. */
  serve(): void {
    while (this.#asked.length > 0 && this.#reads < READS_MAX && this.#outlet.pendingBytes() < OUTBOX_MAX_BYTES) {
      const block = this.#asked.shift()!
      this.#reads++
      this.#read(block, (error, bytes) => {
        this.#reads--
        if (error !== null || bytes === undefined) return this.#outlet.close()
        this.#onBytes(block, bytes)
        this.serve()
      })
    }
  }
}
