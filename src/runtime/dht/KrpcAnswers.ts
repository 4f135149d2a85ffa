/**
 * Replies on their way out. The library answers soundly in most cases; here are the three in which it
 * departs from BEP 5 and BEP 44: a record put again is an error to it, a `get` that names the seq it
 * has is sent the record all the same, and a reply may be too long for any network.
 */
import * as Result from "effect/Result"
import * as Bencode from "../../protocol/core/Bencode.ts"
import { isSequence } from "./KrpcItem.ts"
import {
  COMPACT_NODE_BYTES,
  encodeResponse,
  ErrorCode,
  isBytes,
  isDictionary,
  isList,
  NODE_ID_BYTES,
  NODES_MAX,
  type Query,
  UNFRAGMENTED_BYTES,
  VALUES_MAX
} from "./KrpcMessage.ts"

/** As many as the library stores values by default (`maxValues`). */
export const REMEMBERED_PUTS_MAX = 1_000

/** How the library's messages begin; its dictionaries are sorted. */
const RESPONSE = Buffer.from(`d1:rd2:id${NODE_ID_BYTES}:`, "latin1")
const SEQ_TOO_LOW = Buffer.from(`d1:eli${ErrorCode.seqTooLow}e`, "latin1")

const startsWith = (bytes: Buffer, start: Buffer): boolean =>
  bytes.length >= start.length && bytes.compare(start, 0, start.length, 0, start.length) === 0

const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1")

/** `k` ‖ `salt` and `sig` of a mutable put. The signature covers seq and value: the same one is the same record. */
const recordOf = ({ k, salt, sig }: Bencode.Dictionary): readonly [string, string] | undefined =>
  isBytes(k) && isBytes(sig) ? [latin1(k) + (isBytes(salt) ? latin1(salt) : ""), latin1(sig)] : undefined

export class KrpcAnswers {
  /** Signature of the record last stored, by key and salt, oldest first. */
  readonly #stored = new Map<string, string>()
  /** Known as soon as anything is stored. */
  #ownId = new Uint8Array(NODE_ID_BYTES)

  /** The datagram to send in place of `reply`, which the library gave to `query`. */
  finish(reply: Buffer, query: Query): Uint8Array {
    if (query.method === "put") return this.#finishPut(reply, query)
    if (!startsWith(reply, RESPONSE)) return reply
    const knownSeq = query.method === "get" ? query.args["seq"] : undefined
    if (reply.length <= UNFRAGMENTED_BYTES && knownSeq === undefined) return reply
    const decoded = Bencode.decode(reply)
    const values = Result.isSuccess(decoded) && isDictionary(decoded.success) ? decoded.success["r"] : undefined
    return isDictionary(values) ? encodeResponse(query.transactionId, trim(withoutKnown(values, knownSeq))) : reply
  }

  /** BEP 44: the record that is there, put once more, is stored, not refused. */
  #finishPut(reply: Buffer, query: Query): Uint8Array {
    const record = recordOf(query.args)
    if (record === undefined) return reply
    const [name, signature] = record
    if (startsWith(reply, SEQ_TOO_LOW) && this.#stored.get(name) === signature) {
      return encodeResponse(query.transactionId, { id: this.#ownId })
    }
    if (startsWith(reply, RESPONSE)) {
      this.#ownId = new Uint8Array(reply.subarray(RESPONSE.length, RESPONSE.length + NODE_ID_BYTES))
      this.#remember(name, signature)
    }
    return reply
  }

  #remember(name: string, signature: string): void {
    this.#stored.delete(name)
    if (this.#stored.size >= REMEMBERED_PUTS_MAX) {
      for (const oldest of this.#stored.keys()) {
        this.#stored.delete(oldest)
        break
      }
    }
    this.#stored.set(name, signature)
  }
}

/** BEP 44: to a `get` that names a seq, nothing older or equal is sent; its seq says so. */
const withoutKnown = (values: Bencode.Dictionary, knownSeq: Bencode.Value | undefined): Bencode.Dictionary => {
  const { v: _v, k: _k, sig: _sig, ...rest } = values
  return isSequence(knownSeq) && isSequence(values["seq"]) && values["seq"] <= knownSeq ? rest : values
}

/** The library lists every node it knows, and every peer: keeps the closest nodes (they come first) and some peers. */
const trim = (values: Bencode.Dictionary): Bencode.Dictionary => {
  const { nodes, values: peers } = values
  return {
    ...values,
    ...(isBytes(nodes) ? { nodes: nodes.subarray(0, NODES_MAX * COMPACT_NODE_BYTES) } : {}),
    ...(isList(peers) ? { values: peers.slice(0, VALUES_MAX) } : {})
  }
}
