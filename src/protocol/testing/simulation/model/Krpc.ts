/**
 * The messages of the model: what the client asks and hears (`Krpc` of the client) as typed objects in place of
 * bencode. Where the client's types carry the parts of an item, the wire of the model carries the item: one object,
 * which everybody shares who sends or holds it.
 */
import type { AnnouncePeer, FindNode, Found as Heard, Get, GetPeers, Refused, Token } from "../../../dht/client/Krpc.ts"
import type { NodeId } from "../../../dht/client/NodeId.ts"
import type { StoredItem } from "./StoredItem.ts"

/** Neighbours in a reply: the K of BEP 5. */
export const K = 8

/** A write of either kind of item. */
export interface Put {
  readonly _tag: "Put"
  readonly token: Token
  readonly item: StoredItem
  readonly cas: number | undefined
}

export type Question = FindNode | Get | Put | GetPeers | AnnouncePeer

/** To `FindNode`, `Get` and `GetPeers`. A hostile node keeps to no limit of the wire. */
export interface Found extends Heard {
  readonly item: StoredItem | undefined
}

/** To `Put` and `AnnouncePeer`. */
export interface Stored {
  readonly _tag: "Stored"
  readonly id: NodeId
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
      const { item, nodes, peers } = answer
      if (item !== undefined) return `value ${item.target.short}${seqOf(item)}`
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
