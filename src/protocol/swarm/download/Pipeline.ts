/**
 * How many blocks may be on order from one peer. A long way is kept full only by as many requests as
 * fit in it (bandwidth × round trip), and requests beyond that wait at the peer, where they are of no
 * use and hard to give to others.
 *
 * Neither number is measured as such. The depth doubles with every round trip while blocks come as
 * fast as the way allows, and falls when they have been waiting at the peer for long.
 */

/** A package of 256 KiB comes in one round trip. */
export const PIPELINE_START = 16
/** 4 MiB: 80 MB/s at a round trip of 50 ms. */
export const PIPELINE_MAX = 256
/** Fewer would have the peer wait for our requests. */
export const PIPELINE_MIN = 2
/** What clients queue that do not tell (`reqq` of BEP 10): libtorrent's and Transmission's older defaults. */
export const QUEUE_DEFAULT = 250
/** For how long a request may wait at the peer, in ms, beyond the shortest round trip seen. */
const WAIT_MS = 300
/** From this depth on it is filled up a quarter at a time: requests one by one cost each side a system call. */
const DEEP = 32

export class Pipeline {
  #depth = PIPELINE_START
  #limit = QUEUE_DEFAULT
  #shortestMs = Infinity

  get depth(): number {
    return Math.min(this.#depth, this.#limit, PIPELINE_MAX)
  }

  /** So many blocks on order are enough: it is not worth while yet to ask for more. */
  get enough(): number {
    const { depth } = this
    return depth < DEEP ? depth - 1 : depth - (depth >> 2)
  }

  /** The shortest time that a block took, in ms; undefined before the first. */
  get roundTripMs(): number | undefined {
    return Number.isFinite(this.#shortestMs) ? this.#shortestMs : undefined
  }

  /** The peer queues so many requests (`reqq` of BEP 10). */
  setLimit(requests: number): void {
    this.#limit = Math.max(1, requests)
  }

  /** A block took `tookMs`; with it, so many were on order. */
  onBlock(tookMs: number, ordered: number): void {
    this.#shortestMs = Math.min(this.#shortestMs, tookMs)
    if (tookMs > this.#shortestMs + WAIT_MS) this.#depth = Math.max(PIPELINE_MIN, this.#depth - 1)
    else if (ordered >= this.enough) this.#depth = Math.min(PIPELINE_MAX, this.#depth + 1)
  }

  /** The peer has let us wait: it is to show its speed anew. */
  restart(): void {
    this.#depth = Math.min(this.#depth, PIPELINE_MIN)
  }
}
