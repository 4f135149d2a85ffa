/**
 * What a client of the DHT asks and what nodes answer (KRPC: BEP 5, BEP 44), as it stands between the
 * algorithms and a transport. A transport hands on only what is within the limits of the wire; nothing in an
 * answer is verified, and everything in it may be a lie.
 */
import type { NodeId } from "./NodeId.ts"

/** Neighbours that are taken from one reply: twice the K of BEP 5. A longer list only floods. */
export const NODES_MAX = 16

/** Peers that are taken from one reply: as many as fit an unfragmented datagram. */
export const PEERS_MAX = 128

/** Longest value of another implementation that is looked at (BEP 44). */
export const FOREIGN_VALUE_MAX_BYTES = 1_000

/** KRPC error codes: BEP 5 "Errors" (201–204), BEP 44 "Errors" (205–302). */
export const ErrorCode = {
  generic: 201,
  server: 202,
  protocol: 203,
  methodUnknown: 204,
  valueTooBig: 205,
  invalidSignature: 206,
  saltTooBig: 207,
  casMismatch: 301,
  seqTooLow: 302
} as const

export type ErrorCode = (typeof ErrorCode)[keyof typeof ErrorCode]

/** A node as others name it. */
export interface Contact {
  readonly id: NodeId
  /** `host:port`. */
  readonly address: string
}

/** Permission to write, given by one node for some minutes (BEP 5 `token`). */
export type Token = Uint8Array

/** A node that can be written to. */
export interface StoreNode extends Contact {
  readonly token: Token
}

/** A mutable item (BEP 44) whose value is a byte string that a record may have. */
export interface GivenRecord {
  readonly _tag: "Mutable"
  readonly publicKey: Uint8Array
  readonly seq: number
  readonly signature: Uint8Array
  readonly value: Uint8Array
}

/** A mutable item that no record of ours is: its value is a list, a dictionary or a number, or longer. */
export interface GivenForeign {
  readonly _tag: "Foreign"
  readonly publicKey: Uint8Array
  readonly seq: number
  readonly signature: Uint8Array
  /** The value in its bencoded form, at most {@link FOREIGN_VALUE_MAX_BYTES} and its length prefix. */
  readonly bencoded: Uint8Array
}

export interface GivenImmutable {
  readonly _tag: "Immutable"
  readonly value: Uint8Array
}

export type GivenItem = GivenRecord | GivenForeign | GivenImmutable

export interface FindNode {
  readonly _tag: "FindNode"
  readonly target: NodeId
}

export interface Get {
  readonly _tag: "Get"
  readonly target: NodeId
}

export interface GetPeers {
  readonly _tag: "GetPeers"
  readonly target: NodeId
}

export interface PutImmutable {
  readonly _tag: "PutImmutable"
  readonly target: NodeId
  readonly token: Token
  readonly value: Uint8Array
}

export interface PutMutable {
  readonly _tag: "PutMutable"
  readonly target: NodeId
  readonly token: Token
  readonly publicKey: Uint8Array
  readonly salt: Uint8Array
  readonly seq: number
  readonly signature: Uint8Array
  readonly value: Uint8Array
  readonly cas: number | undefined
}

export interface AnnouncePeer {
  readonly _tag: "AnnouncePeer"
  readonly target: NodeId
  readonly token: Token
  /** TCP port. */
  readonly port: number
}

export type Write = PutImmutable | PutMutable | AnnouncePeer

export type Question = FindNode | Get | GetPeers | Write

/** To any question; after a write there is nothing in it but the id. */
export interface Found {
  readonly _tag: "Found"
  readonly id: NodeId
  readonly token: Token | undefined
  /** At most {@link NODES_MAX}. */
  readonly nodes: ReadonlyArray<Contact>
  readonly item: GivenItem | undefined
  /** `host:port`, at most {@link PEERS_MAX}. */
  readonly peers: ReadonlyArray<string>
}

export interface Refused {
  readonly _tag: "Refused"
  /** Mostly an {@link ErrorCode}. */
  readonly code: number
  readonly text: string
}

export type Answer = Found | Refused

/** In place of an answer: the question did not leave this machine, and nothing is known of the node. */
export interface Unsent {
  readonly _tag: "Unsent"
}

export const UNSENT: Unsent = { _tag: "Unsent" }
