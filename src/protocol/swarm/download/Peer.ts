/** What the engine knows of one connected peer: its pieces, whether it serves, and what it owes. */
import { Bitfield } from "./Bitfield.ts"
import { Pipeline } from "./Pipeline.ts"

/** A block on order. `askedAt` in ms. */
export interface Order {
  readonly piece: number
  readonly block: number
  readonly askedAt: number
}

/** The connected peers by their numbers. */
export type Peers = ReadonlyMap<number, Peer>

export class Peer {
  readonly id: number
  /** Whether it speaks the fast extension (BEP 6): then choking takes nothing back, a reject does. */
  readonly isFast: boolean
  readonly pieces: Bitfield
  /** Pieces that it gives although it chokes (BEP 6). */
  readonly allowed = new Set<number>()
  /** In the order in which they were asked for. */
  readonly orders = new Map<number, Order>()
  readonly pipeline = new Pipeline()
  /** Pieces that it would not give, and until when they are not asked for again, in ms. */
  readonly refused = new Map<number, number>()
  isChoking = true
  isInteresting = false
  /** Pieces that it has and we lack. */
  wanted = 0
  /** Blocks that came of it. */
  delivered = 0
  /** Of those, blocks of pieces that were found true. */
  proven = 0
  /** Contested pieces that it took too long for. */
  missed = 0
  /** How often it has choked with blocks on order, since it last sent one. */
  chokes = 0
  /** Since when it has owed blocks without sending one, in ms. */
  owesSince = 0
  /** It gets no work until then, in ms. */
  restUntil = 0
  /** Rests since it last sent a block. */
  rests = 0

  constructor(id: number, pieceCount: number, isFast: boolean) {
    this.id = id
    this.isFast = isFast
    this.pieces = new Bitfield(pieceCount)
  }

  /** What it has owed for the longest. */
  get oldest(): Order | undefined {
    return this.orders.values().next().value
  }

  get hasRoom(): boolean {
    return this.orders.size < this.pipeline.depth
  }

  /** Whether it may be asked for anything at all. */
  isReady(now: number): boolean {
    return now >= this.restUntil && (!this.isChoking || this.allowed.size > 0)
  }

  /** Whether it may be asked for blocks of the piece. */
  gives(piece: number, now: number): boolean {
    if (!this.pieces.has(piece) || (this.isChoking && !this.allowed.has(piece))) return false
    const refusedUntil = this.refused.get(piece)
    return refusedUntil === undefined || now >= refusedUntil
  }

  /** Whether it owes blocks of a piece that satisfies `which`. */
  owes(which: (piece: number) => boolean): boolean {
    for (const { piece } of this.orders.values()) if (which(piece)) return true
    return false
  }
}
