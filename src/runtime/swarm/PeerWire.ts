/**
 * One peer connection as BitTorrent sees it (BEP 3, 6): who chokes whom, who has what, which blocks are
 * on order either way. It has the shape that torrent-stream's engine expects of `peer-wire-protocol`,
 * which it replaces: that one buffers by a stranger's length prefix and keeps five requests in
 * flight whatever the round trip. Messages come in judged by `PeerWireGuard`; bytes leave by `send`.
 */
import { ChokePace } from "./ChokePace.ts"
import { BLOCK_BYTES, type Message } from "./PeerWireGuard.ts"
import { type BlockCallback, type Order, PeerOrders } from "./PeerOrders.ts"
import type { Block, Outlet } from "./PeerOutlet.ts"
import { fullBitfield, PieceSet, piecesOf } from "./PieceSet.ts"
import { RateMeter } from "./RateMeter.ts"
import { ServingWire } from "./ServingWire.ts"
import { head, Id } from "./WireFrame.ts"

export type { BlockCallback } from "./PeerOrders.ts"

/** What torrent-stream takes for a full pipeline (`MAX_REQUESTS` in its index.js). */
const ENGINE_MAX_REQUESTS = 5
/** Blocks on order from a peer that has not shown its speed. */
export const PIPELINE_MIN = 8
/** Most blocks on order from one peer: 2 MiB, 40 MB/s at a round trip of 50 ms. Within the 250 that clients queue. */
export const PIPELINE_MAX = 128
/** Answers that nobody asked for before the peer is closed; a few come late, after a cancel. */
export const UNREQUESTED_MAX = 256
/** How long the engine is not shown a piece that the peer refused although it does not choke, in ms. */
export const REFUSED_REST_MS = 10_000

/** Events: `choke`, `unchoke`, `interested`, `uninterested`; `have` (index), `bitfield` (bytes; also once it is known
 * what `haveAll` means), `haveAll`, `haveNone`, `suggest` and `allowedFast` (index), `reject` (index, offset, length;
 * of a block that was on order); `request` (index, offset, length, respond); `queue` (requests); `download` and `upload` (bytes), `close`. */
export class PeerWire extends ServingWire {
  amInterested = false
  peerChoking = true
  peerInterested = false
  /** What the engine may ask this peer for: what it has, less what {@link isVisible} hides. */
  readonly peerPieces: Array<boolean> = []
  /** Pieces that the peer gives although it chokes (BEP 6). */
  readonly peerAllowedFast = new Set<number>()
  /** Metadata is exchanged outside the engine, which must not try on its own. */
  readonly peerExtensions = { extended: false }
  readonly peerAddress: string
  /** Requests that the peer queues (`reqq` of BEP 10), where it says so. */
  peerQueue = Infinity
  downloaded = 0
  /** The engine compares with its own maximum, counts, and never looks inside. */
  readonly requests: { readonly length: number }
  /** Hides pieces from the engine. Asked whenever the peer tells that it has one. */
  isVisible: (index: number) => boolean = () => true
  /** A block that was asked for has come, before the engine sees it. */
  onBlock: (block: Block) => void = () => {}
  /** Time of the last block that came, or of the connection's start, in ms. */
  lastBlockAt: number

  readonly #theirs = new PieceSet()
  readonly #refused = new Map<number, number>()
  readonly #orders = new PeerOrders()
  readonly #chokes = new ChokePace()
  readonly #down: RateMeter
  #unrequested = 0
  #closed = false
  #timeoutMs = Infinity
  #restUntil = 0

  constructor(peerAddress: string, outlet: Outlet, { fast = false }: { readonly fast?: boolean } = {}) {
    super(outlet, fast)
    this.peerAddress = peerAddress
    this.#down = new RateMeter(outlet.now)
    this.lastBlockAt = outlet.now()
    const length = () => this.#lengthForEngine
    this.requests = {
      get length() {
        return length()
      }
    }
  }

  /** Blocks on order from this peer. */
  get ordered(): number {
    return this.#orders.size
  }

