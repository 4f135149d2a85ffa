/**
 * The answering side of `ls_topic`: the topics that this node serves, and what peers may ask about them.
 * Any connection may ask about any topic that is served, whichever it came in for. An answer leaves in
 * parts, each when the peer has taken the one before it, so that whoever asks without reading costs a
 * bounded amount of memory.
 */
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import type * as Scope from "effect/Scope"
import * as Infohash from "../../../protocol/core/Infohash.ts"
import { ASK_DEADLINE, noAnswer, type TopicAnswer } from "../../../protocol/dht/TopicPeers.ts"
import type { Channel } from "../PeerExtensions.ts"
import type { PeerConnection } from "../PeerConnection.ts"
import * as TopicMessage from "./TopicMessage.ts"
import { TopicPace } from "./TopicPace.ts"

/** Answers under way for one peer; further questions wait. */
export const ANSWERS_AT_ONCE = 4
/** Questions of one peer that wait. Those beyond get an empty answer. */
export const WAITING_MAX = 128
/** Questions that one peer gets no real answer to for asking too much, before it is closed. */
export const REFUSED_MAX = 1_024
/** For an answer to leave, once it is there. */
const SENDING_DEADLINE = "15 seconds"

/** Waits until the peer has taken what was sent, or is gone. */
const drained = ({ closed, peer: { socket } }: PeerConnection): Effect.Effect<void> =>
  Effect.callback((resume) => {
    if (closed || socket.destroyed || !socket.writableNeedDrain) return resume(Effect.void)
    const leave = () => {
      socket.off("drain", done)
      socket.off("close", done)
    }
    const done = () => {
      leave()
      resume(Effect.void)
    }
    socket.once("drain", done)
    socket.once("close", done)
    return Effect.sync(leave)
  })

/** The questions of one peer. */
class Visitor {
  readonly #connection: PeerConnection
  readonly #channel: Channel
  readonly #pace: TopicPace
  readonly #answerTo: (topic: Infohash.Infohash) => Effect.Effect<TopicAnswer>
  readonly #run: (effect: Effect.Effect<void>) => void
  readonly #waiting: Array<TopicMessage.Question> = []
  #running = 0
  #refused = 0

  constructor(
    connection: PeerConnection,
    channel: Channel,
    pace: TopicPace,
    answerTo: (topic: Infohash.Infohash) => Effect.Effect<TopicAnswer>,
    run: (effect: Effect.Effect<void>) => void
  ) {
    this.#connection = connection
    this.#channel = channel
    this.#pace = pace
    this.#answerTo = answerTo
    this.#run = run
  }

  ask(question: TopicMessage.Question): void {
    if (!this.#pace.mayAsk(this.#connection.peer.host) || this.#waiting.length >= WAITING_MAX) {
      return this.#refuse(question)
    }
    this.#waiting.push(question)
    this.#next()
  }

  /** An empty answer. One that does not even take these gets none. */
  #refuse({ number }: TopicMessage.Question): void {
    this.#refused++
    if (this.#refused > REFUSED_MAX) return this.#connection.fault(`${TopicMessage.NAME}: flood of questions`)
    if (this.#connection.peer.socket.writableNeedDrain) return
    for (const part of TopicMessage.partsOf(number, noAnswer)) this.#channel.send(TopicMessage.encodePart(part))
  }

  #next(): void {
    while (this.#running < ANSWERS_AT_ONCE && this.#waiting.length > 0 && !this.#connection.closed) {
      const question = this.#waiting.shift()!
      this.#running++
      this.#run(
        Effect.ensuring(
          this.#answer(question),
          Effect.sync(() => {
            this.#running--
            this.#next()
          })
        )
      )
    }
  }

  #answer({ number, topic }: TopicMessage.Question): Effect.Effect<void> {
    const sending = Effect.gen({ self: this }, function* () {
      const answer = yield* this.#answerTo(topic)
      const isWithin = this.#pace.mayGet(this.#connection.peer.host, TopicMessage.sizeOf(answer))
      for (const part of TopicMessage.partsOf(number, isWithin ? answer : noAnswer)) {
        yield* drained(this.#connection)
        if (this.#connection.closed) return
        this.#channel.send(TopicMessage.encodePart(part))
      }
    })
    return Effect.timeoutOrElse(sending, {
      duration: SENDING_DEADLINE,
      orElse: () => Effect.sync(() => this.#connection.close())
    })
  }
}

export interface TopicDesk {
  /** Serves a topic until the scope closes; of several answers the latest is given. */
  readonly open: (
    topic: Infohash.Infohash,
    answer: Effect.Effect<TopicAnswer>
  ) => Effect.Effect<void, never, Scope.Scope>
  /** Takes the questions of a peer. */
  readonly receive: (connection: PeerConnection, channel: Channel) => (question: TopicMessage.Question) => void
}

/** What is being answered ends with the scope. `now` in ms. */
export const make = Effect.fnUntraced(function* (now: () => number) {
  const served = new Map<string, ReadonlyArray<Effect.Effect<TopicAnswer>>>()
  const pace = new TopicPace(now)
  const runFork = yield* FiberSet.makeRuntime()
  const run = (effect: Effect.Effect<void>) => void runFork(effect)

  /** Whatever keeps this host from answering is not the peer's affair. */
  const answerTo = (topic: Infohash.Infohash): Effect.Effect<TopicAnswer> => {
    const answer = served.get(Infohash.toHex(topic))?.at(-1)
    if (answer === undefined) return Effect.succeed(noAnswer)
    return answer.pipe(
      Effect.timeoutOrElse({ duration: ASK_DEADLINE, orElse: () => Effect.succeed(noAnswer) }),
      Effect.catchDefect((defect) =>
        Effect.as(Effect.logWarning("A question about a topic was not answered", defect), noAnswer)
      )
    )
  }

  return {
    open: (topic, answer) => {
      const key = Infohash.toHex(topic)
      return Effect.acquireRelease(
        Effect.sync(() => void served.set(key, [...(served.get(key) ?? []), answer])),
        () =>
          Effect.sync(() => {
            const others = (served.get(key) ?? []).filter((other) => other !== answer)
            if (others.length === 0) served.delete(key)
            else served.set(key, others)
          })
      )
    },
    receive: (connection, channel) => {
      const visitor = new Visitor(connection, channel, pace, answerTo, run)
      return (question) => visitor.ask(question)
    }
  } satisfies TopicDesk
})
