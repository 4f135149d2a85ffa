/** What peers of a simulated swarm say to each other: the parts of BEP 3 and BEP 9 that bytes move by. */
import { BLOCK_BYTES } from "./Links.ts"
import type { Language, Talk } from "./Streams.ts"

/** `infohash` in hex. */
export type Question = { readonly infohash: string } & (
  | { readonly _tag: "Hello" }
  | { readonly _tag: "Info" }
  | { readonly _tag: "Piece"; readonly piece: number; readonly length: number }
)

export type Answer =
  | { readonly _tag: "Hello" }
  | { readonly _tag: "Info"; readonly info: Uint8Array }
  | { readonly _tag: "Piece"; readonly piece: number; readonly bytes: Uint8Array }

export type PeerTalk = Talk<Question, Answer>

/** Both handshakes and the bitfield (BEP 3, BEP 10). */
const HELLO_BYTES = 180
/** A question for a block, and what stands before the bytes of one (BEP 3). */
const REQUEST_BYTES = 17
const BLOCK_HEADER_BYTES = 13
/** What BEP 9 adds to a question and to an answer. */
const METADATA_BYTES = 50

/** Hex digits that tell torrents apart for a reader. */
const SHORT_DIGITS = 6

export const short = (infohash: string): string => infohash.slice(0, SHORT_DIGITS)

const blocks = (length: number): number => Math.ceil(length / BLOCK_BYTES)

export const language: Language<Question, Answer> = {
  question: (question) => {
    const infohash = short(question.infohash)
    switch (question._tag) {
      case "Hello":
        return { text: `hello, about ${infohash}`, bytes: HELLO_BYTES }
      case "Info":
        return { text: `info of ${infohash}`, bytes: METADATA_BYTES }
      case "Piece":
        return { text: `piece ${question.piece} of ${infohash}`, bytes: REQUEST_BYTES * blocks(question.length) }
    }
  },
  answer: (answer) => {
    switch (answer._tag) {
      case "Hello":
        return { text: "hello", bytes: HELLO_BYTES }
      case "Info":
        return { text: `info, ${answer.info.length} bytes`, bytes: METADATA_BYTES + answer.info.length }
      case "Piece": {
        const { length } = answer.bytes
        return { text: `piece ${answer.piece}, ${length} bytes`, bytes: length + BLOCK_HEADER_BYTES * blocks(length) }
      }
    }
  }
}
