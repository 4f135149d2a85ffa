/**
 * The second carrier in a simulation: hosts announce topics in the DHT and are asked over the same
 * streams that pieces move over. The limits of an answer hold on the side that asks, for the other may
 * be anybody; a corrupt host gives garbage, and one that stalls nothing.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Infohash from "../../core/Infohash.ts"
import { Dht } from "../../dht/Dht.ts"
import {
  ANSWER_ITEM_MAX_BYTES,
  ASK_DEADLINE,
  limited,
  noAnswer,
  PEERS_ASKED_MAX,
  type TopicAnswer,
  TopicPeers
} from "../../dht/TopicPeers.ts"
import type { Chance } from "./Chance.ts"
import type { Ground, Member } from "./Nodes.ts"
import { short } from "./streams/PeerTalk.ts"
import { type Answerer, type Language, PORT, type Streams, type Talk } from "./streams/Streams.ts"

/** Peers forget who announced a topic after half an hour or so; twice as often is the custom (BEP 5). */
const ANNOUNCE_INTERVAL = Duration.minutes(15)

/** The handshakes that a question comes with (BEP 3, BEP 10), and what an answer has beside its items. */
const QUESTION_BYTES = 200
const ANSWER_BYTES = 200
/** Length and colon of an item (bencode). */
const ITEM_BYTES = 5

/** Topic in hex. */
interface Question {
  readonly topic: string
}

const sizeOf = ({ claims, records }: TopicAnswer): number =>
  [...claims, ...records].reduce((sum, { length }) => sum + length + ITEM_BYTES, ANSWER_BYTES)

const language: Language<Question, TopicAnswer> = {
  question: ({ topic }) => ({ text: `topic ${short(topic)}`, bytes: QUESTION_BYTES }),
  answer: (answer) => ({
    text: `topic, ${answer.claims.length} claims, ${answer.records.length} records`,
    bytes: sizeOf(answer)
  })
}

/** Each item with a byte changed, replaced by noise, or as it was. */
const spoilt = ({ claims, records }: TopicAnswer, chance: Chance): TopicAnswer => {
  const spoil = (item: Uint8Array): Uint8Array => {
    if (item.length === 0 || chance.is(1 / 4)) return chance.bytes(chance.below(ANSWER_ITEM_MAX_BYTES))
    if (chance.is(1 / 3)) return item
    const out = item.slice()
    out[chance.below(out.length)] = chance.below(256)
    return out
  }
  return { claims: claims.map(spoil), records: records.map(spoil) }
}

/** All topics of one simulation. */
export class Topics {
  readonly #streams: Streams
  readonly #chance: Chance
  readonly #talk: Talk<Question, TopicAnswer>

  constructor(ground: Ground, streams: Streams) {
    this.#streams = streams
    this.#chance = ground.chance.fork("topics")
    this.#talk = streams.talk(language)
  }

  /** The topics as one process of a host uses them. Its `Dht` has to announce it under the member's address. */
  layer(member: Member): Layer.Layer<TopicPeers, never, Dht> {
    return Layer.effect(
      TopicPeers,
      Effect.gen({ self: this }, function* () {
        const dht = yield* Dht
        const chance = this.#chance.fork(member.process.name)
        const served = new Map<string, ReadonlyArray<Effect.Effect<TopicAnswer>>>()
        yield* Effect.acquireRelease(
          Effect.sync(() => this.#talk.listen(member, this.#answerer(member, served, chance))),
          (unlisten) => Effect.sync(unlisten)
        )
        const announce = (topic: Infohash.Infohash) => dht.announcePeer(topic, PORT)
        return TopicPeers.of({
          serve: Effect.fnUntraced(function* (topic, answer) {
            const key = Infohash.toHex(topic)
            yield* Effect.acquireRelease(
              Effect.sync(() => served.set(key, [...(served.get(key) ?? []), answer])),
              () =>
                Effect.sync(() => {
                  const others = (served.get(key) ?? []).filter((other) => other !== answer)
                  if (others.length === 0) served.delete(key)
                  else served.set(key, others)
                })
            )
            yield* announce(topic)
            const again = Effect.ignore(announce(topic))
            yield* Effect.forkScoped(Effect.schedule(again, Schedule.jittered(Schedule.spaced(ANNOUNCE_INTERVAL))))
          }),
          ask: (topic) => this.#ask(member, dht, topic, chance)
        })
      })
    )
  }

  /** A new answer each time; the latest of several of one topic. */
  #answerer(
    { name, process }: Member,
    served: ReadonlyMap<string, ReadonlyArray<Effect.Effect<TopicAnswer>>>,
    chance: Chance
  ): Answerer<Question, TopicAnswer> {
    return ({ topic }, reply) => {
      const answer = served.get(topic)?.at(-1)
      if (answer === undefined) {
        reply(undefined)
        return () => undefined
      }
      const isCorrupt = this.#streams.behaviourOf(name) === "corrupt"
      // Nobody waits longer; what holds an answer up is not to pile up here.
      const inTime = Effect.timeoutOrElse(answer, { duration: ASK_DEADLINE, orElse: () => Effect.succeed(noAnswer) })
      return process.fork(inTime, (exit) => {
        if (Exit.isFailure(exit)) return reply(undefined)
        reply(isCorrupt ? spoilt(exit.value, chance) : exit.value)
      })
    }
  }

  #ask(member: Member, dht: Dht["Service"], topic: Infohash.Infohash, chance: Chance) {
    return Effect.suspend(() => {
      const self = `${member.host}:${PORT}`
      const answers: Array<TopicAnswer> = []
      const asking = Effect.flatMap(dht.findPeers(topic), (found) => {
        const others = found.map(String).filter((address) => address !== self)
        // Of too many not the first ones: whoever floods the topic may well be first.
        const asked = others.length > PEERS_ASKED_MAX ? chance.sample(others, PEERS_ASKED_MAX) : others
        const askOne = (address: string) =>
          Effect.map(this.#askOne(member, address, topic), (answer) => {
            if (answer !== undefined) answers.push(limited(answer))
          })
        return Effect.forEach(asked, askOne, { concurrency: "unbounded", discard: true })
      })
      return Effect.map(Effect.timeoutOption(asking, ASK_DEADLINE), () => [...answers])
    })
  }

  #askOne(member: Member, address: string, topic: Infohash.Infohash): Effect.Effect<TopicAnswer | undefined> {
    return Effect.callback((resume) => {
      const limitMs = Duration.toMillis(ASK_DEADLINE)
      const connection = this.#talk.connect({ from: member, to: address, limitMs })
      connection.ask({ topic: Infohash.toHex(topic) }, (answer) => {
        resume(Effect.succeed(answer))
        connection.close()
      })
      return Effect.sync(() => connection.close())
    })
  }
}
