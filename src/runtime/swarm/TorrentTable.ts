/**
 * The torrents that peers are let in for, and who takes them. Found by infohash, and by HASH('req2', infohash) as those
 * ask who encrypt (Message Stream Encryption): one of ten thousand is found without looking at the others.
 */
import type * as Infohash from "../../protocol/core/Infohash.ts"
import { torrentMark } from "./Encryption.ts"
import type { OpenPeer } from "./PeerConnection.ts"

/** Takes the connections of one torrent. */
export interface Acceptor {
  readonly mayAccept: (host: string) => boolean
  readonly accept: (peer: OpenPeer) => void
}

interface Entry {
  readonly infohash: Infohash.Infohash
  /** Made when the first peer asks by a mark: most downloads are over before. */
  mark: string | undefined
  /** Never empty. */
  acceptors: ReadonlyArray<Acceptor>
}

/** Short strings of one byte a character: the cheapest keys that there are. */
const keyOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1")

export class TorrentTable {
  readonly #entries = new Map<string, Entry>()
  readonly #marked = new Map<string, Entry>()
  readonly #unmarked = new Set<Entry>()

  /** Of several acceptors of one infohash the first that agrees takes a peer. */
  add(infohash: Infohash.Infohash, acceptor: Acceptor): void {
    const key = keyOf(infohash)
    const known = this.#entries.get(key)
    if (known !== undefined) {
      known.acceptors = [...known.acceptors, acceptor]
      return
    }
    const entry: Entry = { infohash, mark: undefined, acceptors: [acceptor] }
    this.#entries.set(key, entry)
    this.#unmarked.add(entry)
  }

  remove(infohash: Infohash.Infohash, acceptor: Acceptor): void {
    const key = keyOf(infohash)
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    entry.acceptors = entry.acceptors.filter((other) => other !== acceptor)
    if (entry.acceptors.length > 0) return
    this.#entries.delete(key)
    this.#unmarked.delete(entry)
    if (entry.mark !== undefined) this.#marked.delete(entry.mark)
  }

  acceptorsOf(infohash: Infohash.Infohash): ReadonlyArray<Acceptor> {
    return this.#entries.get(keyOf(infohash))?.acceptors ?? []
  }

  /** The torrent that 20 bytes of HASH('req2', infohash) mean. */
  find(mark: Uint8Array): Infohash.Infohash | undefined {
    for (const entry of this.#unmarked) {
      entry.mark = keyOf(torrentMark(entry.infohash))
      this.#marked.set(entry.mark, entry)
    }
    this.#unmarked.clear()
    return this.#marked.get(keyOf(mark))?.infohash
  }

  get size(): number {
    return this.#entries.size
  }
}
