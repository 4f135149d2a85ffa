/**
 * The BEP 44 item inside a `put` or a reply to `get`: which types, lengths and values may reach the
 * library. It checks no signature; that is the task of its `verify` hook.
 */
import * as Bencode from "../../protocol/core/Bencode.ts"
import { SIGNATURE_BYTES } from "../../protocol/core/Ed25519.ts"
import { isStrongPoint, PUBLIC_KEY_BYTES } from "../../protocol/core/PublicKey.ts"
import { ErrorCode } from "../../protocol/dht/client/Krpc.ts"
import { isBytes, isBytesOfLength, isDictionary, isList } from "./KrpcMessage.ts"

/** Of the *bencoded* value, as libtorrent counts (BEP 44: "must be less than 1000 bytes"). */
export const VALUE_MAX_BYTES = 1_000

/**
 * Of a bencoded and signed value in a reply: bittorrent-dht counts the bytes of a string without its prefix, and stores up
 * to 1,000. What is longer than ours may be is no record, but that it is there may have to be known.
 */
const SIGNED_REPLY_VALUE_MAX_BYTES = 1_005

/** BEP 44 "Mutable items". */
export const SALT_MAX_BYTES = 64

/** Why an item is refused, in the words and with the code of the reply. */
export interface Refusal {
  readonly code: ErrorCode
  readonly text: string
}

const protocolError = (text: string): Refusal => ({ code: ErrorCode.protocol, text })
const SIGNATURE_REFUSED: Refusal = { code: ErrorCode.invalidSignature, text: "invalid signature" }

/** Non-negative and exact as a double: the library rounds larger ones and then signs other digits. */
export const isSequence = (value: Bencode.Value | undefined): value is number =>
  typeof value === "number" && value >= 0 && Number.isSafeInteger(value)

/** Length of the bencode of `value`. */
export const encodedLength = (value: Bencode.Value): number =>
  isBytes(value) ? value.length + String(value.length).length + 1 : Bencode.encode(value).length

/**
 * Whether the library gives `value` back byte for byte and survives printing it. Its decoder reads
 * keys as UTF-8 into plain objects, rounds integers, and `toJSON()` calls `toString` on the value:
 * so ASCII keys that shadow nothing, safe integers, and no integer as the whole value.
 */
export const isCarriable = (value: Bencode.Value): boolean =>
  (isBytes(value) || isContainer(value)) && isFaithful(value)

const isContainer = (value: Bencode.Value): boolean => isList(value) || isDictionary(value)

const isFaithful = (value: Bencode.Value): boolean => {
  if (isBytes(value)) return true
  if (isList(value)) return value.every(isFaithful)
  if (isDictionary(value)) return Object.keys(value).every((key) => isPlainKey(key) && isFaithful(value[key]!))
  return typeof value === "number"
}

const isPlainKey = (key: string): boolean => !(key in Object.prototype) && Array.from(key).every((c) => c < "\u0080")

/** Whether `v` was spelled canonically. Only dictionaries have a second spelling that decodes. */
const isCanonical = (v: Bencode.Value, root: Bencode.Dictionary, datagram: Uint8Array): boolean =>
  isBytes(v) || Buffer.compare(Bencode.encode(root), datagram) === 0

/** The value of a `put`: present, in its only spelling, carriable, and of at most {@link VALUE_MAX_BYTES}. */
export const refuseValue = (
  v: Bencode.Value | undefined,
  root: Bencode.Dictionary,
  datagram: Uint8Array
): Refusal | undefined => {
  if (v === undefined) return protocolError("`put` misses `v`")
  if (!isBytes(v) && !isContainer(v)) return protocolError("this node stores strings, lists and dictionaries only")
  if (encodedLength(v) > VALUE_MAX_BYTES) return { code: ErrorCode.valueTooBig, text: "message (v field) too big" }
  if (!isCanonical(v, root, datagram)) return protocolError("`v` is not canonical bencode")
  if (!isCarriable(v)) return protocolError("this node cannot keep `v` byte for byte")
  return undefined
}

/** The fields of a `put` that make its item mutable: `k`, `sig` and `seq` together, `salt` and `cas` at will; or none. */
export const refuseMutable = (a: Bencode.Dictionary): Refusal | undefined => {
  const { k, sig, seq, salt, cas } = a
  if (salt !== undefined) {
    if (!isBytes(salt)) return protocolError("`salt` is not a string")
    if (salt.length > SALT_MAX_BYTES) return { code: ErrorCode.saltTooBig, text: "salt too big" }
  }
  if (cas !== undefined && !isSequence(cas)) return protocolError("`cas` is not an integer this node can compare")
  if (seq !== undefined && !isSequence(seq)) return protocolError("`seq` is not an integer this node can compare")
  if (k === undefined && sig === undefined) {
    const isImmutable = salt === undefined && cas === undefined && seq === undefined
    return isImmutable ? undefined : protocolError("`salt`, `seq` and `cas` need `k` and `sig`")
  }
  if (seq === undefined) return protocolError("`put` of a mutable item misses `seq`")
  if (!isBytesOfLength(k, PUBLIC_KEY_BYTES)) return protocolError("`k` is not a string of 32 bytes")
  if (!isBytes(sig)) return protocolError("`sig` is not a string")
  return sig.length === SIGNATURE_BYTES && isStrongPoint(k) ? undefined : SIGNATURE_REFUSED
}

/**
 * What may be kept of the item in a reply: all of it, `seq` alone (an answer to `get` with `seq`),
 * or nothing. `undefined` when there is something and it is refused.
 */
export const replyItem = (
  r: Bencode.Dictionary,
  root: Bencode.Dictionary,
  datagram: Uint8Array
): Bencode.Dictionary | undefined => {
  const { v, k, sig, seq } = r
  if (v === undefined) {
    if (k !== undefined || sig !== undefined) return undefined
    return seq === undefined ? {} : isSequence(seq) ? { seq } : undefined
  }
  const isSigned = k !== undefined || sig !== undefined
  const limit = isSigned ? SIGNED_REPLY_VALUE_MAX_BYTES : VALUE_MAX_BYTES
  if (!isCarriable(v) || encodedLength(v) > limit || !isCanonical(v, root, datagram)) return undefined
  if (!isSigned) return { v }
  return isBytesOfLength(k, PUBLIC_KEY_BYTES) &&
    isBytesOfLength(sig, SIGNATURE_BYTES) &&
    isSequence(seq) &&
    isStrongPoint(k)
    ? { v, k, sig, seq }
    : undefined
}
