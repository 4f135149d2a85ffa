/**
 * The engine of one download: what to ask of whom (BEP 3, 6). A state machine without I/O: events go
 * in, commands come out, the time is told with each event. It sees no bytes; blocks stand in it as
 * numbers, and whether a piece is true is told to it.
 *
 * What it keeps to: a missing block is asked for until it is there; of two peers at a time only in the
 * end game; of a peer no more at a time than its pipeline holds; of a banned peer never again. What it
 * holds of begun pieces is bounded by what is on order.
 */
import { Bitfield } from "./Bitfield.ts"
import { Blame } from "./Blame.ts"
import * as Contested from "./Contested.ts"
import type { Command, Event } from "./EngineEvent.ts"
import { BLOCK_BYTES, type Geometry, piecesOf } from "./Geometry.ts"
import type { OpenPiece } from "./OpenPiece.ts"
import { Orders } from "./Orders.ts"
import { Peer } from "./Peer.ts"
import { Picker } from "./Picker.ts"
import { isFickle, judge, REST_MS } from "./Stalls.ts"

export type { Command, Event } from "./EngineEvent.ts"

/** For how long a peer is not asked for a piece after it has refused a block of it, in ms. */
const REFUSAL_MS = 10_000

export interface Options {
  readonly geometry: Geometry
  /** Pieces that are there already. */
  readonly have?: Bitfield | undefined
  /** Bytes at the beginning to fetch before all else: the small file. */
  readonly firstBytes: number
  /** For how long a peer may owe blocks without sending one. */
  readonly timeoutMs: number
  /** At least 0, less than 1. */
  readonly random: () => number
}

export class Engine {
  readonly #geometry: Geometry
  readonly #timeoutMs: number
  readonly #picker: Picker
  readonly #orders: Orders
  readonly #blame = new Blame<number>()
  readonly #peers = new Map<number, Peer>()
  #commands: Array<Command> = []

