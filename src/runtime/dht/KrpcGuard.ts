/**
 * The guard before the DHT library: looks at one datagram and decides whether the library may see it,
 * in which form, or which KRPC error answers it. Pure, no socket, no clock.
 *
 * One malformed packet ends a process that runs bittorrent-dht 11 bare. What passes here is exactly
 * BEP 5 and BEP 44 in types, lengths and ranges, and is encoded afresh from known fields.
 */
import * as Result from "effect/Result"
import * as Bencode from "../../protocol/core/Bencode.ts"
import type { Refusal } from "./KrpcItem.ts"
import { ErrorCode } from "../../protocol/dht/client/Krpc.ts"
import { encodeFailure, isBytes, isDictionary, type Message } from "./KrpcMessage.ts"
import * as KrpcQuery from "./KrpcQuery.ts"
import * as KrpcReply from "./KrpcReply.ts"

/** A reply of a bare bittorrent-dht node with 600 contacts or 2,000 peers; nothing sound is longer. */
export const REPLY_MAX_BYTES = 16_384

/** Room for a `put` three times over its limit, which still gets its error 205; the longest valid one has about 1,300. */
export const QUERY_MAX_BYTES = 4_096

/** libtorrent's limit for DHT messages (`dht_tracker.cpp`, `bdecode` with depth 10). */
export const DEPTH_MAX = 10

/** BEP 5: "a short string". Most use 2 to 4 bytes, some 8 or 20; a longer one is dropped rather than echoed. */
export const TRANSACTION_ID_MAX_BYTES = 32

export type DropReason =
  | "oversize"
  | "not-bencode"
  | "not-dictionary"
  | "hostile-key"
  | "bad-transaction-id"
  | "bad-type"
  | "bad-response"

export type AnswerReason = "bad-arguments" | "unknown-method" | "value-too-big" | "invalid-signature" | "salt-too-big"

export type Verdict =
  /** The library may see it, as `KrpcMessage.encode` writes it. `ignored` names the parts left out. */
  | { readonly _tag: "Accept"; readonly message: Message; readonly ignored: ReadonlyArray<KrpcReply.Ignored> }
  /** A query that the library must not see; `reply` is the KRPC error to send back. */
  | {
      readonly _tag: "Answer"
      readonly reason: AnswerReason
      readonly code: ErrorCode
      /** Without the address of the asker: see `KrpcMessage.withAsker`. */
      readonly reply: Uint8Array
      readonly transactionId: Uint8Array
    }
  | { readonly _tag: "Drop"; readonly reason: DropReason }

const drop = (reason: DropReason): Verdict => ({ _tag: "Drop", reason })

const reasonOf = (code: ErrorCode): AnswerReason => {
  switch (code) {
    case ErrorCode.methodUnknown:
      return "unknown-method"
    case ErrorCode.valueTooBig:
      return "value-too-big"
    case ErrorCode.invalidSignature:
      return "invalid-signature"
    case ErrorCode.saltTooBig:
      return "salt-too-big"
    default:
      return "bad-arguments"
  }
}

const answer = (transactionId: Uint8Array, { code, text }: Refusal): Verdict => ({
  _tag: "Answer",
  reason: reasonOf(code),
  code,
  reply: encodeFailure(transactionId, code, text),
  transactionId
})

/** No node has a reason to name one of its fields so; a plain object as dictionary would change its prototype. */
const isHostile = (value: Bencode.Value | undefined): boolean => isDictionary(value) && "__proto__" in value

const DICTIONARY = "d".charCodeAt(0)
const END = "e".charCodeAt(0)

const decodeOptions: Bencode.Options = {
  maxBytes: REPLY_MAX_BYTES,
  maxDepth: DEPTH_MAX,
  // Some nodes in the wild do not sort. What is signed (`v`) must be canonical nevertheless: see KrpcItem.
  canonicalKeys: false
}

/** The character of `y`, or `undefined`. */
const typeOf = (y: Bencode.Value | undefined): string | undefined =>
  isBytes(y) && y.length === 1 ? String.fromCharCode(y[0]!) : undefined

/** `from` is the IPv4 address of the sender: one from the Internet must not name machines of the local network. */
export const inspect = (datagram: Uint8Array, from = "127.0.0.1"): Verdict => {
  if (datagram.length > REPLY_MAX_BYTES) return drop("oversize")
  if (datagram[0] !== DICTIONARY || datagram[datagram.length - 1] !== END) return drop("not-dictionary")
  const root = Bencode.decodeOrNothing(datagram, decodeOptions)
  if (root === undefined) return drop("not-bencode")
  if (!isDictionary(root)) return drop("not-dictionary")
  if (isHostile(root) || isHostile(root["a"]) || isHostile(root["r"])) return drop("hostile-key")
  const { t } = root
  if (!isBytes(t) || t.length === 0 || t.length > TRANSACTION_ID_MAX_BYTES) return drop("bad-transaction-id")
  switch (typeOf(root["y"])) {
    case "q":
      return inspectQuery(root, t, datagram)
    case "r": {
      const ignored: Array<KrpcReply.Ignored> = []
      const message = KrpcReply.parseResponse(root, t, datagram, from, ignored)
      return message === undefined ? drop("bad-response") : { _tag: "Accept", message, ignored }
    }
    case "e": {
      const ignored: Array<KrpcReply.Ignored> = []
      return { _tag: "Accept", message: KrpcReply.parseFailure(root, t, ignored), ignored }
    }
    default:
      return drop("bad-type")
  }
}

const inspectQuery = (root: Bencode.Dictionary, transactionId: Uint8Array, datagram: Uint8Array): Verdict => {
  if (datagram.length > QUERY_MAX_BYTES) return drop("oversize")
  const query = KrpcQuery.parse(root, transactionId, datagram)
  return Result.isSuccess(query)
    ? { _tag: "Accept", message: query.success, ignored: [] }
    : answer(transactionId, query.failure)
}
