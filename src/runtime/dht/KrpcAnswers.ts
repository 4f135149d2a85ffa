/**
 * Replies on their way out. The library answers `ping`, `find_node`, `get_peers` and `announce_peer` soundly (BEP 5)
 * but for two things: a reply may be too long for any network, and it does not say whom it is for (BEP 42). And a
 * reply of anybody's, to a query that may have been forged, may have to be cut down to what the query is worth.
 */
import * as Result from "effect/Result"
import * as Bencode from "../../protocol/core/Bencode.ts"
import type { Asker } from "./KrpcAddresses.ts"
import { ErrorCode, NODES_MAX, PEERS_MAX } from "../../protocol/dht/client/Krpc.ts"
import {
  ASKER_BYTES,
  COMPACT_NODE_BYTES,
  COMPACT_PEER_BYTES,
  encodeFailure,
  encodeResponse,
  isBytes,
  isDictionary,
  isList,
  type Query,
  UNFRAGMENTED_BYTES,
  withAsker
} from "./KrpcMessage.ts"

const EMPTY = new Uint8Array(0)

/** The datagram to send in place of `reply`, which the library gave to `query` that came from `asker`. */
export const finish = (reply: Uint8Array, { transactionId }: Query, asker: Asker): Uint8Array =>
  withAsker(
    reply.length + ASKER_BYTES > UNFRAGMENTED_BYTES ? shortened(reply, transactionId) : reply,
    transactionId,
    asker
  )

const shortened = (reply: Uint8Array, transactionId: Uint8Array): Uint8Array => {
  const decoded = Bencode.decode(reply)
  const values = Result.isSuccess(decoded) && isDictionary(decoded.success) ? decoded.success["r"] : undefined
  return isDictionary(values) ? encodeResponse(transactionId, trim(values)) : reply
}

/** The library lists every node it knows, and every peer: keeps the closest nodes (they come first) and some peers. */
const trim = (values: Bencode.Dictionary): Bencode.Dictionary => {
  const { nodes, values: peers } = values
  return {
    ...values,
    ...(isBytes(nodes) ? { nodes: nodes.subarray(0, NODES_MAX * COMPACT_NODE_BYTES) } : {}),
    ...(isList(peers) ? { values: peers.slice(0, PEERS_MAX) } : {})
  }
}

/** `6:` before each peer in a list. */
const PEER_BYTES = COMPACT_PEER_BYTES + 2

/** Of what a short reply has room for, the part that peers may take: the asker has to get on with its search too. */
const PEERS_SHARE = 0.5

/** The length of a list of nodes has two digits more than that of an empty one, at most three. */
const LENGTH_DIGITS_MAX = 2

/**
 * A reply in at most `room` bytes, where that is possible: without an item, with as many nodes and peers as fit; an
 * error without its text. Whoever asks can go on with it, and ask again under a token that shows that it is there.
 * `reply` is one of ours under `transactionId`, and names its receiver already.
 */
export const shrink = (reply: Uint8Array, transactionId: Uint8Array, asker: Asker, room: number): Uint8Array => {
  const decoded = Bencode.decode(reply)
  if (Result.isFailure(decoded) || !isDictionary(decoded.success)) return reply
  const { e, r } = decoded.success
  if (isList(e)) {
    const code = typeof e[0] === "number" ? e[0] : ErrorCode.generic
    return withAsker(encodeFailure(transactionId, code, ""), transactionId, asker)
  }
  return isDictionary(r) ? withAsker(shrunk(r, transactionId, room - ASKER_BYTES), transactionId, asker) : reply
}

const shrunk = ({ id, nodes, token, values }: Bencode.Dictionary, t: Uint8Array, room: number): Uint8Array => {
  const least: Bencode.Dictionary = {
    ...(isBytes(id) ? { id } : {}),
    ...(isBytes(nodes) ? { nodes: EMPTY } : {}),
    ...(isBytes(token) ? { token } : {}),
    ...(isList(values) ? { values: [] } : {})
  }
  const left = Math.max(0, room - encodeResponse(t, least).length - LENGTH_DIGITS_MAX)
  const peers = isList(values) ? values.slice(0, Math.floor((left * PEERS_SHARE) / PEER_BYTES)) : []
  const nodeCount = Math.floor((left - peers.length * PEER_BYTES) / COMPACT_NODE_BYTES)
  return encodeResponse(t, {
    ...least,
    ...(isBytes(nodes) ? { nodes: nodes.subarray(0, nodeCount * COMPACT_NODE_BYTES) } : {}),
    ...(isList(values) ? { values: peers } : {})
  })
}
