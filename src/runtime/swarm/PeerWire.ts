/**
 * One peer connection as BitTorrent sees it (BEP 3): who chokes whom, who has what, which blocks are
 * on order either way. It has the shape that torrent-stream's engine expects of `peer-wire-protocol`,
 * which it replaces: that one buffers by a stranger's length prefix and keeps five requests in
 * flight whatever the round trip. Messages come in judged by `PeerWireGuard`; bytes leave by `send`.
 */
import { EventEmitter } from "node:events"
import { BLOCK_BYTES, type Message } from "./PeerWireGuard.ts"
import type { Block, Outlet } from "./PeerOutlet.ts"
import { RateMeter } from "./RateMeter.ts"
import { UploadQueue } from "./UploadQueue.ts"
import { head, Id } from "./WireFrame.ts"

/** What torrent-stream takes for a full pipeline (`MAX_REQUESTS` in its index.js). */
const ENGINE_MAX_REQUESTS = 5
/** Blocks on order from a peer that has not shown its speed. */
export const PIPELINE_MIN = 8
/** Most blocks on order from one peer: 2 MiB, 40 MB/s at a round trip of 50 ms. Within the 250 that clients queue. */
export const PIPELINE_MAX = 128
/** Blocks that nobody asked for before the peer is closed; a few come late, after a cancel. */
export const UNREQUESTED_MAX = 256

export type BlockCallback = (error: Error | null, block?: Buffer) => void

interface Order extends Block {
  readonly callback: BlockCallback
  readonly at: number
}

/** Offsets stay under 2^20, the longest piece. */
const keyOf = (index: number, offset: number): number => index * 2 ** 20 + offset

export class PeerWire extends EventEmitter {
  amChoking = true
  amInterested = false
  peerChoking = true
  peerInterested = false
  /** What the engine may ask this peer for: what it has, less what {@link isVisible} hides. */
  readonly peerPieces: Array<boolean> = []
  /** Metadata is exchanged outside the engine, which must not try on its own. */
  readonly peerExtensions = { extended: false }
  readonly peerAddress: string
  uploaded = 0
  downloaded = 0
  /** The engine compares with its own maximum, counts, and never looks inside. */
  readonly requests: { readonly length: number }
  /** Hides pieces from the engine. Asked whenever the peer tells that it has one. */
  isVisible: (index: number) => boolean = () => true
  /** A block that was asked for has come, before the engine sees it. */
  onBlock: (block: Block) => void = () => {}
  /** Time of the last block that came, or of the connection's start, in ms. */
  lastBlockAt: number

  readonly #outlet: Outlet
  readonly #has: Array<boolean> = []
  readonly #orders = new Map<number, Order>()
  readonly #uploads: UploadQueue
  readonly #down: RateMeter
  readonly #up: RateMeter
  #unrequested = 0
  #closed = false
  #timeoutMs = Infinity
  #restUntil = 0

  constructor(peerAddress: string, outlet: Outlet) {
    super()
    this.peerAddress = peerAddress
    this.#outlet = outlet
    this.#down = new RateMeter(outlet.now)
    this.#up = new RateMeter(outlet.now)
    this.lastBlockAt = outlet.now()
    this.#uploads = new UploadQueue(
      outlet,
      ({ index, offset, length }, respond) => void this.emit("request", index, offset, length, respond),
      (block, bytes) => this.#sendBlock(block, bytes)
    )
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
    return [...other.#orders.values()].some(({ index }) => this.peerPieces[index] === true)
  }

  get resting(): boolean {
    return this.#restUntil > 0
  }

