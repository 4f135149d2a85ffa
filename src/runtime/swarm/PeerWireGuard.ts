/**
 * Reads the messages of a peer (BEP 3, 5, 6, 10) from a stream of bytes and believes nothing: every
 * length is checked before a byte is buffered for it, every index against the torrent. It is pure
 * and incremental; how the bytes were cut into chunks never changes what comes out.
 *
 * What breaks a rule is a {@link Problem}, after which nothing more is read: the caller closes.
 */
import { PIECE_LENGTH_MAX, TORRENT_MAX_BYTES } from "../../protocol/swarm/Torrent.ts"
import { Id } from "./WireFrame.ts"

/** BEP 3: requests are for 2^14 bytes, and connections that ask for more are closed. */
export const BLOCK_BYTES = 16 * 1024
/** A piece of metadata (BEP 9) with room for the dictionary before it; an extension handshake is far shorter. */
export const EXTENDED_MAX_BYTES = BLOCK_BYTES + 1024
/** Longest message by its length prefix: type, extension id and the payload. */
export const MESSAGE_MAX_BYTES = 2 + EXTENDED_MAX_BYTES
/** Pieces of the largest torrent of a release: bounds indexes while the torrent is unknown. */
export const PIECES_MAX = Math.ceil(TORRENT_MAX_BYTES / PIECE_LENGTH_MAX)

/** What of a torrent decides whether an index, an offset or a bitfield can be meant. Lengths in bytes. */
export interface Shape {
  readonly pieceCount: number
  readonly pieceLength: number
  readonly totalLength: number
}

export type Message =
  | { readonly _tag: "Choke" | "Unchoke" | "Interested" | "Uninterested" }
  | { readonly _tag: "Have"; readonly index: number }
  /** BEP 6, and only where both sides speak it. */
  | { readonly _tag: "HaveAll" | "HaveNone" }
  | { readonly _tag: "Suggest" | "AllowedFast"; readonly index: number }
  | { readonly _tag: "Reject"; readonly index: number; readonly offset: number; readonly length: number }
  | { readonly _tag: "Bitfield"; readonly bytes: Uint8Array }
  | { readonly _tag: "Request" | "Cancel"; readonly index: number; readonly offset: number; readonly length: number }
  | { readonly _tag: "Piece"; readonly index: number; readonly offset: number; readonly block: Uint8Array }
  /** UDP port of the peer's DHT node (BEP 5). */
  | { readonly _tag: "Port"; readonly port: number }
  | { readonly _tag: "Extended"; readonly id: number; readonly payload: Uint8Array }

export type Problem =
  | "message too long"
  | "message of a wrong length"
  | "index out of range"
  | "block out of range"
  | "bitfield of a wrong length"
  | "bitfield with spare bits set"
  | "have none not first"
  | "message of an extension that was not agreed on"

/** What a chunk brought. The messages stand before the problem and may be acted on. */
export interface Verdict {
  readonly messages: ReadonlyArray<Message>
  readonly problem: Problem | undefined
}

/** Bytes that a message may have behind its id, least and most; `undefined` for ids that are not known. */
const bodyLimits = (id: number): readonly [number, number] | undefined => {
  switch (id) {
    case Id.choke:
    case Id.unchoke:
    case Id.interested:
    case Id.uninterested:
    case Id.haveAll:
    case Id.haveNone:
      return [0, 0]
    case Id.have:
    case Id.suggest:
    case Id.allowedFast:
      return [4, 4]
    case Id.bitfield:
      return [1, Math.ceil(PIECES_MAX / 8)]
    case Id.request:
    case Id.cancel:
    case Id.reject:
      return [12, 12]
    case Id.piece:
      return [9, 8 + BLOCK_BYTES]
    case Id.port:
      return [2, 2]
    case Id.extended:
      return [1, 1 + EXTENDED_MAX_BYTES]
    default:
      return undefined
  }
}

