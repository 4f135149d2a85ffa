/**
 * Replies (BEP 5 "Responses", "Errors"; BEP 44 reply to `get`). A reply that lacks its core is
 * dropped; a field that is broken or useless is left out, so that the rest still serves the lookup.
 */
import type * as Bencode from "../../protocol/core/Bencode.ts"
import { replyItem } from "./KrpcItem.ts"
import {
  COMPACT_NODE_BYTES,
  COMPACT_PEER_BYTES,
  ErrorCode,
  type Failure,
  isBytes,
  isBytesOfLength,
  isDictionary,
  isList,
  NODE_ID_BYTES,
  NODES_MAX,
  type Response,
  VALUES_MAX
} from "./KrpcMessage.ts"
import { isToken } from "./KrpcQuery.ts"

/** A part of a reply that was left out. */
export type Ignored = "ignored-nodes" | "ignored-values" | "ignored-item" | "ignored-token" | "ignored-error-shape"

/** Longer error texts are cut. */
export const ERROR_TEXT_MAX_BYTES = 256

/** Whether an IPv4 address, given by its first two bytes, belongs to a private or local network (RFC 6890). */
const isLocal = (first: number, second: number): boolean =>
  first === 10 ||
  first === 127 ||
  (first === 100 && (second & 0xc0) === 64) ||
  (first === 169 && second === 254) ||
  (first === 172 && (second & 0xf0) === 16) ||
  (first === 192 && second === 168)

/** "This network", multicast, reserved and broadcast (RFC 6890): never a node or peer. */
const isUnusable = (first: number): boolean => first === 0 || first >= 224

/**
 * Whether `host` is in the open Internet. Such a sender must not point us at machines of our own network.
 */
const isPublicHost = (host: string): boolean => {
  const [first, second] = host.split(".").map(Number)
  return first !== undefined && second !== undefined && !isLocal(first, second)
}

/** Reads the address and port of a contact at `offset`: port not 0, and an address that this sender may name. */
const isReachable = (bytes: Uint8Array, offset: number, fromPublic: boolean): boolean => {
  const first = bytes[offset]!
  if (isUnusable(first) || (fromPublic && isLocal(first, bytes[offset + 1]!))) return false
  return bytes[offset + 4] !== 0 || bytes[offset + 5] !== 0
}

const keepNodes = (nodes: Uint8Array, fromPublic: boolean): Uint8Array => {
  const kept = new Uint8Array(Math.min(nodes.length, NODES_MAX * COMPACT_NODE_BYTES))
  let length = 0
  for (let at = 0; at < nodes.length && length < kept.length; at += COMPACT_NODE_BYTES) {
    if (!isReachable(nodes, at + NODE_ID_BYTES, fromPublic)) continue
    kept.set(nodes.subarray(at, at + COMPACT_NODE_BYTES), length)
    length += COMPACT_NODE_BYTES
  }
  return kept.subarray(0, length)
}

const keepValues = (values: ReadonlyArray<Bencode.Value>, fromPublic: boolean): ReadonlyArray<Bencode.Value> => {
  const kept: Array<Uint8Array> = []
  for (const value of values) {
    if (kept.length === VALUES_MAX) break
    if (isBytesOfLength(value, COMPACT_PEER_BYTES) && isReachable(value, 0, fromPublic)) kept.push(value)
  }
  return kept
}

/**
 * `undefined` unless there is a dictionary `r` with the sender's id. `from` is the sender's IPv4
 * address; `ignored` collects what was left out.
 */
export const parseResponse = (
  root: Bencode.Dictionary,
  transactionId: Uint8Array,
  datagram: Uint8Array,
  from: string,
  ignored: Array<Ignored>
): Response | undefined => {
  const { r } = root
  if (!isDictionary(r) || !isBytesOfLength(r["id"], NODE_ID_BYTES)) return undefined
  const { id, nodes, values, token } = r
  const kept: { [key: string]: Bencode.Value } = { id }
  if (nodes !== undefined) {
    if (isBytes(nodes) && nodes.length % COMPACT_NODE_BYTES === 0) kept["nodes"] = keepNodes(nodes, isPublicHost(from))
    else ignored.push("ignored-nodes")
  }
  if (values !== undefined) {
    const usable = isList(values) ? keepValues(values, isPublicHost(from)) : []
    if (usable.length > 0) kept["values"] = usable
    else if (!isList(values) || values.length > 0) ignored.push("ignored-values")
  }
  if (token !== undefined) {
    if (isToken(token)) kept["token"] = token
    else ignored.push("ignored-token")
  }
  const item = replyItem(r, root, datagram)
  if (item === undefined) ignored.push("ignored-item")
  return { _tag: "Response", transactionId, values: { ...kept, ...item } }
}

/** Any odd shape becomes a generic error: the query that it answers is over all the same. */
export const parseFailure = (root: Bencode.Dictionary, transactionId: Uint8Array, ignored: Array<Ignored>): Failure => {
  const { e } = root
  if (isList(e) && typeof e[0] === "number" && isBytes(e[1])) {
    return { _tag: "Failure", transactionId, code: e[0], text: e[1].subarray(0, ERROR_TEXT_MAX_BYTES) }
  }
  ignored.push("ignored-error-shape")
  return { _tag: "Failure", transactionId, code: ErrorCode.generic, text: new Uint8Array(0) }
}
