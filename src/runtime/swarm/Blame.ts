/**
 * Who sent the wrong bytes. A piece may be made of blocks from several peers, and torrent-stream
 * strikes them all, so that one liar can have honest peers banned. Here a peer is guilty only when
 * proven: it sent a whole wrong piece alone, or a block that differs from that of the true piece.
 * A piece that was wrong and mixed is *contested*, and to be fetched from one peer at a time.
 */
import { BLOCK_BYTES } from "./PeerWireGuard.ts"

/** Wrong versions of a piece that are kept to be compared with the true one: at most 4 MiB for a piece. */
const ATTEMPTS_KEPT = 4

interface Attempt<Peer> {
  readonly bytes: Uint8Array
  /** Sender of each block. */
  readonly senders: ReadonlyArray<Peer | undefined>
}

export class Blame<Peer> {
  readonly #senders = new Map<number, Array<Peer | undefined>>()
  readonly #attempts = new Map<number, ReadonlyArray<Attempt<Peer>>>()

  /** Whether the piece came wrong from more than one peer and has not come true since. */
  isContested(index: number): boolean {
    return this.#attempts.has(index)
  }

  /** A block of a piece has come. */
  onBlock(index: number, offset: number, peer: Peer): void {
    const senders = this.#senders.get(index) ?? []
    senders[Math.floor(offset / BLOCK_BYTES)] = peer
    this.#senders.set(index, senders)
  }

  /** The piece is wrong. Gives who is guilty; where that is open, the piece becomes contested. */
  onInvalid(index: number, bytes: Uint8Array): ReadonlyArray<Peer> {
    const senders = this.#senders.get(index) ?? []
    this.#senders.delete(index)
    const suspects = [...new Set(senders.filter((sender) => sender !== undefined))]
    if (suspects.length === 1) return suspects
    const attempts = this.#attempts.get(index) ?? []
    this.#attempts.set(index, [...attempts, { bytes, senders }].slice(-ATTEMPTS_KEPT))
    return []
  }

  /** The piece is true. Gives who sent other bytes for it before. */
  onValid(index: number, bytes: Uint8Array): ReadonlyArray<Peer> {
    const guilty = new Set<Peer>()
    for (const attempt of this.#attempts.get(index) ?? []) {
      attempt.senders.forEach((sender, block) => {
        const [from, to] = [block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES]
        const differs = Buffer.compare(attempt.bytes.subarray(from, to), bytes.subarray(from, to)) !== 0
        if (sender !== undefined && differs) guilty.add(sender)
      })
    }
    this.#senders.delete(index)
    this.#attempts.delete(index)
    return [...guilty]
  }
}