  constructor({ firstBytes, geometry, have, random, timeoutMs }: Options) {
    this.#geometry = geometry
    this.#timeoutMs = timeoutMs
    this.#picker = new Picker({
      geometry,
      have: have ?? new Bitfield(geometry.pieceCount),
      firstPieces: piecesOf(geometry, 0, firstBytes).to,
      blame: this.#blame,
      random
    })
    this.#orders = new Orders(geometry, this.#picker, (command) => void this.#commands.push(command))
  }

  /** Pieces that are there. Not to be changed. */
  get have(): Bitfield {
    return this.#picker.have
  }

  /** Whether the prints of a piece are wanted with `Verified`. */
  isContested(piece: number): boolean {
    return this.#blame.isContested(piece)
  }

  /** Pieces of which blocks are held or on order. */
  get openPieces(): number {
    return this.#picker.open.size
  }

  /** Takes an event in; gives what is to be done, in order. `now` in ms, never less than before. */
  step(event: Event, now: number): ReadonlyArray<Command> {
    const commands: Array<Command> = []
    this.#commands = commands
    switch (event._tag) {
      case "Joined":
        this.#peers.set(event.peer, new Peer(event.peer, this.#geometry.pieceCount, event.isFast))
        break
      case "Verified":
        this.#onVerified(event.piece, event.prints ?? [], now)
        break
      case "Failed":
        this.#onFailed(event.piece, event.prints, now)
        break
      case "Resumed":
        for (const peer of this.#peers.values()) peer.owesSince = now
        break
      case "Tick":
        this.#onTick(now)
        break
      default: {
        const peer = this.#peers.get(event.peer)
        if (peer !== undefined) this.#onPeer(peer, event, now)
      }
    }
    return commands
  }

  #onPeer(peer: Peer, event: Extract<Event, { readonly peer: number }>, now: number): void {
    switch (event._tag) {
      case "Left":
        this.#remove(peer)
        return this.#fillAll(now)
      case "Choked":
        peer.isChoking = true
        if (peer.orders.size > 0) peer.chokes++
        if (peer.isFast) return
        this.#takeBack(peer, false)
        return this.#fillAll(now)
      case "Unchoked":
        peer.isChoking = false
        peer.refused.clear()
        if (isFickle(peer)) peer.restUntil = now + REST_MS
        return this.#fill(peer, now)
      case "HasAll":
        return peer.pieces.isFull ? undefined : this.#learn(peer, Bitfield.full(this.#geometry.pieceCount), now)
      case "Has":
        return this.#learn(peer, Bitfield.from(event.pieces, this.#geometry.pieceCount), now)
      case "Have":
        return this.#onHave(peer, event.piece, now)
      case "AllowedFast":
        if (event.piece >= this.#geometry.pieceCount || peer.allowed.has(event.piece)) return
        peer.allowed.add(event.piece)
        return this.#fill(peer, now)
      case "Queues":
        return peer.pipeline.setLimit(event.requests)
      case "Block":
        return this.#onBlock(peer, event.piece, Math.floor(event.offset / BLOCK_BYTES), now)
      case "Rejected":
        return this.#onRejected(peer, event.piece, Math.floor(event.offset / BLOCK_BYTES), now)
    }
  }

  #learn(peer: Peer, pieces: Bitfield, now: number): void {
    const before = peer.pieces.count
    for (let piece = 0; piece < pieces.size; piece++) {
      if (pieces.has(piece) && peer.pieces.add(piece)) this.#picker.count(piece, 1)
    }
    if (peer.pieces.count === before) return
    peer.wanted = this.#picker.wants(peer)
    this.#showInterest(peer)
    this.#fill(peer, now)
  }

  #onHave(peer: Peer, piece: number, now: number): void {
    if (!peer.pieces.add(piece)) return
    this.#picker.count(piece, 1)
    if (this.have.has(piece)) return
    peer.wanted++
    this.#showInterest(peer)
    this.#fill(peer, now)
  }

  #showInterest(peer: Peer): void {
    // With the last piece the connections end: one message less for each.
    if (peer.isInteresting === peer.wanted > 0 || this.have.isFull) return
    peer.isInteresting = peer.wanted > 0
    this.#commands.push({ _tag: peer.isInteresting ? "Interested" : "Uninterested", peer: peer.id })
  }

  #onBlock(peer: Peer, piece: number, block: number, now: number): void {
    const order = this.#orders.find(peer, piece, block)
    if (order === undefined) return
    peer.pipeline.onBlock(now - order.askedAt, peer.orders.size)
    this.#orders.settle(peer, piece, block)
    peer.owesSince = now
    peer.rests = 0
    peer.chokes = 0
    peer.delivered++
    const open = this.#picker.open.get(piece)
    if (open !== undefined) this.#receive(open, block, peer, now)
    if (peer.orders.size < peer.pipeline.enough) this.#fill(peer, now)
  }

  #receive(open: OpenPiece, block: number, from: Peer, now: number): void {
    const wasShared = open.askers(block) > 1
    if (!open.receive(block, from.id)) return
    this.#commands.push({ _tag: "Keep", piece: open.index, offset: block * BLOCK_BYTES })
    if (open.missing === 0) this.#commands.push({ _tag: "Check", piece: open.index })
    if (!wasShared) return
    for (const other of this.#peers.values()) {
      if (this.#orders.cancel(other, open.index, block)) this.#fill(other, now)
    }
  }

  #onRejected(peer: Peer, piece: number, block: number, now: number): void {
    if (!this.#orders.settle(peer, piece, block)) return
    // While it chokes a reject only says so (BEP 6).
    if (!peer.isChoking) peer.refused.set(piece, now + REFUSAL_MS)
    const open = this.#picker.open.get(piece)
    open?.release(block)
    if (open !== undefined && open.owner === peer) {
      this.#release(peer, open)
    }
    this.#fillAll(now)
  }

  #onVerified(piece: number, prints: ReadonlyArray<string>, now: number): void {
    const senders = this.#picker.open.get(piece)?.senders ?? []
    this.#picker.open.delete(piece)
    if (!this.have.add(piece)) return
    for (const sender of senders) {
      const peer = sender === undefined ? undefined : this.#peers.get(sender)
      if (peer !== undefined) peer.proven++
    }
    for (const peer of this.#peers.values()) {
      if (!peer.pieces.has(piece)) continue
      peer.wanted--
      this.#showInterest(peer)
    }
    if (this.#blame.isContested(piece)) this.#ban(this.#blame.onVerified(piece, prints), now)
  }

  #onFailed(piece: number, prints: ReadonlyArray<string>, now: number): void {
    const open = this.#picker.open.get(piece)
    if (open === undefined) return
    this.#picker.open.delete(piece)
    this.#ban(this.#blame.onFailed(piece, open.senders, prints), now)
    this.#fillAll(now)
  }

  #ban(liars: ReadonlyArray<number>, now: number): void {
    for (const id of liars) {
      this.#commands.push({ _tag: "Ban", peer: id })
      const peer = this.#peers.get(id)
      if (peer !== undefined) this.#remove(peer)
      // What else it sent would have more pieces fail.
      for (const open of this.#picker.open.values()) if (open.missing > 0) open.dropFrom(id)
    }
    if (liars.length > 0) this.#fillAll(now)
  }

  #onTick(now: number): void {
    const peers = [...this.#peers.values()]
    for (const peer of peers) {
      const verdict = judge(peer, peers, now, this.#timeoutMs)
      if (verdict === "replace") {
        this.#commands.push({ _tag: "Replace", peer: peer.id })
        this.#remove(peer)
      } else if (verdict === "rest") {
        this.#takeBack(peer, true)
        peer.restUntil = now + REST_MS
        peer.rests++
        peer.pipeline.restart()
      }
    }
    for (const open of this.#picker.open.values()) {
      if (!Contested.isOverdue(open, this.#peers, now)) continue
      const owner = open.owner!
      owner.missed++
      this.#release(owner, open)
    }
    this.#fillAll(now)
  }

  #remove(peer: Peer): void {
    this.#peers.delete(peer.id)
    this.#takeBack(peer, false)
    for (let piece = 0; piece < peer.pieces.size; piece++) if (peer.pieces.has(piece)) this.#picker.count(piece, -1)
  }

  /** The owner does not go on with the piece. */
  #release(owner: Peer, open: OpenPiece): void {
    if (open.isExclusive) this.#orders.takeBack(owner, { isTold: true, of: open })
    this.#forget(this.#picker.orphan(open))
  }

  /** Others may do what the peer was to do. */
  #takeBack(peer: Peer, isTold: boolean): void {
    this.#orders.takeBack(peer, { isTold })
    this.#forget(this.#picker.disown(peer))
  }

  #forget(pieces: ReadonlyArray<number>): void {
    for (const piece of pieces) this.#commands.push({ _tag: "Forget", piece })
  }

  /** Those who have shown the most first: what has become free is not to go to the next one who stalls. */
  #fillAll(now: number): void {
    const peers = [...this.#peers.values()].filter((peer) => peer.hasRoom && peer.isReady(now))
    for (const peer of peers.toSorted((a, b) => b.delivered - a.delivered)) this.#fill(peer, now)
  }

  #fill(peer: Peer, now: number): void {
    if (!peer.isReady(now) || peer.wanted === 0) return
    while (this.#orders.hasRoom(peer)) {
      const pick = this.#picker.pick(peer, this.#peers, now)
      if (pick === undefined) return
      this.#orders.ask(peer, pick.open, pick.block, now)
    }
  }
}
