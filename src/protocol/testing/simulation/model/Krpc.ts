/**
 * The messages of the model: those of BEP 5 and BEP 44 as typed objects in place of bencode. The real
 * client on a simulated wire speaks the bytes; what can be asked and answered is the same.
 */
import type { StoredItem } from "./StoredItem.ts"
import type { Id } from "./Xor.ts"

/** Neighbours in a reply: the K of BEP 5. */
export const K = 8

/** Neighbours that a client takes from one reply, and peers: what the real client lets in. */
export const NODES_MAX = 16
export const PEERS_MAX = 128

/** BEP 5 "Errors" and BEP 44 "Errors". */
export const ErrorCode = {
  protocol: 203,
  valueTooBig: 205,
  invalidSignature: 206,
  saltTooBig: 207,
  casMismatch: 301,
  seqTooLow: 302
} as const

/** A node as others name it. */
export interface Contact {
  readonly id: Id
  /** `host:port`. */
  readonly address: string
}

export interface FindNode {
  readonly _tag: "FindNode"
  readonly target: Id
}

export interface Get {
  readonly _tag: "Get"
  readonly target: Id
}

export interface Put {
  readonly _tag: "Put"
  readonly token: number
  readonly item: StoredItem
  readonly cas: number | undefined
}

export interface GetPeers {
  readonly _tag: "GetPeers"
  readonly target: Id
}

export interface AnnouncePeer {
  readonly _tag: "AnnouncePeer"
  readonly target: Id
  readonly token: number
  readonly port: number
}

export type Question = FindNode | Get | Put | GetPeers | AnnouncePeer

/** To `FindNode`, `Get` and `GetPeers`. */
export interface Found {
  readonly _tag: "Found"
  readonly id: Id
  readonly target: Id
  /** Permission to write, for some minutes. */
  readonly token: number | undefined
  readonly nodes: ReadonlyArray<Contact>
  readonly item: StoredItem | undefined
  /** `host:port`. */
  readonly peers: ReadonlyArray<string>
}

/** To `Put` and `AnnouncePeer`. */
export interface Stored {
  readonly _tag: "Stored"
}

export interface Refused {
  readonly _tag: "Refused"
  readonly code: number
  readonly text: string
}

export type Answer = Found | Stored | Refused

export interface Query {
  readonly _tag: "Query"
  /** BEP 5 `t`: the reply carries it back. */
  readonly transaction: number
  readonly question: Question
}

export interface Reply {
  readonly _tag: "Reply"
  readonly transaction: number
  readonly answer: Answer
}

export type KrpcMessage = Query | Reply

export const STORED: Stored = { _tag: "Stored" }

export const refused = (code: number, text: string): Refused => ({ _tag: "Refused", code, text })

const seqOf = (item: StoredItem): string => (item._tag === "Mutable" ? ` seq ${item.seq}` : "")

const questionText = (question: Question): string => {
  switch (question._tag) {
    case "FindNode":
      return `find_node ${question.target.short}`
    case "Get":
      return `get ${question.target.short}`
    case "Put": {
      const { cas, item } = question
      return `put ${item.target.short}${seqOf(item)}${cas === undefined ? "" : ` cas ${cas}`}`
    }
    case "GetPeers":
      return `get_peers ${question.target.short}`
    case "AnnouncePeer":
      return `announce ${question.target.short} port ${question.port}`
  }
}

const answerText = (answer: Answer): string => {
  switch (answer._tag) {
    case "Found": {
      const { item, nodes, peers, target } = answer
      if (item !== undefined) return `value ${target.short}${seqOf(item)}`
      return peers.length > 0 ? `peers ${peers.length}` : `nodes ${nodes.length}`
    }
    case "Stored":
      return "stored"
    case "Refused":
      return `error ${answer.code} ${answer.text}`
  }
}

/** One line for people. */
export const textOf = (message: KrpcMessage): string =>
  message._tag === "Query" ? questionText(message.question) : answerText(message.answer)
