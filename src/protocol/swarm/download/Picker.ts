/**
 * Which block to ask a peer for. What it has begun comes first, then what others have begun and left,
 * so that few pieces are open at a time; then a new piece: one whose liar is sought, one of the files
 * that are wanted first, the rarest (ties by chance, so that peers who fetch the same torrent have
 * different pieces to give each other). At the end blocks of others: free ones, then late ones.
 */
import type { Bitfield } from "./Bitfield.ts"
import type { Blame } from "./Blame.ts"
import * as Contested from "./Contested.ts"
import { blocksOfPiece, type Geometry } from "./Geometry.ts"
import { OpenPiece } from "./OpenPiece.ts"
import type { Peer, Peers } from "./Peer.ts"

/** Begun pieces that nobody goes on with at the moment; past it the emptiest is given up. */
export const ORPHANS_MAX = 8
/** Blocks of others on order from a peer that has nothing else to do. */
const END_GAME_ORDERS = 4
/** Peers from whom one block is on order at a time. */
export const END_GAME_ASKERS = 4
/** A block is late when it took this long, in ms, and twice the shortest round trip of its peer. */
const LATE_MS = 100

export interface Pick {
  readonly open: OpenPiece
  readonly block: number
}

export interface Options {
  readonly geometry: Geometry
  /** Pieces that are there already. */
  readonly have: Bitfield
  /** Pieces to fetch before any other: from the first up to, and without, this one. */
  readonly firstPieces: number
  readonly blame: Blame<number>
  /** At least 0, less than 1. */
  readonly random: () => number
}

export class Picker {
  readonly geometry: Geometry
  readonly have: Bitfield
  /** In the order in which they were opened. */
  readonly open = new Map<number, OpenPiece>()
  readonly #firstPieces: number
  readonly #blame: Blame<number>
  readonly #random: () => number
  /** How many peers have each piece. */
  readonly #holders: Uint32Array

  constructor(options: Options) {
    this.geometry = options.geometry
    this.have = options.have
    this.#firstPieces = options.firstPieces
    this.#blame = options.blame
    this.#random = options.random
    this.#holders = new Uint32Array(options.geometry.pieceCount)
  }

  /** A peer more, or less, has the piece. */
  count(piece: number, change: 1 | -1): void {
    this.#holders[piece]! += change
  }

  /** The next block for the peer, from a piece that is opened for it where need be. */
  pick(peer: Peer, peers: Peers, now: number): Pick | undefined {
    const open = this.#begun(peer, now) ?? this.#begin(peer, peers, now) ?? this.#others(peer, now)
    const block = open?.firstFree()
    return open !== undefined && block !== undefined ? { open, block } : this.#late(peer, peers, now)
  }

  /** Nobody goes on with what the peer owned; gives the pieces whose blocks are given up by that. */
  disown(peer: Peer): ReadonlyArray<number> {
    const forgotten: Array<number> = []
    for (const open of this.open.values()) if (open.owner === peer) forgotten.push(...this.orphan(open))
    return forgotten
  }

  /**
   * Nobody goes on with the piece for now. Gives the pieces whose blocks are given up by that. Of a contested piece
   * nothing may be on order.
   */
  orphan(open: OpenPiece): ReadonlyArray<number> {
    open.owner = undefined
    // All is there and about to be checked.
    if (open.missing === 0) return []
    const forgotten: Array<number> = []
    const giveUp = (each: OpenPiece) => {
      if (each.here > 0) forgotten.push(each.index)
      each.dropAll()
      if (each.isUntouched) this.open.delete(each.index)
    }
    // Blocks of a contested piece are of use only with others of the same peer.
    if (open.isExclusive || open.isUntouched) giveUp(open)
    const orphans = [...this.open.values()].filter(({ missing, owner }) => owner === undefined && missing > 0)
    if (orphans.length > ORPHANS_MAX) giveUp(orphans.reduce((least, each) => (each.here < least.here ? each : least)))
    return forgotten
  }

  /** How many pieces that are missing the peer has. */
  wants(peer: Peer): number {
    let wanted = 0
    for (let piece = 0; piece < this.have.size; piece++) if (peer.pieces.has(piece) && !this.have.has(piece)) wanted++
    return wanted
  }

  #begun(peer: Peer, now: number): OpenPiece | undefined {
    let orphan: OpenPiece | undefined
    for (const open of this.open.values()) {
      if (open.free === 0 || (open.owner !== peer && (open.owner !== undefined || orphan !== undefined))) continue
      if (!peer.gives(open.index, now)) continue
      if (open.owner === peer) return open
      orphan = open
    }
    if (orphan !== undefined) orphan.owner = peer
    return orphan
  }

  #begin(peer: Peer, peers: Peers, now: number): OpenPiece | undefined {
    let best: number | undefined
    let bestRank = Infinity
    let ties = 0
    for (let piece = 0; piece < this.have.size; piece++) {
      if (this.have.has(piece) || this.open.has(piece) || !peer.gives(piece, now)) continue
      const rank = this.#rank(piece)
      if (rank > bestRank) continue
      if (this.#blame.isContested(piece) && !Contested.mayOwn(peer, piece, peers, now)) continue
      ties = rank < bestRank ? 1 : ties + 1
      bestRank = rank
      if (this.#random() * ties < 1) best = piece
    }
    if (best === undefined) return undefined
    const isExclusive = this.#blame.isContested(best)
    const open = new OpenPiece(best, blocksOfPiece(this.geometry, best), { owner: peer, isExclusive, openedAt: now })
    this.open.set(best, open)
    return open
  }

  /** The lower the sooner. */
  #rank(piece: number): number {
    if (this.#blame.isContested(piece)) return -2
    return piece < this.#firstPieces ? -1 : this.#holders[piece]!
  }

  /** The piece of somebody else that has the most left to do. */
  #others(peer: Peer, now: number): OpenPiece | undefined {
    let most: OpenPiece | undefined
    for (const open of this.open.values()) {
      if (open.isExclusive || open.free <= (most?.free ?? 0) || !peer.gives(open.index, now)) continue
      most = open
    }
    return most
  }

  /** The end game: a block that is late, from the end of the longest queue, so that both ends meet in the middle. */
  #late(peer: Peer, peers: Peers, now: number): Pick | undefined {
    if (peer.orders.size >= END_GAME_ORDERS) return undefined
    let found: Pick | undefined
    let longest = 0
    for (const other of peers.values()) {
      if (other === peer || other.orders.size <= longest) continue
      const before = now - Math.max(LATE_MS, 2 * (other.pipeline.roundTripMs ?? 0))
      for (const [key, { askedAt, block, piece }] of other.orders) {
        const open = this.open.get(piece)
        if (open === undefined || open.isExclusive || open.isHere(block) || askedAt > before) continue
        if (peer.orders.has(key) || open.askers(block) >= END_GAME_ASKERS || !peer.gives(piece, now)) continue
        found = { open, block }
        longest = other.orders.size
      }
    }
    return found
  }
}
