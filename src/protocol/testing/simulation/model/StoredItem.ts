/**
 * What nodes of the model store (BEP 44): immutable and mutable items. One object is shared by everybody
 * who sends or holds the item, and never changed, so that it is hashed and checked once and not by
 * every node again.
 */
import type { Ed25519 } from "../../../core/Ed25519.ts"
import * as Record from "../../../dht/Record.ts"
import * as Xor from "./Xor.ts"

/** Of the bencoded value (BEP 44: "must be less than 1000 bytes"; as libtorrent and this library's own nodes count). */
export const BENCODED_MAX_BYTES = 1_000

export interface MutableItem {
  readonly _tag: "Mutable"
  /** SHA-1 of key and salt. */
  readonly target: Xor.Id
  readonly publicKey: Uint8Array
  readonly salt: Uint8Array
  readonly seq: number
  readonly value: Uint8Array
  readonly signature: Uint8Array
}

export interface ImmutableItem {
  readonly _tag: "Immutable"
  /** SHA-1 of the bencoded value. */
  readonly target: Xor.Id
  readonly value: Uint8Array
}

export type StoredItem = MutableItem | ImmutableItem

/** Copies, since what the caller does with its own later must not reach the nodes. */
export const mutable = ({ publicKey, salt, seq, signature, value }: Record.Item): MutableItem => ({
  _tag: "Mutable",
  target: Xor.fromBytes(Record.targetOf(publicKey, salt)),
  publicKey: Uint8Array.from(publicKey),
  salt: Uint8Array.from(salt),
  seq,
  value: Uint8Array.from(value),
  signature: Uint8Array.from(signature)
})

/** As {@link mutable}. */
export const immutable = (value: Uint8Array): ImmutableItem => ({
  _tag: "Immutable",
  target: Xor.fromBytes(Record.immutableTargetOf(value)),
  value: Uint8Array.from(value)
})

/** Bytes of a byte string in bencode. */
export const bencodedBytes = (value: Uint8Array): number => value.length + String(value.length).length + 1

/** Whether a signature holds; asked once for each item. */
export type IsSigned = (item: MutableItem) => boolean

export const signatureCheck = (ed25519: Ed25519["Service"]): IsSigned => {
  const known = new WeakMap<MutableItem, boolean>()
  return (item) => {
    const verdict = known.get(item)
    if (verdict !== undefined) return verdict
    const message = Record.signedBytes(item.salt, item.seq, item.value)
    const isSigned = ed25519.verify(item.signature, message, item.publicKey)
    known.set(item, isSigned)
    return isSigned
  }
}
