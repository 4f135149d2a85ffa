/**
 * Hashes of small values (records, targets, claims, manifests), pure and synchronous. What streams
 * or is large goes through the service `Hasher`, which a runtime can make faster.
 */
import { sha1 as nobleSha1 } from "@noble/hashes/legacy.js"
import { sha256 as nobleSha256 } from "@noble/hashes/sha2.js"

export const SHA1_BYTES = 20
export const SHA256_BYTES = 32

/** 20 bytes (FIPS 180-4). For BitTorrent's identifiers only: collisions can be made. */
export const sha1 = (bytes: Uint8Array): Uint8Array => nobleSha1(bytes)

/** 32 bytes (FIPS 180-4). */
export const sha256 = (bytes: Uint8Array): Uint8Array => nobleSha256(bytes)