  /** Whether this peer could send some of the blocks that `other` owes. */
  couldHelp(other: PeerWire): boolean {
    if (this.#orders.size > 0 || this.resting || this.peerChoking || this.downloaded === 0) return false
    return other.#orders.all.some(({ index }) => this.peerPieces[index] === true)
  }

  get resting(): boolean {
    return this.#restUntil > 0
  }

  /** The pipeline holds what the peer sends in about a second, so that a long round trip does not starve it. */
  get #lengthForEngine(): number {
    const wanted = PIPELINE_MIN + Math.floor(this.#down.perSecond() / BLOCK_BYTES)
    const depth = Math.min(PIPELINE_MAX, this.peerQueue, wanted)
    return this.resting || this.#orders.size >= depth
      ? ENGINE_MAX_REQUESTS
      : Math.min(this.#orders.size, ENGINE_MAX_REQUESTS - 1)
  }

  downloadSpeed(): number {
    return this.#down.perSecond()
  }

  /** Whether the peer has said that it has the piece. */
  has(index: number): boolean {
    return this.#theirs.has(index)
  }

  /** Tells how many requests the peer queues (`reqq` of BEP 10). */
  setPeerQueue(requests: number): void {
    this.peerQueue = requests
    this.emit("queue", requests)
  }

  /** Tells how many pieces the torrent has, once that is known. */
  fit(pieceCount: number): void {
    if (this.pieceCount !== undefined) return
    this.pieceCount = pieceCount
    if (this.#theirs.isAll) this.#learnAll(pieceCount)
  }

  // What we say.

  interested(): void {
    if (this.amInterested) return
    this.amInterested = true
    this.outlet.send(head(Id.interested, []))
  }

  uninterested(): void {
    if (!this.amInterested) return
    this.amInterested = false
    this.outlet.send(head(Id.uninterested, []))
  }

  /** Orders a block. The callback runs once: with the block, or when the peer refuses, chokes, stalls or leaves. */
  request(index: number, offset: number, length: number, callback: BlockCallback): void {
    if (this.#closed || (this.peerChoking && !this.peerAllowedFast.has(index))) {
      process.nextTick(callback, new Error("the peer does not serve"))
      return
    }
    this.#orders.add({ index, offset, length, callback, at: this.outlet.now() })
    this.outlet.send(head(Id.request, [index, offset, length]))
  }

  /** Takes an order back. It may still be served; its callback runs now. */
  cancel(index: number, offset: number, length: number): void {
    const order = this.#orders.take({ index, offset, length })
    if (order === undefined) return
    this.#unrequested--
    this.outlet.send(head(Id.cancel, [index, offset, length]))
    order.callback(new Error("cancelled"))
  }

  /** Takes back every order, so that the engine gives them to others, and takes none until `until` (ms). */
  rest(until: number): void {
    this.#restUntil = until
    for (const { index, offset, length } of this.#orders.all) this.outlet.send(head(Id.cancel, [index, offset, length]))
    this.#dropOrders("taken back")
  }

  setTimeout(ms: number, onTimeout: () => void): void {
    this.#timeoutMs = ms
    this.on("timeout", onTimeout)
  }

  /** To be called now and then: a peer that owes blocks and sends none has timed out; a rest ends. */
  tick(now: number): void {
    if (this.#restUntil > 0 && now >= this.#restUntil) {
      this.#restUntil = 0
      // The engine looks for work when a peer unchokes.
      if (!this.peerChoking) this.emit("unchoke")
    }
    for (const [index, until] of this.#refused) {
      if (now < until) continue
      this.#refused.delete(index)
      this.refresh(index)
    }
    if (this.waitedMs(now) > this.#timeoutMs) this.emit("timeout")
  }

  /** For how long blocks are owed and none has come, in ms; 0 when none is owed. */
  waitedMs(now: number): number {
    const { oldest } = this.#orders
    return oldest === undefined ? 0 : now - Math.max(oldest.at, this.lastBlockAt)
  }

  destroy(): void {
    if (this.#closed) return
    this.#closed = true
    this.outlet.close()
    this.uploads.clear()
    this.emit("close")
    this.#dropOrders("the connection is closed")
  }

  // What the peer says.

  receive(message: Message): void {
    if (this.#closed) return
    switch (message._tag) {
      case "Choke":
        return this.#onChoke()
      case "Unchoke":
        if (!this.peerChoking) return
        this.peerChoking = false
        return void this.emit("unchoke")
      case "Interested":
        this.peerInterested = true
        return void this.emit("interested")
      case "Uninterested":
        this.peerInterested = false
        return void this.emit("uninterested")
      case "Have":
        if (this.has(message.index)) return
        this.#learn(message.index)
        return void this.emit("have", message.index)
      case "Bitfield":
        for (const index of piecesOf(message.bytes)) this.#learn(index)
        return void this.emit("bitfield", message.bytes)
      case "HaveAll":
        // Five bytes that cost as much as there are pieces: once is enough.
        if (this.#theirs.isAll) return
        this.#theirs.addAll()
        this.emit("haveAll")
        return this.pieceCount === undefined ? undefined : this.#learnAll(this.pieceCount)
      case "HaveNone":
        return void this.emit("haveNone")
      case "Suggest":
        return void this.emit("suggest", message.index)
      case "AllowedFast":
        this.peerAllowedFast.add(message.index)
        return void this.emit("allowedFast", message.index)
      case "Reject":
        return this.#onReject(message)
      case "Request":
        return this.uploads.push(message)
      case "Cancel":
        return this.uploads.cancel(message)
      case "Piece":
        return this.#onPiece(message.index, message.offset, message.block)
      case "Port":
      case "Extended":
        return
    }
  }

  /** Shows or hides a piece again after {@link isVisible} has changed its mind. */
  refresh(index: number): void {
    const visible = this.has(index) && this.#isShown(index)
    if (visible === (this.peerPieces[index] === true)) return
    this.peerPieces[index] = visible
    if (visible) this.emit("have", index)
  }

  #isShown(index: number): boolean {
    return !this.#refused.has(index) && this.isVisible(index)
  }

  #learn(index: number): void {
    this.#theirs.add(index)
    this.peerPieces[index] = this.#isShown(index)
  }

  #learnAll(count: number): void {
    for (let index = 0; index < count; index++) this.#learn(index)
    this.emit("bitfield", fullBitfield(count))
  }

  #onChoke(): void {
    if (this.peerChoking) return
    if (this.#chokes.isTooMuch(this.outlet.now())) return this.outlet.fault("chokes and unchokes without end")
    this.peerChoking = true
    this.emit("choke")
    // BEP 6: a choke refuses nothing by itself; a refusal follows for each.
    if (!this.isFast) this.#dropOrders("the peer chokes")
  }

  /** The order that an answer is for. Answers without one are counted: a peer may not send what nobody asked for. */
  #answered(block: Block): Order | undefined {
    const order = this.#orders.take(block)
    if (order === undefined && ++this.#unrequested > UNREQUESTED_MAX) {
      this.outlet.fault("blocks that nobody asked for")
    }
    return order
  }

  #onReject({ index, length, offset }: Block): void {
    const order = this.#answered({ index, offset, length })
    if (order === undefined) return
    if (!this.peerChoking) {
      // It does not have it after all: torrent-stream would ask for the same again at once, and for ever.
      this.#refused.set(index, this.outlet.now() + REFUSED_REST_MS)
      this.refresh(index)
    }
    this.emit("reject", index, offset, length)
    order.callback(new Error("the peer refuses"))
  }

  #onPiece(index: number, offset: number, block: Uint8Array): void {
    const order = this.#answered({ index, offset, length: block.length })
    if (order === undefined) return
    this.lastBlockAt = this.outlet.now()
    this.downloaded += block.length
    this.#down.add(block.length)
    this.emit("download", block.length)
    this.onBlock(order)
    order.callback(null, Buffer.from(block.buffer, block.byteOffset, block.byteLength))
  }

  #dropOrders(why: string): void {
    // What is on its way still comes.
    this.#unrequested -= this.#orders.size
    this.#orders.drop(why)
  }
}