  /** The pipeline holds what the peer sends in about a second, so that a long round trip does not starve it. */
  get #lengthForEngine(): number {
    const depth = Math.min(PIPELINE_MAX, PIPELINE_MIN + Math.floor(this.#down.perSecond() / BLOCK_BYTES))
    return this.resting || this.#orders.size >= depth
      ? ENGINE_MAX_REQUESTS
      : Math.min(this.#orders.size, ENGINE_MAX_REQUESTS - 1)
  }

  downloadSpeed(): number {
    return this.#down.perSecond()
  }

  uploadSpeed(): number {
    return this.#up.perSecond()
  }

  has(index: number): boolean {
    return this.#has[index] === true
  }

  // What we say.

  choke(): void {
    if (this.amChoking) return
    this.amChoking = true
    this.#uploads.clear()
    this.#outlet.send(head(Id.choke, []))
  }

  unchoke(): void {
    if (!this.amChoking) return
    this.amChoking = false
    this.#outlet.send(head(Id.unchoke, []))
  }

  interested(): void {
    if (this.amInterested) return
    this.amInterested = true
    this.#outlet.send(head(Id.interested, []))
  }

  uninterested(): void {
    if (!this.amInterested) return
    this.amInterested = false
    this.#outlet.send(head(Id.uninterested, []))
  }

  have(index: number): void {
    this.#outlet.send(head(Id.have, [index]))
  }

  /** An empty bitfield is left out, as BEP 3 allows: by then it may be too late to send one first. */
  bitfield(field: { readonly buffer: Uint8Array }): void {
    if (field.buffer.every((byte) => byte === 0)) return
    this.#outlet.send(head(Id.bitfield, [], field.buffer.length), field.buffer)
  }

  /** Where our DHT node listens (BEP 5). */
  port(port: number): void {
    this.#outlet.send(head(Id.port, [], 2), Uint8Array.of(port >> 8, port & 0xff))
  }

  extended(id: number, payload: Uint8Array): void {
    this.#outlet.send(head(Id.extended, [], 1 + payload.length), Uint8Array.of(id), payload)
  }

  /** Orders a block. The callback runs once: with the block, or when the peer chokes, stalls or leaves. */
  request(index: number, offset: number, length: number, callback: BlockCallback): void {
    if (this.#closed || this.peerChoking) {
      process.nextTick(callback, new Error("the peer does not serve"))
      return
    }
    this.#orders.set(keyOf(index, offset), { index, offset, length, callback, at: this.#outlet.now() })
    this.#outlet.send(head(Id.request, [index, offset, length]))
  }

  /** Takes back every order, so that the engine gives them to others, and takes none until `until` (ms). */
  rest(until: number): void {
    this.#restUntil = until
    for (const { index, offset, length } of this.#orders.values())
      this.#outlet.send(head(Id.cancel, [index, offset, length]))
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
    if (this.waitedMs(now) > this.#timeoutMs) this.emit("timeout")
  }

  /** For how long blocks are owed and none has come, in ms; 0 when none is owed. */
  waitedMs(now: number): number {
    const oldest = this.#orders.values().next().value
    return oldest === undefined ? 0 : now - Math.max(oldest.at, this.lastBlockAt)
  }

  destroy(): void {
    if (this.#closed) return
    this.#closed = true
    this.#outlet.close()
    this.#uploads.clear()
    this.emit("close")
    this.#dropOrders("the connection is closed")
  }

  /** Bytes have left: more requests can be served. */
  drained(): void {
    this.#uploads.serve()
  }

  // What the peer says.

  receive(message: Message): void {
    if (this.#closed) return
    switch (message._tag) {
      case "Choke":
        if (this.peerChoking) return
        this.peerChoking = true
        this.emit("choke")
        return this.#dropOrders("the peer chokes")
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
        for (let i = 0; i < message.bytes.length * 8; i++) {
          if ((message.bytes[i >> 3]! & (0x80 >> (i & 7))) !== 0) this.#learn(i)
        }
        return void this.emit("bitfield")
      case "Request":
        return this.amChoking ? undefined : this.#uploads.push(message)
      case "Cancel":
        return this.#uploads.cancel(message)
      case "Piece":
        return this.#onPiece(message.index, message.offset, message.block)
      case "Port":
      case "Extended":
        return
    }
  }

  /** Shows or hides a piece again after {@link isVisible} has changed its mind. */
  refresh(index: number): void {
    const visible = this.has(index) && this.isVisible(index)
    if (visible === (this.peerPieces[index] === true)) return
    this.peerPieces[index] = visible
    if (visible) this.emit("have", index)
  }

  #learn(index: number): void {
    this.#has[index] = true
    this.peerPieces[index] = this.isVisible(index)
  }

  #sendBlock({ index, offset }: Block, bytes: Uint8Array): void {
    if (this.#closed || this.amChoking) return
    this.uploaded += bytes.length
    this.#up.add(bytes.length)
    this.#outlet.send(head(Id.piece, [index, offset], bytes.length), bytes)
    this.emit("upload", bytes.length)
  }

  #onPiece(index: number, offset: number, block: Uint8Array): void {
    const key = keyOf(index, offset)
    const order = this.#orders.get(key)
    if (order === undefined || order.length !== block.length) {
      if (++this.#unrequested > UNREQUESTED_MAX) this.#outlet.fault("blocks that nobody asked for")
      return
    }
    this.#orders.delete(key)
    this.lastBlockAt = this.#outlet.now()
    this.downloaded += block.length
    this.#down.add(block.length)
    this.emit("download", block.length)
    this.onBlock(order)
    order.callback(null, Buffer.from(block.buffer, block.byteOffset, block.byteLength))
  }

  #dropOrders(why: string): void {
    const orders = [...this.#orders.values()]
    this.#orders.clear()
    // What is on its way still comes.
    this.#unrequested -= orders.length
    for (const order of orders) order.callback(new Error(why))
  }
}
