/**
 * An item as a node keeps it (BEP 44): the bencoded value exactly as it came, since that is what was hashed
 * or signed, and for a mutable one its key, salt, number and signature. All bytes of one are in one buffer
 * of their own: a view into a datagram would keep the whole datagram alive.
 */
import { createHash } from "node:crypto"
import * as Result from "effect/Result"
import * as Bencode from "../../../protocol/core/Bencode.ts"
import { SIGNATURE_BYTES } from "../../../protocol/core/Ed25519.ts"
import { PUBLIC_KEY_BYTES } from "../../../protocol/core/PublicKey.ts"
import * as Record from "../../../protocol/dht/Record.ts"
import { DEPTH_MAX } from "../KrpcGuard.ts"
import { SALT_MAX_BYTES, VALUE_MAX_BYTES } from "../KrpcItem.ts"

export interface Mutable {
  /** 32 bytes. */
  readonly publicKey: Uint8Array
  /** 64 bytes. */
  readonly signature: Uint8Array
  /** At most 64 bytes; empty for none. */
  readonly salt: Uint8Array
  readonly seq: number
}

export interface StoredItem {
  /** Bencoded, at most 1,000 bytes. */
  readonly value: Uint8Array
  /** Absent for an immutable item. */
  readonly mutable: Mutable | undefined
}

/** Whether `signature` (64 bytes) of `message` was made by `publicKey` (32 bytes). */
export type Verify = (signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array) => boolean

/** Where it is found, in hex: SHA-1 of key and salt, or of the bencoded value (BEP 44). */
export const targetOf = ({ mutable, value }: StoredItem): string => {
  const hash = createHash("sha1")
  return (mutable === undefined ? hash.update(value) : hash.update(mutable.publicKey).update(mutable.salt)).digest(
    "hex"
  )
}

/** Bytes that it takes: what the limit of a store counts. */
export const bytesOf = ({ mutable, value }: StoredItem): number =>
  mutable === undefined ? value.length : PUBLIC_KEY_BYTES + SIGNATURE_BYTES + mutable.salt.length + value.length

/** Whether its key signed it. What has no key needs no signature: its target says whether it is right. */
export const isSigned = ({ mutable, value }: StoredItem, verify: Verify): boolean =>
  mutable === undefined ||
  verify(mutable.signature, Record.signedBytesOfAny(mutable.salt, mutable.seq, value), mutable.publicKey)

/** Whether it could have come in a `put`: for items that come from elsewhere than a guarded socket. Says nothing of its signature. */
export const isSound = ({ mutable, value }: StoredItem): boolean => {
  if (value.length > VALUE_MAX_BYTES) return false
  if (Result.isFailure(Bencode.decode(value, { maxBytes: VALUE_MAX_BYTES, maxDepth: DEPTH_MAX }))) return false
  if (mutable === undefined) return true
  const { publicKey, salt, seq, signature } = mutable
  return (
    publicKey.length === PUBLIC_KEY_BYTES &&
    signature.length === SIGNATURE_BYTES &&
    salt.length <= SALT_MAX_BYTES &&
    Number.isSafeInteger(seq) &&
    seq >= 0
  )
}

/** One in a buffer of its own. */
export class PackedItem implements StoredItem {
  /** Of a mutable item: key, signature, salt, value. Of another: the value. */
  readonly #bytes: Uint8Array
  readonly #saltBytes: number
  /** -1 for an immutable item. */
  readonly #seq: number

  constructor(item: StoredItem) {
    const { mutable, value } = item
    this.#bytes = new Uint8Array(bytesOf(item))
    this.#bytes.set(value, this.#bytes.length - value.length)
    this.#saltBytes = mutable?.salt.length ?? 0
    this.#seq = mutable?.seq ?? -1
    if (mutable === undefined) return
    this.#bytes.set(mutable.publicKey)
    this.#bytes.set(mutable.signature, PUBLIC_KEY_BYTES)
    this.#bytes.set(mutable.salt, PUBLIC_KEY_BYTES + SIGNATURE_BYTES)
  }

  get byteLength(): number {
    return this.#bytes.length
  }

  get value(): Uint8Array {
    return this.#seq === -1 ? this.#bytes : this.#bytes.subarray(this.#valueAt)
  }

  get mutable(): Mutable | undefined {
    if (this.#seq === -1) return undefined
    const saltAt = PUBLIC_KEY_BYTES + SIGNATURE_BYTES
    return {
      publicKey: this.#bytes.subarray(0, PUBLIC_KEY_BYTES),
      signature: this.#bytes.subarray(PUBLIC_KEY_BYTES, saltAt),
      salt: this.#bytes.subarray(saltAt, saltAt + this.#saltBytes),
      seq: this.#seq
    }
  }

  get #valueAt(): number {
    return PUBLIC_KEY_BYTES + SIGNATURE_BYTES + this.#saltBytes
  }
}
