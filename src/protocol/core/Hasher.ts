/**
 * Incremental hashing of what is too long for memory: tarballs, pieces, files on disk.
 *
 * `layerNoble` is pure and runs anywhere; `NodeHasher.layer` of the runtime uses `node:crypto` and is
 * many times faster. Both give the same digests.
 */
import { sha1 } from "@noble/hashes/legacy.js"
import { sha256, sha512 } from "@noble/hashes/sha2.js"
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"

/** FIPS 180-4. SHA-1 is for BitTorrent's pieces, SHA-512 for npm's integrity strings. */
export type Algorithm = "sha1" | "sha256" | "sha512"

/** Length of a digest, in bytes. */
export const DIGEST_BYTES: { readonly [A in Algorithm]: number } = { sha1: 20, sha256: 32, sha512: 64 }

/** One hash in progress. To use it after `digest` is a programmer's error and throws. */
export interface Hash {
  /** Takes in bytes; they are not kept and may be reused. */
  readonly update: (bytes: Uint8Array) => void
  readonly digest: () => Uint8Array
}

export class Hasher extends Context.Service<
  Hasher,
  {
    readonly start: (algorithm: Algorithm) => Hash
  }
>()("@libreseed/protocol/core/Hasher") {
  static readonly layerNoble = Layer.succeed(
    Hasher,
    Hasher.of({
      start: (algorithm) => {
        const hash = noble[algorithm].create()
        return { update: (bytes) => void hash.update(bytes), digest: () => hash.digest() }
      }
    })
  )
}

const noble = { sha1, sha256, sha512 } as const
