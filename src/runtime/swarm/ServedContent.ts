/**
 * The content of one torrent as it is given to peers: nothing of a piece leaves before the whole piece
 * was read and has the hash that the torrent says. Which pieces were found true for some minutes, and which not, is
 * kept in memory; a torrent that nobody asks for costs neither a read nor a bit.
 */
import { createHash } from "node:crypto"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Infohash from "../../protocol/core/Infohash.ts"
import type { Content, StorageFailed } from "../../protocol/swarm/Content.ts"
import { ContentDamaged } from "../../protocol/swarm/SwarmError.ts"
import { hashOfPiece, lengthOfPiece, pieceCount, type Torrent } from "../../protocol/swarm/Torrent.ts"
import type { PieceCache } from "./PieceCache.ts"

export type Damage = ContentDamaged | StorageFailed

/** For how long a piece that was found true may be read without another look at all of it, in ms: disks rot. */
export const VERIFIED_MS = 5 * 60_000

/**
 * Bytes of a piece as they leave. A copy where they are a small part: what waits in a socket would hold the whole
 * piece in memory, long after the cache has dropped it.
 */
const cut = (piece: Uint8Array, offset: number, length: number): Uint8Array => {
  const part = piece.subarray(offset, offset + length)
  if (2 * part.length >= piece.length) return part
  const copy = Buffer.allocUnsafeSlow(part.length)
  copy.set(part)
  return copy
}

/** What the system lacks for a moment says nothing about the content. */
const PASSING = /\b(?:EMFILE|ENFILE|ENOMEM|EAGAIN|EBUSY)\b/

const isPassing = (damage: Damage): boolean => damage._tag === "StorageFailed" && PASSING.test(damage.problem)

export class ServedContent {
  readonly torrent: Torrent
  readonly #content: Content
  readonly #cache: PieceCache
  readonly #onDamage: (damage: Damage) => void
  /** Pieces that were found true, and when, in ms. */
  #verified: Map<number, number> | undefined
  #damaged: Set<number> | undefined
  readonly #reading = new Map<number, Deferred.Deferred<Uint8Array, Damage>>()
  /** Where the last block that was read by itself ended. */
  #readUpTo = -1

  /** `onDamage` is told of each piece once, when it is found that it cannot be served. */
  constructor(torrent: Torrent, content: Content, cache: PieceCache, onDamage: (damage: Damage) => void) {
    this.torrent = torrent
    this.#content = content
    this.#cache = cache
    this.#onDamage = onDamage
  }

  /** Hex. Made when it is asked for: most torrents are idle. */
  get #infohash(): string {
    return Infohash.toHex(this.torrent.infohash)
  }

  get isSound(): boolean {
    return this.#damaged === undefined
  }

  /** One bit for each piece (BEP 3): set unless it is known that it cannot be served. */
  get bitfield(): Uint8Array {
    const count = pieceCount(this.torrent)
    const bytes = new Uint8Array(Math.ceil(count / 8)).fill(0xff)
    bytes[bytes.length - 1] = 0xff << (bytes.length * 8 - count)
    for (const piece of this.#damaged ?? []) bytes[piece >> 3]! &= ~(0x80 >> (piece & 7))
    return bytes
  }

  /** The damaged pieces are looked at anew. Gives which they were. */
  forgive(): ReadonlyArray<number> {
    const pieces = [...(this.#damaged ?? [])]
    this.#damaged = undefined
    return pieces
  }

  /** What {@link block} would give, where it is at hand: of a large piece all blocks but the first. */
  cached(piece: number, offset: number, length: number): Uint8Array | undefined {
    const bytes = this.#cache.get(this.#infohash, piece)
    return bytes === undefined ? undefined : cut(bytes, offset, length)
  }

  /** `length` bytes from `offset` in a piece. Fails where the piece is not what it should be. */
  block(piece: number, offset: number, length: number): Effect.Effect<Uint8Array, Damage> {
    return Effect.clockWith((clock) => {
      const cached = this.cached(piece, offset, length)
      if (cached !== undefined) return Effect.succeed(cached)
      if (this.#damaged?.has(piece) === true) return this.#fail(piece)
      const at = piece * this.torrent.pieceLength + offset
      const isSequential = this.#readUpTo === at && length < lengthOfPiece(this.torrent, piece) - offset
      if (!this.#isVerified(piece, clock.currentTimeMillisUnsafe()) || isSequential) {
        return Effect.map(this.#whole(piece), (bytes) => cut(bytes, offset, length))
      }
      // Who picks single blocks of what is known to be true does not have us read the rest.
      this.#readUpTo = at + length
      return this.#content.read(at, length)
    })
  }

  #isVerified(piece: number, now: number): boolean {
    const at = this.#verified?.get(piece)
    return at !== undefined && now - at < VERIFIED_MS
  }

  #fail(piece: number): Effect.Effect<never, Damage> {
    return Effect.fail(new ContentDamaged({ infohash: this.#infohash, piece }))
  }

  /** A piece that is asked for by several at a time is read once. */
  #whole(piece: number): Effect.Effect<Uint8Array, Damage> {
    const reading = this.#reading.get(piece)
    if (reading !== undefined) return Deferred.await(reading)
    const deferred = Deferred.makeUnsafe<Uint8Array, Damage>()
    this.#reading.set(piece, deferred)
    return this.#read(piece).pipe(
      Effect.tap((bytes) => Effect.map(Clock.currentTimeMillis, (now) => this.#onTrue(piece, bytes, now))),
      Effect.tapError((damage) => Effect.sync(() => this.#onWrong(piece, damage))),
      Effect.onExit((exit) =>
        Effect.sync(() => {
          this.#reading.delete(piece)
          Deferred.doneUnsafe(deferred, exit)
        })
      )
    )
  }

  #read(piece: number): Effect.Effect<Uint8Array, Damage> {
    const { pieceLength } = this.torrent
    return Effect.flatMap(
      this.#content.read(piece * pieceLength, lengthOfPiece(this.torrent, piece)),
      (bytes): Effect.Effect<Uint8Array, Damage> => {
        const digest = createHash("sha1").update(bytes).digest()
        return digest.equals(hashOfPiece(this.torrent, piece)) ? Effect.succeed(bytes) : this.#fail(piece)
      }
    )
  }

  #onTrue(piece: number, bytes: Uint8Array, now: number): void {
    this.#verified ??= new Map()
    this.#verified.set(piece, now)
    this.#cache.put(this.#infohash, piece, bytes)
  }

  #onWrong(piece: number, damage: Damage): void {
    if (isPassing(damage)) return
    this.#verified?.delete(piece)
    this.#damaged ??= new Set()
    this.#damaged.add(piece)
    this.#onDamage(damage)
  }
}
