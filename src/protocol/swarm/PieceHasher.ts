/** SHA-1 of every piece of a torrent (BEP 3), from bytes that come in chunks of any size. */
import type { Hash } from "../core/Hasher.ts"
import { PIECE_HASH_BYTES } from "./Torrent.ts"

export interface PieceHasher {
  readonly update: (bytes: Uint8Array) => void
  /** The hashes end to end. Call once, after the last update. */
  readonly digest: () => Uint8Array
}

export const make = (pieceLength: number, startSha1: () => Hash): PieceHasher => {
  const digests: Array<Uint8Array> = []
  let current = startSha1()
  let filled = 0
  const close = () => {
    digests.push(current.digest())
    current = startSha1()
    filled = 0
  }
  return {
    update: (bytes) => {
      for (let at = 0; at < bytes.length;) {
        const take = Math.min(bytes.length - at, pieceLength - filled)
        current.update(bytes.subarray(at, at + take))
        filled += take
        at += take
        if (filled === pieceLength) close()
      }
    },
    digest: () => {
      if (filled > 0) close()
      const out = new Uint8Array(digests.length * PIECE_HASH_BYTES)
      digests.forEach((digest, i) => out.set(digest, i * PIECE_HASH_BYTES))
      return out
    }
  }
}
