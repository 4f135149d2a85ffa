/**
 * Messages of the extension `ls_topic` (BEP 10): a question about a topic, and its answer in parts, each
 * canonical bencode of at most one block. A question has a number, so that many can be under way on one
 * connection, about any topics that the peer serves (`docs/spec/topic.md`).
 */
import * as Result from "effect/Result"
import type { Infohash } from "../../../protocol/core/Infohash.ts"
import * as Shape from "../../../protocol/core/Shape.ts"
import { ANSWER_ITEM_MAX_BYTES, ANSWER_ITEMS_MAX, limited, type TopicAnswer } from "../../../protocol/dht/TopicPeers.ts"

/** In the handshake's `m`. */
export const NAME = "ls_topic"

/** Of a question's number. */
export const NUMBER_MAX = 2 ** 31 - 1

/** Bytes of one message: a block of BEP 3, which the limits of every client let through. */
export const MESSAGE_MAX_BYTES = 16 * 1024

/** Bytes of all items of an answer: 900 claims with the longest versions and 100 records have 500 KB. */
export const ANSWER_MAX_BYTES = 512 * 1024

/** What stands around the items of a part: `d1:ai2147483647e1:cle1:ei1e1:rlee`, and some room. */
const PART_FRAME_BYTES = 48

/** Length and colon of an item. */
const ITEM_HEAD_BYTES = 5

const question = Shape.dictionary({
  /** Its number, for the answer to name. */
  q: Shape.integer(0, NUMBER_MAX),
  /** The topic. */
  t: Shape.infohash
})

const items = Shape.list(Shape.bytesBetween(1, ANSWER_ITEM_MAX_BYTES), ANSWER_ITEMS_MAX)

const part = Shape.where(
  Shape.dictionary({
    /** The number of the question. */
    a: Shape.integer(0, NUMBER_MAX),
    /** Claims. */
    c: items,
    /** There in the last part only. */
    e: Shape.optional(Shape.integer(1, 1)),
    /** Records in their envelopes. */
    r: items
  }),
  // Else an answer could go on for ever and say nothing.
  ({ c, e, r }) => (e === undefined && c.length + r.length === 0 ? "says nothing and goes on" : undefined)
)

export interface Question {
  readonly number: number
  readonly topic: Infohash
}

export interface Part extends TopicAnswer {
  readonly number: number
  readonly isLast: boolean
}

export type Message =
  | ({ readonly _tag: "Question" } & Question)
  | ({ readonly _tag: "Part" } & Part)
  | { readonly _tag: "Invalid"; readonly problem: string }

const encodeQuestionFields = Shape.encoder(question)
const decodeQuestionFields = Shape.decoder(question)
const encodePartFields = Shape.encoder(part)
const decodePartFields = Shape.decoder(part)

export const encodeQuestion = ({ number, topic }: Question): Uint8Array => encodeQuestionFields({ q: number, t: topic })

export const encodePart = ({ claims, isLast, number, records }: Part): Uint8Array =>
  encodePartFields({ a: number, c: claims, ...(isLast ? { e: 1 } : {}), r: records })

/** Where a message has the letter of its first key, which tells what it is: `d1:q`. */
const LETTER_AT = 3
const QUESTION_LETTER = "q".charCodeAt(0)

/** What a peer sent. */
export const decode = (payload: Uint8Array): Message => {
  const invalid = (problem: string): Message => ({ _tag: "Invalid", problem: `${NAME}: ${problem}` })
  if (payload.length > MESSAGE_MAX_BYTES) return invalid("message too long")
  if (payload[LETTER_AT] === QUESTION_LETTER) {
    return Result.match(decodeQuestionFields(payload), {
      onFailure: () => invalid("question that makes no sense"),
      onSuccess: ({ q, t }) => ({ _tag: "Question", number: q, topic: t })
    })
  }
  return Result.match(decodePartFields(payload), {
    onFailure: () => invalid("answer that makes no sense"),
    onSuccess: ({ a, c, e, r }) => ({ _tag: "Part", number: a, claims: c, records: r, isLast: e === 1 })
  })
}

export const sizeOf = ({ claims, records }: TopicAnswer): number => {
  let size = 0
  for (const { length } of claims) size += length
  for (const { length } of records) size += length
  return size
}

/** What of an answer may be sent, claims before records. */
const sendable = (answer: TopicAnswer): TopicAnswer => {
  const { claims, records } = limited(answer)
  let left = ANSWER_MAX_BYTES
  const fits = ({ length }: Uint8Array): boolean => length > 0 && (left -= length) >= 0
  return { claims: claims.filter(fits), records: records.filter(fits) }
}

/** An answer in parts that each fit into a message; one without items where there is nothing to say. */
export const partsOf = (number: number, answer: TopicAnswer): ReadonlyArray<Part> => {
  const parts: Array<{ readonly claims: Array<Uint8Array>; readonly records: Array<Uint8Array> }> = []
  let room = 0
  const add = (kind: "claims" | "records", item: Uint8Array) => {
    const size = item.length + ITEM_HEAD_BYTES
    if (size > room) {
      parts.push({ claims: [], records: [] })
      room = MESSAGE_MAX_BYTES - PART_FRAME_BYTES
    }
    room -= size
    parts.at(-1)![kind].push(item)
  }
  const sent = sendable(answer)
  for (const claim of sent.claims) add("claims", claim)
  for (const record of sent.records) add("records", record)
  if (parts.length === 0) parts.push({ claims: [], records: [] })
  return parts.map(({ claims, records }, at) => ({ number, claims, records, isLast: at === parts.length - 1 }))
}
