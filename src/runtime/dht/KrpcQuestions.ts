/**
 * The client's questions as KRPC queries (BEP 5 "DHT Queries", BEP 44 `get` and `put`), and the checked
 * replies of the guard as the client's answers.
 *
 * What the guard hands on are views into datagrams; what leaves here are copies.
 */
import * as Bencode from "../../protocol/core/Bencode.ts"
import {
  type Answer,
  type Contact,
  ErrorCode,
  FOREIGN_VALUE_MAX_BYTES,
  type GivenItem,
  NODES_MAX,
  PEERS_MAX,
  type Question
} from "../../protocol/dht/client/Krpc.ts"
import * as NodeId from "../../protocol/dht/client/NodeId.ts"
import * as Record from "../../protocol/dht/Record.ts"
import { COMPACT_NODE_BYTES, isBytes, isBytesOfLength, isList, NODE_ID_BYTES } from "./KrpcMessage.ts"
import type { Request } from "./KrpcRequests.ts"
import { peerName, type Reply } from "./KrpcTransactions.ts"

/** The query that asks a question; `id` is this node's own. */
export const write = (question: Question, id: Uint8Array): Request => {
  switch (question._tag) {
    case "FindNode":
      return { method: "find_node", args: { id, target: NodeId.toBytes(question.target) } }
    case "Get":
      return { method: "get", args: { id, target: NodeId.toBytes(question.target) } }
    case "GetPeers":
      return { method: "get_peers", args: { id, info_hash: NodeId.toBytes(question.target) } }
    case "PutImmutable": {
      const { token, value } = question
      return { method: "put", args: { id, token, v: value } }
    }
    case "PutMutable": {
      const { cas, publicKey, salt, seq, signature, token, value } = question
      const args = { id, k: publicKey, seq, sig: signature, token, v: value }
      // An empty salt is no salt (BEP 44): it is not signed either.
      const salted = salt.length === 0 ? args : { ...args, salt }
      return { method: "put", args: cas === undefined ? salted : { ...salted, cas } }
    }
    case "AnnouncePeer": {
      const { port, target, token } = question
      return { method: "announce_peer", args: { id, implied_port: 0, info_hash: NodeId.toBytes(target), port, token } }
    }
  }
}

/** Address and port of a contact at `offset` (BEP 5 "Contact Encoding"); `undefined` with port 0. */
const addressAt = (bytes: Uint8Array, offset: number): string | undefined => {
  const port = (bytes[offset + 4]! << 8) | bytes[offset + 5]!
  if (port === 0) return undefined
  return peerName(`${bytes[offset]}.${bytes[offset + 1]}.${bytes[offset + 2]}.${bytes[offset + 3]}`, port)
}

const readNodes = (compact: Uint8Array, isOwn: (id: NodeId.NodeId) => boolean): ReadonlyArray<Contact> => {
  const nodes: Array<Contact> = []
  for (let at = 0; at + COMPACT_NODE_BYTES <= compact.length && nodes.length < NODES_MAX; at += COMPACT_NODE_BYTES) {
    const address = addressAt(compact, at + NODE_ID_BYTES)
    if (address === undefined) continue
    const id = NodeId.fromBytes(compact.subarray(at, at + NODE_ID_BYTES))
    if (!isOwn(id)) nodes.push({ id, address })
  }
  return nodes
}

const readPeers = (values: ReadonlyArray<Bencode.Value>): ReadonlyArray<string> => {
  const peers: Array<string> = []
  for (const value of values) {
    if (peers.length === PEERS_MAX) break
    const address = isBytes(value) ? addressAt(value, 0) : undefined
    if (address !== undefined) peers.push(address)
  }
  return peers
}

const copyOf = (bytes: Uint8Array): Uint8Array => Uint8Array.from(bytes)

const readItem = ({ k, seq, sig, v }: Bencode.Dictionary): GivenItem | undefined => {
  if (v === undefined) return undefined
  if (!isBytes(k) || !isBytes(sig) || typeof seq !== "number") {
    return isBytes(v) && v.length <= FOREIGN_VALUE_MAX_BYTES ? { _tag: "Immutable", value: copyOf(v) } : undefined
  }
  const signed = { publicKey: copyOf(k), seq, signature: copyOf(sig) }
  return isBytes(v) && v.length <= Record.VALUE_MAX_BYTES
    ? { _tag: "Mutable", ...signed, value: copyOf(v) }
    : { _tag: "Foreign", ...signed, bencoded: Bencode.encode(v) }
}

const NOBODY: ReadonlyArray<never> = []

/** A reply without an id, which the guard lets nobody give. */
const NAMELESS: Answer = { _tag: "Refused", code: ErrorCode.protocol, text: "the reply has no id" }

const textDecoder = new TextDecoder("utf-8")

/** Controls, formats, surrogates, private use, unassigned, line and paragraph separators. */
const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}]/gu

/** A stranger's words stand in messages to the user: nothing in them may act on a terminal. */
const textOf = (bytes: Uint8Array): string => textDecoder.decode(bytes).replace(UNPRINTABLE, "\u{FFFD}")

/** What a node said. Nodes that cannot be reached, and this node itself (`isOwn`), are left out. */
export const read = (reply: Reply, isOwn: (id: NodeId.NodeId) => boolean): Answer => {
  if (reply._tag === "Failure") return { _tag: "Refused", code: reply.code, text: textOf(reply.text) }
  const { id, nodes, token, values } = reply.values
  if (!isBytesOfLength(id, NODE_ID_BYTES)) return NAMELESS
  return {
    _tag: "Found",
    id: NodeId.fromBytes(id),
    token: isBytes(token) ? copyOf(token) : undefined,
    nodes: isBytes(nodes) ? readNodes(nodes, isOwn) : NOBODY,
    item: readItem(reply.values),
    peers: isList(values) ? readPeers(values) : NOBODY
  }
}
