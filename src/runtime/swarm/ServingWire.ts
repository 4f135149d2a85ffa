/**
 * The half of a peer connection on which we give (BEP 3, 6): what we say that we have, whom we choke, and the blocks that
 * the peer asks for. Where both sides speak the fast extension every request is answered, with the block or a refusal.
 */
import { EventEmitter } from "node:events"
import type { Block, Outlet } from "./PeerOutlet.ts"
import { PieceSet, piecesOf } from "./PieceSet.ts"
import { RateMeter } from "./RateMeter.ts"
import { UploadQueue } from "./UploadQueue.ts"
import { head, Id } from "./WireFrame.ts"

/** Events: `request` (index, offset, length, respond), `upload` (bytes). */
export class ServingWire extends EventEmitter {
  amChoking = true
  uploaded = 0
  /** Whether both sides speak the fast extension (BEP 6). */
  readonly isFast: boolean
  protected readonly outlet: Outlet
  protected readonly uploads: UploadQueue
  /** How many pieces the torrent has, once that is known. */
  protected pieceCount: number | undefined
  /** What we have, as we have said; `undefined` until we have said anything. */
  #ours: PieceSet | undefined
  readonly #allowedFast = new Set<number>()
  readonly #up: RateMeter

  constructor(outlet: Outlet, isFast: boolean) {
    super()
    this.outlet = outlet
    this.isFast = isFast
    this.#up = new RateMeter(outlet.now)
    this.uploads = new UploadQueue(outlet, {
      mayServe: ({ index }) => this.#mayServe(index),
      read: ({ index, offset, length }, respond) => void this.emit("request", index, offset, length, respond),
      send: (block, bytes) => this.#sendBlock(block, bytes),
      refuse: (block) => this.#refuse(block),
      onUnreadable: (block) => (isFast ? this.#refuse(block) : outlet.close())
    })
  }

  uploadSpeed(): number {
    return this.#up.perSecond()
  }

  /** Bytes have left: more requests can be served. */
  drained(): void {
    this.uploads.serve()
  }

  choke(): void {
    if (this.amChoking) return
    this.amChoking = true
    this.outlet.send(head(Id.choke, []))
    this.uploads.review()
  }

  unchoke(): void {
    if (!this.amChoking) return
    this.amChoking = false
    this.outlet.send(head(Id.unchoke, []))
  }

  have(index: number): void {
    this.#say().add(index)
    this.outlet.send(head(Id.have, [index]))
  }

  /** Says which pieces we have: as have all or have none where the peer knows them, as single pieces where it is late. */
  bitfield(field: { readonly buffer: Uint8Array }): void {
    const pieces = piecesOf(field.buffer)
    if (this.#ours !== undefined) return void pieces.forEach((index) => this.#ours?.has(index) || this.have(index))
    if (this.isFast && pieces.length === this.pieceCount) return this.haveAll()
    if (this.isFast && pieces.length === 0) return this.haveNone()
    for (const index of pieces) this.#say().add(index)
    // BEP 3: an empty bitfield may be left out, and later it is too late for one.
    if (pieces.length > 0) this.outlet.send(head(Id.bitfield, [], field.buffer.length), field.buffer)
  }

  /** Only where {@link isFast}, and before any other message about pieces. */
  haveAll(): void {
    this.#say().addAll()
    this.outlet.send(head(Id.haveAll, []))
  }

  /** As {@link haveAll}. */
  haveNone(): void {
    this.#say()
    this.outlet.send(head(Id.haveNone, []))
  }

  /** Where nothing has been said of our pieces: BEP 6 wants that said first. */
  open(): void {
    if (this.isFast && this.#ours === undefined) this.haveNone()
  }

  /** Only where {@link isFast}: the peer should ask for this piece, which we have at hand. */
  suggest(index: number): void {
    if (this.isFast) this.outlet.send(head(Id.suggest, [index]))
  }

  /** Only where {@link isFast}: the peer gets this piece even while it is choked. */
  allowedFast(index: number): void {
    if (!this.isFast) return
    this.#allowedFast.add(index)
    this.outlet.send(head(Id.allowedFast, [index]))
  }

  /** Where our DHT node listens (BEP 5). */
  port(port: number): void {
    this.outlet.send(head(Id.port, [], 2), Uint8Array.of(port >> 8, port & 0xff))
  }

  extended(id: number, payload: Uint8Array): void {
    this.outlet.send(head(Id.extended, [], 1 + payload.length), Uint8Array.of(id), payload)
  }

  #say(): PieceSet {
    return (this.#ours ??= new PieceSet())
  }

  /** Whoever never said what it has (an owner who leaves that to its `request` listener) is taken to have everything. */
  #mayServe(index: number): boolean {
    return (!this.amChoking || this.#allowedFast.has(index)) && (this.#ours === undefined || this.#ours.has(index))
  }

  #refuse({ index, length, offset }: Block): void {
    if (this.isFast) this.outlet.send(head(Id.reject, [index, offset, length]))
  }

  #sendBlock({ index, offset }: Block, bytes: Uint8Array): void {
    this.uploaded += bytes.length
    this.#up.add(bytes.length)
    this.outlet.send(head(Id.piece, [index, offset], bytes.length), bytes)
    this.emit("upload", bytes.length)
  }
}