const u32 = (bytes: Uint8Array, at: number): number =>
  ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0

const HEADER_BYTES = 5

/** The messages of BEP 6. */
const isFast = (id: number): boolean => id >= Id.suggest && id <= Id.allowedFast

export class PeerWireGuard {
  readonly #header = new Uint8Array(HEADER_BYTES)
  #headerFilled = 0
  #body: Uint8Array | undefined
  #bodyFilled = 0
  #skip = 0
  #problem: Problem | undefined
  #shape: Shape | undefined
  #bitfield: Uint8Array | undefined
  #hasSaidPieces = false
  #highestNamed = -1
  readonly #fast: boolean

  /** `fast` where both sides speak the fast extension (BEP 6). */
  constructor({ fast = false }: { readonly fast?: boolean } = {}) {
    this.#fast = fast
  }

  /** Tells the torrent, once it is known. What the peer said before is judged by it, too. */
  fit(shape: Shape): Problem | undefined {
    this.#shape = shape
    if (this.#problem === undefined) {
      this.#problem =
        (this.#bitfield === undefined ? undefined : this.#problemOfBitfield(this.#bitfield)) ??
        (this.#highestNamed >= shape.pieceCount ? "index out of range" : undefined)
    }
    return this.#problem
  }

  /** Reads on. Blocks and payloads may be views of `chunk`, which must not change afterwards. */
  push(chunk: Uint8Array): Verdict {
    const messages: Array<Message> = []
    let at = 0
    while (at < chunk.length && this.#problem === undefined) {
      if (this.#skip > 0) {
        const take = Math.min(this.#skip, chunk.length - at)
        this.#skip -= take
        at += take
      } else if (this.#body !== undefined) {
        const take = Math.min(this.#body.length - this.#bodyFilled, chunk.length - at)
        this.#body.set(chunk.subarray(at, at + take), this.#bodyFilled)
        this.#bodyFilled += take
        at += take
        if (this.#bodyFilled === this.#body.length) this.#finish(this.#body, messages)
      } else {
        this.#header[this.#headerFilled++] = chunk[at++]!
        at = this.#onHeader(chunk, at, messages)
      }
    }
    return { messages, problem: this.#problem }
  }

  /** Decides on the length when four bytes of the header are in, on the id with the fifth. Gives where to read on. */
  #onHeader(chunk: Uint8Array, at: number, messages: Array<Message>): number {
    if (this.#headerFilled < 4) return at
    const length = u32(this.#header, 0)
    if (this.#headerFilled === 4) {
      if (length === 0) this.#headerFilled = 0
      if (length > MESSAGE_MAX_BYTES) this.#problem = "message too long"
      return at
    }
    const bodyLength = length - 1
    if (isFast(this.#header[4]!) && !this.#fast) {
      this.#problem = "message of an extension that was not agreed on"
      return at
    }
    const limits = bodyLimits(this.#header[4]!)
    if (limits === undefined) {
      this.#skip = bodyLength
      this.#headerFilled = 0
      return at
    }
    if (bodyLength < limits[0] || bodyLength > limits[1]) {
      this.#problem = "message of a wrong length"
      return at
    }
    if (chunk.length - at >= bodyLength) {
      this.#finish(chunk.subarray(at, at + bodyLength), messages)
      return at + bodyLength
    }
    this.#body = new Uint8Array(bodyLength)
    this.#bodyFilled = 0
    return at
  }

  #finish(body: Uint8Array, messages: Array<Message>): void {
    const id = this.#header[4]!
    this.#headerFilled = 0
    this.#body = undefined
    const message = this.#read(id, body)
    if (message !== undefined) messages.push(message)
  }

  /** A message whose body has a legal length; `undefined` when it is a problem. */
  #read(id: number, body: Uint8Array): Message | undefined {
    switch (id) {
      case Id.choke:
        return { _tag: "Choke" }
      case Id.unchoke:
        return { _tag: "Unchoke" }
      case Id.interested:
        return { _tag: "Interested" }
      case Id.uninterested:
        return { _tag: "Uninterested" }
      case Id.have: {
        const index = u32(body, 0)
        if (index >= this.#pieceCount) return this.#fail("index out of range")
        this.#hasSaidPieces = true
        this.#highestNamed = Math.max(this.#highestNamed, index)
        return { _tag: "Have", index }
      }
      case Id.bitfield: {
        const problem = this.#problemOfBitfield(body) ?? this.#problemOfAnother(body)
        if (problem !== undefined) return this.#fail(problem)
        this.#hasSaidPieces = true
        this.#bitfield = body.map((byte, i) => byte | (this.#bitfield?.[i] ?? 0))
        return { _tag: "Bitfield", bytes: Uint8Array.from(body) }
      }
      case Id.piece: {
        const [index, offset] = [u32(body, 0), u32(body, 4)]
        const problem = this.#problemOfBlock(index, offset, body.length - 8)
        return problem === undefined ? { _tag: "Piece", index, offset, block: body.subarray(8) } : this.#fail(problem)
      }
      case Id.haveAll:
      case Id.haveNone:
        // aria2 says so, too, when it has got the last piece.
        if (id === Id.haveNone && this.#hasSaidPieces) return this.#fail("have none not first")
        this.#hasSaidPieces = true
        return { _tag: id === Id.haveAll ? "HaveAll" : "HaveNone" }
      case Id.suggest:
      case Id.allowedFast: {
        const index = u32(body, 0)
        if (index >= this.#pieceCount) return this.#fail("index out of range")
        this.#highestNamed = Math.max(this.#highestNamed, index)
        return { _tag: id === Id.suggest ? "Suggest" : "AllowedFast", index }
      }
      case Id.port:
        return { _tag: "Port", port: (body[0]! << 8) | body[1]! }
      case Id.extended:
        return { _tag: "Extended", id: body[0]!, payload: body.subarray(1) }
      default: {
        const [index, offset, length] = [u32(body, 0), u32(body, 4), u32(body, 8)]
        const problem = this.#problemOfBlock(index, offset, length)
        if (problem !== undefined) return this.#fail(problem)
        if (id === Id.reject) return { _tag: "Reject", index, offset, length }
        return { _tag: id === Id.request ? "Request" : "Cancel", index, offset, length }
      }
    }
  }

  /**
   * BEP 3 wants one bitfield, before any have. But aria2 sends another whenever it is shorter than the haves that it
   * stands for, so later ones are taken for haves.
   */
  #problemOfAnother(bytes: Uint8Array): Problem | undefined {
    return this.#bitfield === undefined || this.#bitfield.length === bytes.length
      ? undefined
      : "bitfield of a wrong length"
  }

  #fail(problem: Problem): undefined {
    this.#problem = problem
  }

  get #pieceCount(): number {
    return this.#shape?.pieceCount ?? PIECES_MAX
  }

  #problemOfBlock(index: number, offset: number, length: number): Problem | undefined {
    if (index >= this.#pieceCount) return "index out of range"
    if (length === 0 || length > BLOCK_BYTES) return "block out of range"
    const shape = this.#shape
    const pieceLength =
      shape === undefined
        ? PIECE_LENGTH_MAX
        : Math.min(shape.pieceLength, shape.totalLength - index * shape.pieceLength)
    return offset + length > pieceLength ? "block out of range" : undefined
  }

  #problemOfBitfield(bytes: Uint8Array): Problem | undefined {
    if (this.#shape === undefined) return undefined
    const count = this.#shape.pieceCount
    if (bytes.length !== Math.ceil(count / 8)) return "bitfield of a wrong length"
    const spareMask = (1 << (bytes.length * 8 - count)) - 1
    return (bytes.at(-1)! & spareMask) === 0 ? undefined : "bitfield with spare bits set"
  }
}
