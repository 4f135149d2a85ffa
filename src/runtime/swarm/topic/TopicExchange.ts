/**
 * `ls_topic` on one connection, both sides of it: our questions and what the peer answers, and the peer's
 * questions, which are handed to the desk. A peer that breaks the rules, answers what nobody asked, or
 * never comes to an end is closed.
 */
import * as Effect from "effect/Effect"
import type { Infohash } from "../../../protocol/core/Infohash.ts"
import { ANSWER_ITEMS_MAX, type TopicAnswer } from "../../../protocol/dht/TopicPeers.ts"
import type { Channel } from "../PeerExtensions.ts"
import type { PeerConnection } from "../PeerConnection.ts"
import type { TopicDesk } from "./TopicDesk.ts"
import * as TopicMessage from "./TopicMessage.ts"

/** Questions under way on one connection; others of ours wait with the peer, and count against us there. */
export const QUESTIONS_AT_ONCE_MAX = 64

/** Bytes that may still come for questions that nobody waits for any more. */
const UNWANTED_MAX_BYTES = 2 * TopicMessage.ANSWER_MAX_BYTES

/** An answer that is coming in. */
interface Pending {
  readonly claims: Array<Uint8Array>
  readonly records: Array<Uint8Array>
  items: number
  bytes: number
  /** `undefined` where the connection ended before the answer did. */
  readonly resume: (answer: TopicAnswer | undefined) => void
}

export class TopicExchange {
  readonly #connection: PeerConnection
  readonly #channel: Channel
  readonly #pending = new Map<number, Pending>()
  readonly #onQuestion: (question: TopicMessage.Question) => void
  readonly #onReady: Array<(isTaken: boolean) => void> = []
  #next = 0
  #unwanted = 0

  /** Registers the extension; the connection starts afterwards. Without a desk the peer's questions are a fault. */
  constructor(connection: PeerConnection, desk: TopicDesk | undefined) {
    this.#connection = connection
    this.#channel = connection.extensions.register({
      name: TopicMessage.NAME,
      onMessage: (payload) => this.#receive(payload),
      onHandshake: () => this.#settle(this.#channel.isTaken())
    })
    this.#onQuestion =
      desk === undefined
        ? () => connection.fault(`${TopicMessage.NAME}: question to somebody who serves nothing`)
        : desk.receive(connection, this.#channel)
    connection.onClosed(() => {
      this.#settle(false)
      for (const { resume } of this.#pending.values()) resume(undefined)
      this.#pending.clear()
    })
  }

  /** Whether questions are under way. */
  get isBusy(): boolean {
    return this.#pending.size > 0
  }

  /** Whether the connection has ended. */
  get isOver(): boolean {
    return this.#connection.closed
  }

  /** Whether the peer takes questions, once it has said so. */
  readonly ready: Effect.Effect<boolean> = Effect.callback((resume) => {
    if (this.#connection.closed) return resume(Effect.succeed(false))
    if (this.#channel.isTaken()) return resume(Effect.succeed(true))
    this.#onReady.push((isTaken) => resume(Effect.succeed(isTaken)))
  })

  /** The whole answer; `undefined` where the connection ends before it, or has too much to do. */
  ask(topic: Infohash): Effect.Effect<TopicAnswer | undefined> {
    return Effect.callback((resume) => {
      if (this.#connection.closed || this.#pending.size >= QUESTIONS_AT_ONCE_MAX) {
        return resume(Effect.undefined)
      }
      const number = this.#next++ % (TopicMessage.NUMBER_MAX + 1)
      this.#pending.set(number, {
        claims: [],
        records: [],
        items: 0,
        bytes: 0,
        resume: (answer) => resume(Effect.succeed(answer))
      })
      this.#channel.send(TopicMessage.encodeQuestion({ number, topic }))
      return Effect.sync(() => void this.#pending.delete(number))
    })
  }

  close(): void {
    this.#connection.close()
  }

  #settle(isTaken: boolean): void {
    for (const tell of this.#onReady.splice(0)) tell(isTaken)
  }

  #fault(problem: string): void {
    this.#connection.fault(`${TopicMessage.NAME}: ${problem}`)
  }

  #receive(payload: Uint8Array): void {
    const message = TopicMessage.decode(payload)
    if (message._tag === "Invalid") return this.#connection.fault(message.problem)
    if (message._tag === "Question") return this.#onQuestion(message)
    const pending = this.#pending.get(message.number)
    if (pending === undefined) return this.#receiveUnwanted(message, payload.length)
    pending.claims.push(...message.claims)
    pending.records.push(...message.records)
    pending.items += message.claims.length + message.records.length
    pending.bytes += TopicMessage.sizeOf(message)
    if (pending.items > ANSWER_ITEMS_MAX || pending.bytes > TopicMessage.ANSWER_MAX_BYTES) {
      return this.#fault("answer too long")
    }
    if (!message.isLast) return
    this.#pending.delete(message.number)
    pending.resume({ claims: pending.claims, records: pending.records })
  }

  /** The rest of an answer that was not waited for. */
  #receiveUnwanted({ number }: TopicMessage.Part, bytes: number): void {
    if (number >= this.#next) return this.#fault("answer that nobody asked for")
    this.#unwanted += bytes
    if (this.#unwanted > UNWANTED_MAX_BYTES) this.#fault("answer without end")
  }
}
