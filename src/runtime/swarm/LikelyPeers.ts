/**
 * Peers that lately gave another torrent: whoever seeds one release of a tree mostly seeds the rest of it, and to
 * dial it takes a fraction of the time, and of the packets, of asking the DHT.
 */
import type { PeerAddress } from "../../protocol/core/PeerAddress.ts"

/** Peers that are tried for a torrent on a guess. */
export const LIKELY_MAX = 4

export class LikelyPeers {
  readonly #peers = new Map<string, PeerAddress>()

  /** It gave a torrent whole, or a part of one. */
  note(peer: PeerAddress): void {
    const name = String(peer)
    this.#peers.delete(name)
    this.#peers.set(name, peer)
    const [oldest] = this.#peers.keys()
    if (oldest !== undefined && this.#peers.size > LIKELY_MAX) this.#peers.delete(oldest)
  }

  forget(peer: PeerAddress): void {
    this.#peers.delete(String(peer))
  }

  get all(): ReadonlyArray<PeerAddress> {
    return [...this.#peers.values()]
  }

  /** One of them; `share` spreads the torrents over all, and is at least 0. */
  one(share: number): ReadonlyArray<PeerAddress> {
    const { all } = this
    return all.slice(share % all.length, (share % all.length) + 1)
  }
}
