import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { sha1 } from "../src/protocol/core/Digest.ts"
import * as Infohash from "../src/protocol/core/Infohash.ts"
import { ANSWER_ITEM_MAX_BYTES, ANSWER_ITEMS_MAX, limited } from "../src/protocol/dht/TopicPeers.ts"
import * as TopicMessage from "../src/runtime/swarm/topic/TopicMessage.ts"
import { runs, runsUpTo } from "./Runs.ts"

const number = fc.nat(TopicMessage.NUMBER_MAX)
const topic = fc.uint8Array().map((bytes) => Infohash.Infohash.make(sha1(bytes)))

/** Items by their lengths, some longer than they may be. */
const items = (maxLength: number) =>
  fc
    .array(fc.oneof(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 1, max: ANSWER_ITEM_MAX_BYTES + 2 })), {
      maxLength
    })
    .map((lengths) => lengths.map((length, i) => new Uint8Array(length).fill(i)))

const answer = fc.record({ claims: items(ANSWER_ITEMS_MAX + 5), records: items(120) })

const partsIn = (payloads: ReadonlyArray<Uint8Array>) =>
  payloads.map((payload) => {
    const message = TopicMessage.decode(payload)
    if (message._tag !== "Part") throw new Error(`not a part: ${message._tag}`)
    return message
  })

describe("ls_topic", () => {
  it("decode ∘ encode = identity, of a question", () => {
    fc.assert(
      fc.property(number, topic, (n, t) => {
        const decoded = TopicMessage.decode(TopicMessage.encodeQuestion({ number: n, topic: t }))
        assert.deepStrictEqual(decoded, { _tag: "Question", number: n, topic: t })
      }),
      runs
    )
  })

  it("the parts of an answer fit into messages, end once, and make up all of it that is within the limits", () => {
    fc.assert(
      fc.property(number, answer, (n, given) => {
        const payloads = TopicMessage.partsOf(n, given).map(TopicMessage.encodePart)
        for (const { length } of payloads) assert.isAtMost(length, TopicMessage.MESSAGE_MAX_BYTES)
        const parts = partsIn(payloads)
        assert.deepStrictEqual(
          parts.map(({ isLast }) => isLast),
          parts.map((_, at) => at === parts.length - 1)
        )
        const whole = limited(given)
        const joined = {
          claims: parts.flatMap(({ claims }) => claims),
          records: parts.flatMap(({ records }) => records)
        }
        assert.isAtMost(TopicMessage.sizeOf(joined), TopicMessage.ANSWER_MAX_BYTES)
        if (TopicMessage.sizeOf(whole) <= TopicMessage.ANSWER_MAX_BYTES) assert.deepStrictEqual(joined, whole)
      }),
      runsUpTo(50)
    )
  })

  it("any bytes are a message or none, and what is one has one spelling", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array(),
          fc.string().map((text) => new TextEncoder().encode(`d1:${text}`))
        ),
        (bytes) => {
          const message = TopicMessage.decode(bytes)
          if (message._tag === "Question") assert.deepStrictEqual(TopicMessage.encodeQuestion(message), bytes)
          if (message._tag === "Part") assert.deepStrictEqual(TopicMessage.encodePart(message), bytes)
        }
      ),
      runs
    )
  })
})
