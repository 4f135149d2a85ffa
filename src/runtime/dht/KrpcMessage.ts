/**
 * The messages of the DHT's wire protocol (KRPC, BEP 5) in the shapes that {@link KrpcGuard} lets
 * through, and how they are written down again.
 *
 * What a stranger sent is never handed on as it came: only known fields, each checked, are encoded
 * afresh, so that no two parsers can read one datagram differently.
 */
import * as Bencode from "../../protocol/core/Bencode.ts"
import { type Asker, COMPACT_ADDRESS_BYTES, write } from "./KrpcAddresses.ts"

/** Node ids, infohashes and targets are SHA-1 sized (BEP 5 "Overview"). */
export const NODE_ID_BYTES = 20

/** A node in `nodes`: id, IPv4 address, port (BEP 5 "Contact Encoding"). */
export const COMPACT_NODE_BYTES = 26

/** A peer in `values`: IPv4 address, port (BEP 5 "Contact Encoding"). */
export const COMPACT_PEER_BYTES = COMPACT_ADDRESS_BYTES

/** What fits an Ethernet frame after the IPv4 and UDP headers: 1,500 − 20 − 8 bytes. Longer replies are trimmed. */
export const UNFRAGMENTED_BYTES = 1_472

/** The methods of BEP 5 and BEP 44 that the library answers. */
export type Method = "ping" | "find_node" | "get_peers" | "announce_peer" | "get" | "put"

export interface Query {
  readonly _tag: "Query"
  readonly transactionId: Uint8Array
  readonly method: Method
  /** The sender's node id, 20 bytes. */
  readonly id: Uint8Array
  /** Whether the sender must stay out of the routing table: it is read-only (BEP 43), or has no need to be added. */
  readonly unlisted: boolean
  /** Checked arguments, without `id`. */
  readonly args: Bencode.Dictionary
}

export interface Response {
  readonly _tag: "Response"
  readonly transactionId: Uint8Array
  /** Checked return values, `id` among them. */
  readonly values: Bencode.Dictionary
  /** Where the sender saw our query come from (BEP 42 `ip`), dotted IPv4. It may be a lie. */
  readonly externalAddress?: { readonly host: string; readonly port: number } | undefined
}

export interface Failure {
  readonly _tag: "Failure"
  readonly transactionId: Uint8Array
  readonly code: number
  readonly text: Uint8Array
}

export type Message = Query | Response | Failure

const EMPTY = new Uint8Array(0)
const QUERY = Bencode.utf8("q")
const RESPONSE = Bencode.utf8("r")
const FAILURE = Bencode.utf8("e")
const METHOD: { readonly [M in Method]: Uint8Array } = {
  ping: Bencode.utf8("ping"),
  find_node: Bencode.utf8("find_node"),
  get_peers: Bencode.utf8("get_peers"),
  announce_peer: Bencode.utf8("announce_peer"),
  get: Bencode.utf8("get"),
  put: Bencode.utf8("put")
}

const bodyOf = (message: Message): Bencode.Dictionary => {
  switch (message._tag) {
    case "Query":
      // The library adds to its routing table only senders with an id of 20 bytes; an empty id is answered and not added.
      return {
        a: { ...message.args, id: message.unlisted ? EMPTY : message.id },
        q: METHOD[message.method],
        y: QUERY
      }
    case "Response":
      return { r: message.values, y: RESPONSE }
    case "Failure":
      return { e: [message.code, message.text], y: FAILURE }
  }
}

/** The datagram that the library gets to see. `transactionId` replaces the message's own. */
export const encode = (message: Message, transactionId = message.transactionId): Uint8Array =>
  Bencode.encode({ ...bodyOf(message), t: transactionId })

export const encodeFailure = (transactionId: Uint8Array, code: number, text: string): Uint8Array =>
  encode({ _tag: "Failure", transactionId, code, text: Bencode.utf8(text) })

export const encodeResponse = (transactionId: Uint8Array, values: Bencode.Dictionary): Uint8Array =>
  encode({ _tag: "Response", transactionId, values })

/** `2:ip6:`, the key under which a reply names its receiver, and the length of its value. */
const IP_HEAD = Bencode.utf8(`2:ip${COMPACT_ADDRESS_BYTES}:`)

/** What {@link withAsker} adds, bytes. */
export const ASKER_BYTES = IP_HEAD.length + COMPACT_ADDRESS_BYTES

/** `1:t2:` + id + `1:y1:r` + `e`: what follows the body of a canonical reply, which has no `v`. */
const endingBytes = ({ length }: Uint8Array): number => length + (length < 10 ? 5 : 6) + 7

const BODY = Bencode.utf8("d1:r")

/**
 * The same reply with the address that we saw its query come from (BEP 42 `ip`: how a node behind a NAT learns its
 * own). `reply` is canonical bencode of a response or error under `transactionId`, without a version.
 */
export const withAsker = (reply: Uint8Array, transactionId: Uint8Array, asker: Asker): Uint8Array => {
  // In the order of keys `ip` stands before `r`, which is the first, and behind `e`, after which only `t` and `y` come.
  const at = reply[3] === BODY[3] ? 1 : reply.length - endingBytes(transactionId)
  const out = new Uint8Array(reply.length + ASKER_BYTES)
  out.set(reply.subarray(0, at))
  out.set(IP_HEAD, at)
  write(asker, out, at + IP_HEAD.length)
  out.set(reply.subarray(at), at + ASKER_BYTES)
  return out
}

export const isBytes = (value: Bencode.Value | undefined): value is Uint8Array => value instanceof Uint8Array

export const isBytesOfLength = (value: Bencode.Value | undefined, length: number): value is Uint8Array =>
  isBytes(value) && value.length === length

export const isList = (value: Bencode.Value | undefined): value is ReadonlyArray<Bencode.Value> => Array.isArray(value)

export const isDictionary = (value: Bencode.Value | undefined): value is Bencode.Dictionary =>
  typeof value === "object" && !isBytes(value) && !isList(value)
