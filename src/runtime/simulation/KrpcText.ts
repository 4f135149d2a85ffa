/**
 * KRPC datagrams (BEP 5, BEP 44) as the trace of a simulation shows them: `get 3fa2c1`, `value 3fa2c1 seq 4`,
 * `nodes 8`, `put 3fa2c1 seq 4`, `stored`, `error 302`. Whatever the bytes are, there is a text for them.
 */
import * as Hex from "effect/encoding/Hex"
import * as Result from "effect/Result"
import * as Bencode from "../../protocol/core/Bencode.ts"
import { sha1 } from "../../protocol/core/Digest.ts"
import { COMPACT_NODE_BYTES, isBytes, isDictionary, isList } from "../dht/KrpcMessage.ts"
import { DEPTH_MAX, REPLY_MAX_BYTES } from "../dht/KrpcGuard.ts"

/** Hex digits of a target that a person can compare at a glance. */
const SHORT_DIGITS = 6

/** A query, as far as its reply has to do with it. */
export interface Asked {
  /** `t`, one character a byte. */
  readonly transactionId: string
  readonly method: string
  /** What it is about, in hex; of a `put` the place of its item. Empty where it is about nothing. */
  readonly target: string
  readonly args: Bencode.Dictionary
}

/** `asked` of a query, `root` of a reply. */
export interface Message {
  readonly bytes: Uint8Array
  readonly text: string
  readonly asked?: Asked
  readonly root?: Bencode.Dictionary
}

const latin1 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1")

const textOf = (value: Bencode.Value | undefined): string => (isBytes(value) ? latin1(value) : "")

const seqOf = (value: Bencode.Value | undefined): string => (typeof value === "number" ? ` seq ${value}` : "")

/** The transaction of a message, as in {@link Asked}. */
export const transactionOf = (root: Bencode.Dictionary): string => textOf(root["t"])

const placeOf = ({ k, salt, v }: Bencode.Dictionary): string => {
  if (isBytes(k)) return Hex.encode(sha1(isBytes(salt) ? Buffer.concat([k, salt]) : k))
  return v === undefined ? "" : Hex.encode(sha1(Bencode.encode(v)))
}

const targetOf = (method: string, args: Bencode.Dictionary): string => {
  if (method === "put") return placeOf(args)
  const target = args["target"] ?? args["info_hash"]
  return isBytes(target) ? Hex.encode(target) : ""
}

const query = (bytes: Uint8Array, root: Bencode.Dictionary): Message => {
  const method = textOf(root["q"])
  const args = isDictionary(root["a"]) ? root["a"] : {}
  const target = targetOf(method, args)
  const about = target === "" ? "" : ` ${target.slice(0, SHORT_DIGITS)}`
  const seq = method === "put" ? seqOf(args["seq"]) : ""
  return { bytes, text: `${method}${about}${seq}`, asked: { transactionId: transactionOf(root), method, target, args } }
}

const DONE: { readonly [method: string]: string } = { put: "stored", announce_peer: "announced", ping: "pong" }

const answerText = (values: Bencode.Dictionary, asked: Asked | undefined): string => {
  const { nodes, seq, v, values: peers } = values
  if (v !== undefined) return `value ${asked?.target.slice(0, SHORT_DIGITS) ?? ""}${seqOf(seq)}`
  if (isList(peers)) return `peers ${peers.length}`
  if (isBytes(nodes)) return `nodes ${Math.floor(nodes.length / COMPACT_NODE_BYTES)}`
  return DONE[asked?.method ?? ""] ?? "answer"
}

/** The text of a reply to the query. */
export const replyText = (root: Bencode.Dictionary, asked: Asked | undefined): string => {
  const { e, r } = root
  if (isDictionary(r)) return answerText(r, asked)
  return isList(e) && typeof e[0] === "number" ? `error ${e[0]}` : "no message"
}

const decodeOptions: Bencode.Options = { maxBytes: REPLY_MAX_BYTES, maxDepth: DEPTH_MAX, canonicalKeys: false }

/** Reads a datagram. `askedBy` gives the query that a reply with this transaction id is to. */
export const read = (bytes: Uint8Array, askedBy: (transactionId: string) => Asked | undefined): Message => {
  const decoded = Bencode.decode(bytes, decodeOptions)
  if (Result.isFailure(decoded) || !isDictionary(decoded.success)) return { bytes, text: `${bytes.length} bytes` }
  const root = decoded.success
  if (textOf(root["y"]) === "q") return query(bytes, root)
  return { bytes, text: replyText(root, askedBy(transactionOf(root))), root }
}
