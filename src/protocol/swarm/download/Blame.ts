/**
 * Who sent the wrong bytes. A piece may be made of blocks from several peers, and to strike them all
 * would let one liar have honest peers banned. Here a peer is guilty only when proven: it sent a whole
 * wrong piece alone, or a block that differs from that of the true piece. A piece that was wrong and
 * mixed is *contested*, and to be fetched from one peer at a time.
 *
 * Bytes are not kept: each block stands here by a print of it, any string that differs where they do.
 */

/** Wrong versions of a piece that are kept to be compared with the true one. */
const ATTEMPTS_KEPT = 4

interface Attempt<Peer> {
  readonly prints: ReadonlyArray<string>
  /** Sender of each block. */
  readonly senders: ReadonlyArray<Peer | undefined>
}

export class Blame<Peer> {
  readonly #attempts = new Map<number, ReadonlyArray<Attempt<Peer>>>()

  /** Whether the piece came wrong from more than one peer and has not come true since. */
  isContested(piece: number): boolean {
    return this.#attempts.has(piece)
  }

  /** The piece is wrong. Gives who is guilty; where that is open, the piece becomes contested. */
  onFailed(
    piece: number,
    senders: ReadonlyArray<Peer | undefined>,
    prints: ReadonlyArray<string>
  ): ReadonlyArray<Peer> {
    const suspects = [...new Set(senders.filter((sender) => sender !== undefined))]
    if (suspects.length === 1) return suspects
    const attempts = this.#attempts.get(piece) ?? []
    this.#attempts.set(piece, [...attempts, { prints, senders: [...senders] }].slice(-ATTEMPTS_KEPT))
    return []
  }

  /** The piece is true. Gives who sent other bytes for it before; nobody where no prints are told. */
  onVerified(piece: number, prints: ReadonlyArray<string>): ReadonlyArray<Peer> {
    const guilty = new Set<Peer>()
    const attempts = prints.length === 0 ? [] : (this.#attempts.get(piece) ?? [])
    for (const attempt of attempts) {
      attempt.senders.forEach((sender, block) => {
        if (sender !== undefined && attempt.prints[block] !== prints[block]) guilty.add(sender)
      })
    }
    this.#attempts.delete(piece)
    return [...guilty]
  }
}
