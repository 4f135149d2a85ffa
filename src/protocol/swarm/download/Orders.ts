/**
 * Which blocks are on order from whom. It is kept in one place what each peer owes, what all of them
 * owe together, and which blocks of the begun pieces are free.
 */
import type { Command } from "./EngineEvent.ts"
import { BLOCK_BYTES, type Geometry, lengthOfBlock } from "./Geometry.ts"
import type { OpenPiece } from "./OpenPiece.ts"
import type { Order, Peer } from "./Peer.ts"
import type { Picker } from "./Picker.ts"

/** Blocks on order from all peers together: 16 MiB. Each peer has one of its own beyond that. */
export const ORDERS_MAX = 1024

export class Orders {
  readonly #geometry: Geometry
  readonly #picker: Picker
  readonly #tell: (command: Command) => void
  readonly #blocksPerPiece: number
  #total = 0

  constructor(geometry: Geometry, picker: Picker, tell: (command: Command) => void) {
    this.#geometry = geometry
    this.#picker = picker
    this.#tell = tell
    this.#blocksPerPiece = Math.ceil(geometry.pieceLength / BLOCK_BYTES)
  }

  find(peer: Peer, piece: number, block: number): Order | undefined {
    return peer.orders.get(this.#key(piece, block))
  }

  /** Whether the peer may be asked for one block more. */
  hasRoom(peer: Peer): boolean {
    return peer.hasRoom && (this.#total < ORDERS_MAX || peer.orders.size === 0)
  }

  ask(peer: Peer, open: OpenPiece, block: number, now: number): void {
    if (peer.orders.size === 0) peer.owesSince = now
    peer.orders.set(this.#key(open.index, block), { piece: open.index, block, askedAt: now })
    this.#total++
    open.order(block)
    this.#say("Request", peer, open.index, block)
  }

  /** The peer does not owe the block any more. False when it did not. */
  settle(peer: Peer, piece: number, block: number): boolean {
    if (!peer.orders.delete(this.#key(piece, block))) return false
    this.#total--
    return true
  }

  /** The block has come from somebody else. False when the peer did not owe it. */
  cancel(peer: Peer, piece: number, block: number): boolean {
    if (!this.settle(peer, piece, block)) return false
    this.#say("Cancel", peer, piece, block)
    return true
  }

  /** Others may fetch what the peer owes of one piece, or of all. */
  takeBack(peer: Peer, options: { readonly isTold: boolean; readonly of?: OpenPiece }): void {
    for (const { block, piece } of peer.orders.values()) {
      if (options.of !== undefined && options.of.index !== piece) continue
      this.settle(peer, piece, block)
      this.#picker.open.get(piece)?.release(block)
      if (options.isTold) this.#say("Cancel", peer, piece, block)
    }
  }

  #say(tag: "Request" | "Cancel", peer: Peer, piece: number, block: number): void {
    const length = lengthOfBlock(this.#geometry, piece, block)
    this.#tell({ _tag: tag, peer: peer.id, piece, offset: block * BLOCK_BYTES, length })
  }

  #key(piece: number, block: number): number {
    return piece * this.#blocksPerPiece + block
  }
}
