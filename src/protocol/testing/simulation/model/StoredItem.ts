/**
 * What nodes of the model store (BEP 44): immutable and mutable items. One object is shared by everybody
 * who sends or holds the item, and never changed, so that it is hashed and checked once and not by
 * every node again, nor compared byte for byte by whoever is given it.
 */
import * as Bytes from "effect/Bytes"
import type { Ed25519 } from "../../../core/Ed25519.ts"
import type { GivenImmutable, GivenRecord } from "../../../dht/client/Krpc.ts"
import { fromBytes, type NodeId } from "../../../dht/client/NodeId.ts"
import * as Record from "../../../dht/Record.ts"

/** Of the bencoded value (BEP 44: "must be less than 1000 bytes"; as libtorrent and this library's own nodes count). */
export const BENCODED_MAX_BYTES = 1_000

export interface MutableItem extends GivenRecord {
  /** SHA-1 of key and salt. */
  readonly target: NodeId
  readonly salt: Uint8Array
}

export interface ImmutableItem extends GivenImmutable {
  /** SHA-1 of the bencoded value. */
  readonly target: NodeId
}

export type StoredItem = MutableItem | ImmutableItem

/** Copies, since what the caller does with its own later must not reach the nodes. */
export const mutable = ({ publicKey, salt, seq, signature, value }: Record.Item): MutableItem => ({
  _tag: "Mutable",
  target: fromBytes(Record.targetOf(publicKey, salt)),
  publicKey: Uint8Array.from(publicKey),
  salt: Uint8Array.from(salt),
  seq,
  value: Uint8Array.from(value),
  signature: Uint8Array.from(signature)
})

/** As {@link mutable}. */
export const immutable = (value: Uint8Array): ImmutableItem => ({
  _tag: "Immutable",
  target: fromBytes(Record.immutableTargetOf(value)),
  value: Uint8Array.from(value)
})

const isSame = (self: MutableItem, that: Record.Item): boolean =>
  self.seq === that.seq &&
  Bytes.Equivalence(self.value, that.value) &&
  Bytes.Equivalence(self.signature, that.signature) &&
  Bytes.Equivalence(self.publicKey, that.publicKey) &&
  Bytes.Equivalence(self.salt, that.salt)

/**
 * The items that the members of one network have put: whoever puts the same bytes again, to another node or an hour
 * later, puts the same object. It is found by the bytes that are handed over, and compared with them, since their owner
 * may have written to them meanwhile.
 */
export class Shared {
  readonly #mutable = new WeakMap<Uint8Array, MutableItem>()
  readonly #immutable = new WeakMap<Uint8Array, ImmutableItem>()

  mutable(put: Record.Item): MutableItem {
    const known = this.#mutable.get(put.signature)
    if (known !== undefined && isSame(known, put)) return known
    const item = mutable(put)
    this.#mutable.set(put.signature, item)
    return item
  }

  immutable(value: Uint8Array): ImmutableItem {
    const known = this.#immutable.get(value)
    if (known !== undefined && Bytes.Equivalence(known.value, value)) return known
    const item = immutable(value)
    this.#immutable.set(value, item)
    return item
  }
}

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
