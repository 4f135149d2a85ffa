/**
 * Remembers signatures that have been found valid. A `get` brings the same record from some twenty
 * nodes, and each check costs about 100 µs: one is enough.
 */
import { SIGNATURE_BYTES } from "../../protocol/core/Ed25519.ts"
import { PUBLIC_KEY_BYTES } from "../../protocol/core/PublicKey.ts"
import { RecentMap } from "../../protocol/core/RecentMap.ts"

/** Whether `signature` (64 bytes) of `message` was made by `publicKey` (32 bytes). Never throws. */
export type Verify = (signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array) => boolean

/** Records under way at one time; each entry holds at most 1.2 KB. */
export const VERDICTS_MAX = 256

/** `verify` with a memory of its latest positive verdicts. Refusals are not kept: strangers could fill it with them. */
export const make = (verify: Verify, capacity: number = VERDICTS_MAX): Verify => {
  const valid = new RecentMap<string, true>(capacity)
  return (signature, message, publicKey) => {
    // With fixed lengths the joined bytes name the three parts in one way only.
    if (signature.length !== SIGNATURE_BYTES || publicKey.length !== PUBLIC_KEY_BYTES) return false
    const triple = Buffer.concat([signature, publicKey, message]).toString("latin1")
    if (valid.get(triple) === true) return true
    if (!verify(signature, message, publicKey)) return false
    valid.set(triple, true)
    return true
  }
}
