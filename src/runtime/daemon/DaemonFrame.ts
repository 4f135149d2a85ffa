/**
 * What goes over a daemon's socket: the messages of Effect RPC, one JSON text a line. A line is
 * bounded, and what is in it is checked field by field before any of it is used.
 */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { FromClientEncoded, FromServerEncoded } from "effect/rpc/RpcMessage"
import * as RpcSerialization from "effect/rpc/RpcSerialization"

/** The longest question is a put of 996 bytes with its envelope, in base64: less than 4 KiB. */
export const QUESTION_MAX_CHARS = 16 * 1024

/** The longest answers list peers or nodes: 8,192 peers take about 400 KiB. */
export const ANSWER_MAX_CHARS = 1024 * 1024

/**
 * Questions of one connection that are worked on at a time. A client of ours asks no more; of another one, the rest waits
 * in its own buffers.
 */
export const QUESTIONS_AT_ONCE_MAX = 64

/** JSON, with bytes in base64. */
export const codecFor = RpcSerialization.json.codecFor

const Id = Schema.Union([Schema.Int, Schema.String.check(Schema.isMaxLength(64))])

const Question = Schema.Union([
  Schema.Struct({
    _tag: Schema.Literal("Request"),
    id: Id,
    tag: Schema.String.check(Schema.isMaxLength(64)),
    payload: Schema.optionalKey(Schema.Unknown)
  }),
  Schema.Struct({ _tag: Schema.Literal("Interrupt"), requestId: Id }),
  Schema.Struct({ _tag: Schema.Literal("Ping") }),
  Schema.Struct({ _tag: Schema.Literal("Eof") })
])

const questionOf = Schema.decodeUnknownOption(Question)

/** A client's message as it is meant here; `None` for what is none, or what this daemon has no use for. */
const toQuestion = (given: unknown): Option.Option<FromClientEncoded> =>
  Option.map(questionOf(given), (question): FromClientEncoded =>
    question._tag === "Request" ? { ...question, payload: question.payload, headers: [] } : question
  )

export interface Reader<A> {
  /** Messages that are whole now, in order; `None` when the other end broke the rules, after which it is not to be heard. */
  readonly read: (bytes: Uint8Array) => Option.Option<ReadonlyArray<A>>
}

const reader = <A>(maximum: number, parse: (given: unknown) => Option.Option<A>): Reader<A> => {
  const parser = RpcSerialization.makeNdjson({ maxBufferSize: maximum }).makeUnsafe()
  return {
    read: (bytes) => {
      try {
        return Option.all(parser.decode(bytes).map(parse))
      } catch {
        // Not JSON, or longer than agreed.
        return Option.none()
      }
    }
  }
}

export const questions = (): Reader<FromClientEncoded> => reader(QUESTION_MAX_CHARS, toQuestion)

const ANSWER_TAGS: ReadonlySet<unknown> = new Set(["Exit", "Chunk", "Defect", "Pong"])

const isAnswer = (given: unknown): given is FromServerEncoded =>
  typeof given === "object" && given !== null && "_tag" in given && ANSWER_TAGS.has(given._tag)

/** What is in an answer is checked by the schemas of the call that it answers. */
export const answers = (): Reader<FromServerEncoded> =>
  reader(ANSWER_MAX_CHARS, (given) => (isAnswer(given) ? Option.some(given) : Option.none()))

/** One line. */
export const write = (message: FromClientEncoded | FromServerEncoded): string => `${JSON.stringify(message)}\n`
