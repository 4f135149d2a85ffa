/**
 * Replies (BEP 5 "Responses", "Errors"; BEP 44 reply to `get`). A reply that lacks its core is
 * dropped; a field that is broken or useless is left out, so that the rest still serves the lookup.
 */
import type * as Bencode from "../../protocol/core/Bencode.ts"
import { COMPACT_ADDRESS_BYTES, hostAt, isPublicHost, isReachable, portAt } from "./KrpcAddresses.ts"
import { replyItem } from "./KrpcItem.ts"
import { ErrorCode, NODES_MAX, PEERS_MAX } from "../../protocol/dht/client/Krpc.ts"
import {
  COMPACT_NODE_BYTES,
  COMPACT_PEER_BYTES,
  type Failure,
  isBytes,
  isBytesOfLength,
  isDictionary,
  isList,
  NODE_ID_BYTES,
  type Response
} from "./KrpcMessage.ts"
import { isToken } from "./KrpcQuery.ts"

/** A part of a reply that was left out. */
export type Ignored =
  | "ignored-nodes"
  | "ignored-values"
  | "ignored-item"
  | "ignored-token"
  | "ignored-ip"
  | "ignored-error-shape"

/** What `ip` has from a node that sees us over IPv6, which this node does not speak (BEP 42): 16 bytes and a port. */
const COMPACT_IPV6_BYTES = 18

/** Longer error texts are cut. */
export const ERROR_TEXT_MAX_BYTES = 256

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
    if (kept.length === PEERS_MAX) break
    if (isBytesOfLength(value, COMPACT_PEER_BYTES) && isReachable(value, 0, fromPublic)) kept.push(value)
  }
  return kept
}

/** BEP 42: the address that the sender saw. One in the open Internet cannot see us at a local one. */
const externalAddressIn = (
  { ip }: Bencode.Dictionary,
  fromPublic: boolean,
  ignored: Array<Ignored>
): Response["externalAddress"] => {
  if (ip === undefined) return undefined
  if (isBytesOfLength(ip, COMPACT_ADDRESS_BYTES) && isReachable(ip, 0, fromPublic)) {
    return { host: hostAt(ip, 0), port: portAt(ip, 0) }
  }
  if (!isBytesOfLength(ip, COMPACT_IPV6_BYTES)) ignored.push("ignored-ip")
  return undefined
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
  const fromPublic = isPublicHost(from)
  const { id, nodes, values, token } = r
  const kept: { [key: string]: Bencode.Value } = { id }
  if (nodes !== undefined) {
    if (isBytes(nodes) && nodes.length % COMPACT_NODE_BYTES === 0) kept["nodes"] = keepNodes(nodes, fromPublic)
    else ignored.push("ignored-nodes")
  }
  if (values !== undefined) {
    const usable = isList(values) ? keepValues(values, fromPublic) : []
    if (usable.length > 0) kept["values"] = usable
    else if (!isList(values) || values.length > 0) ignored.push("ignored-values")
  }
  if (token !== undefined) {
    if (isToken(token)) kept["token"] = token
    else ignored.push("ignored-token")
  }
  const item = replyItem(r, root, datagram)
  if (item === undefined) ignored.push("ignored-item")
  const externalAddress = externalAddressIn(root, fromPublic, ignored)
  return { _tag: "Response", transactionId, values: { ...kept, ...item }, externalAddress }
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
