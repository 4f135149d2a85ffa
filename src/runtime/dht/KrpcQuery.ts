/**
 * Queries (BEP 5 "DHT Queries", BEP 44 `get` and `put`): every argument that the library touches is
 * checked for type, length and range here, and everything else is left out.
 */
import * as Result from "effect/Result"
import type * as Bencode from "../../protocol/core/Bencode.ts"
import { isSequence, type Refusal, refuseMutable, refuseValue } from "./KrpcItem.ts"
import { ErrorCode } from "../../protocol/dht/client/Krpc.ts"
import { isBytes, isBytesOfLength, isDictionary, type Method, NODE_ID_BYTES, type Query } from "./KrpcMessage.ts"

/** Ours has 20; others 4 to 20. A longer one only makes us carry another's luggage. */
export const TOKEN_MAX_BYTES = 64

const PORT_MAX = 65_535

type Arguments = Result.Result<Bencode.Dictionary, Refusal>

const refuse = (text: string): Result.Result<never, Refusal> => Result.fail({ code: ErrorCode.protocol, text })

export const isToken = (value: Bencode.Value | undefined): value is Uint8Array =>
  isBytes(value) && value.length > 0 && value.length <= TOKEN_MAX_BYTES

interface Context {
  readonly root: Bencode.Dictionary
  readonly datagram: Uint8Array
}

const findNode = ({ target }: Bencode.Dictionary): Arguments =>
  isBytesOfLength(target, NODE_ID_BYTES) ? Result.succeed({ target }) : refuse("`target` is not a string of 20 bytes")

const getPeers = ({ info_hash }: Bencode.Dictionary): Arguments =>
  isBytesOfLength(info_hash, NODE_ID_BYTES)
    ? Result.succeed({ info_hash })
    : refuse("`info_hash` is not a string of 20 bytes")

const announcePeer = (a: Bencode.Dictionary): Arguments => {
  const { info_hash, token, port, implied_port = 0 } = a
  if (!isBytesOfLength(info_hash, NODE_ID_BYTES)) return refuse("`info_hash` is not a string of 20 bytes")
  if (!isToken(token)) return refuse("`token` is missing or not a string")
  if (typeof implied_port !== "number") return refuse("`implied_port` is not 0 or 1")
  // With an implied port the stated one is ignored, whatever it is (BEP 5).
  if (implied_port !== 0) return Result.succeed({ implied_port: 1, info_hash, token })
  if (typeof port !== "number" || port < 1 || port > PORT_MAX) return refuse("`port` is not from 1 to 65535")
  return Result.succeed({ info_hash, port, token })
}

const get = ({ target, seq }: Bencode.Dictionary): Arguments => {
  if (!isBytesOfLength(target, NODE_ID_BYTES)) return refuse("`target` is not a string of 20 bytes")
  if (seq === undefined) return Result.succeed({ target })
  return isSequence(seq) ? Result.succeed({ seq, target }) : refuse("`seq` is not an integer this node can compare")
}

const put = (a: Bencode.Dictionary, { root, datagram }: Context): Arguments => {
  if (!isToken(a["token"])) return refuse("`token` is missing or not a string")
  const refusal = refuseValue(a["v"], root, datagram) ?? refuseMutable(a)
  if (refusal !== undefined) return Result.fail(refusal)
  const kept: { [key: string]: Bencode.Value } = {}
  for (const name of ["cas", "k", "salt", "seq", "sig", "token", "v"]) {
    const value = a[name]
    // An empty salt is no salt: the signed bytes leave it out (BEP 44), the library would not.
    if (value !== undefined && !(name === "salt" && isBytes(value) && value.length === 0)) kept[name] = value
  }
  return Result.succeed(kept)
}

/** A map, so that `q` = `constructor` finds nothing. */
const methods: ReadonlyMap<string, readonly [Method, (a: Bencode.Dictionary, context: Context) => Arguments]> = new Map(
  [
    ["ping", ["ping", () => Result.succeed({})]],
    ["find_node", ["find_node", findNode]],
    ["get_peers", ["get_peers", getPeers]],
    ["announce_peer", ["announce_peer", announcePeer]],
    ["get", ["get", get]],
    ["put", ["put", put]]
  ]
)

/** Longer names than the longest method are not turned into text. */
const METHOD_MAX_BYTES = "announce_peer".length

const methodOf = (q: Bencode.Value | undefined) =>
  isBytes(q) && q.length <= METHOD_MAX_BYTES ? methods.get(Buffer.from(q).toString("latin1")) : undefined

/**
 * Whether the sender says that it answers no queries (BEP 43), or proves by a token that it has asked
 * us before: neither gains anything by an entry in the routing table now.
 */
const isUnlisted = (root: Bencode.Dictionary, method: Method): boolean =>
  (root["ro"] !== undefined && root["ro"] !== 0) || method === "announce_peer" || method === "put"

export const parse = (
  root: Bencode.Dictionary,
  transactionId: Uint8Array,
  datagram: Uint8Array
): Result.Result<Query, Refusal> => {
  const { q, a } = root
  if (!isBytes(q)) return refuse("`q` is not a string")
  if (!isDictionary(a)) return refuse("`a` is not a dictionary")
  const { id } = a
  if (!isBytesOfLength(id, NODE_ID_BYTES)) return refuse("`id` is not a string of 20 bytes")
  const found = methodOf(q)
  if (found === undefined) return Result.fail({ code: ErrorCode.methodUnknown, text: "method unknown" })
  const [method, check] = found
  return Result.map(check(a, { root, datagram }), (args) => ({
    _tag: "Query",
    transactionId,
    method,
    id,
    unlisted: isUnlisted(root, method),
    args
  }))
}
