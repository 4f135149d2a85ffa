/**
 * What waits in the sockets of a node because peers do not read. Blocks wait with us while a peer is slow
 * (`UploadQueue`), but small messages are sent at once: who makes us say more and more and reads none of it is let go.
 */
import { OUTBOX_MAX_BYTES } from "./UploadQueue.ts"

/** Bytes that may wait in one socket: blocks, what is being read beside them, an answer of `ls_topic`, and small messages. */
export const BACKLOG_MAX_BYTES = OUTBOX_MAX_BYTES + 1024 * 1024
/** Writes that may wait in one socket: each takes some hundred bytes, however short it is. Blocks are two. */
export const BACKLOG_MAX_WRITES = 8192
/** Bytes that may wait in all sockets of a node together before only those are served who read. */
export const NODE_BACKLOG_MAX_BYTES = 64 * 1024 * 1024
/** Bytes that may wait in a socket, however much waits in the others: who reads is never kept from going on. */
export const FREE_BACKLOG_BYTES = 4 * 16 * 1024

/** Shared by the connections of a node: bytes that wait in all of them. */
export class NodeBacklog {
  #bytes = 0

  get bytes(): number {
    return this.#bytes
  }

  add(bytes: number): void {
    this.#bytes += bytes
  }
}

/** Of one connection. Nothing is kept for a message that waits. */
export class SendBacklog {
  readonly #node: NodeBacklog | undefined
  #bytes = 0
  /** Since the connection's start. */
  #sentBytes = 0
  #sentWrites = 0
  /** Everything before these writes has left. */
  #settledWrites = 0
  /** With these bytes, these writes will have left. */
  #markBytes = 0
  #markWrites = 0

  constructor(node?: NodeBacklog) {
    this.#node = node
  }

  /** So many bytes are about to be sent in so many writes. */
  onSend(bytes: number, writes: number): void {
    this.#sentBytes += bytes
    this.#sentWrites += writes
  }

  /** So many bytes wait now. Gives whether it is too much. */
  isTooMuch(pendingBytes: number): boolean {
    this.settle(pendingBytes)
    return pendingBytes > BACKLOG_MAX_BYTES || this.#sentWrites - this.#settledWrites > BACKLOG_MAX_WRITES
  }

  /** Whether blocks may be sent although so many bytes wait. */
  hasRoom(pendingBytes: number): boolean {
    this.settle(pendingBytes)
    if (pendingBytes < FREE_BACKLOG_BYTES || this.#node === undefined) return true
    return this.#node.bytes < NODE_BACKLOG_MAX_BYTES
  }

  /** So many bytes wait now; none when the connection has ended. */
  settle(pendingBytes: number): void {
    this.#node?.add(pendingBytes - this.#bytes)
    this.#bytes = pendingBytes
    if (pendingBytes > 0 && this.#sentBytes - pendingBytes < this.#markBytes) return
    this.#settledWrites = pendingBytes > 0 ? this.#markWrites : this.#sentWrites
    this.#markBytes = this.#sentBytes
    this.#markWrites = this.#sentWrites
  }
}
