/**
 * One connection of a simulation: one side opens it, asks, and gets answers. A host behind a NAT opens
 * connections and gets none. A host without power says nothing at all, so that the other side waits as
 * long as it cares to; one that runs and does not listen refuses. The trace has a line for each question
 * and each answer.
 */
import type { Timer } from "../EventQueue.ts"
import type { Kernel } from "../Kernel.ts"
import { type Links, RESEND_MS, RESEND_OPENING_MS } from "./Links.ts"
import type { Member } from "../Nodes.ts"
import type { Trace } from "../Trace.ts"
import type { Weather } from "../Weather.ts"

/** How a host treats those who ask it. `corrupt` gives bytes that are wrong, `stalls` takes connections and gives nothing. */
export type Behaviour = "honest" | "corrupt" | "stalls"

/**
 * Why a connection ended: it never came about (`unreachable`), nobody listens there (`refused`), the
 * other side ended it (`closed`), or nothing came for too long (`silent`).
 */
export type Ending = "unreachable" | "refused" | "closed" | "silent"

/** A message as the network sees it. */
export interface Message {
  readonly text: string
  readonly bytes: number
}

/** What two sides say to each other. */
export interface Language<Question, Answer> {
  readonly question: (question: Question) => Message
  readonly answer: (answer: Answer) => Message
}

/**
 * Answers a question, now or later; `undefined` ends the connection. What it gives back is called
 * when nobody waits for the answer any more.
 */
export type Answerer<Question, Answer> = (question: Question, reply: (answer: Answer | undefined) => void) => () => void

/** Attempts to open a connection (Linux: tcp_syn_retries). */
const OPENINGS_MAX = 7

/** What all connections of a simulation have in common. */
export interface Parts {
  readonly kernel: Kernel
  readonly weather: Weather
  readonly trace: Trace
  readonly links: Links
  readonly behaviours: Map<string, Behaviour>
}

/** Who answers at an address. */
export interface Listener<Question, Answer> {
  readonly member: Member
  /** `undefined` once it no longer listens. */
  answer: Answerer<Question, Answer> | undefined
  readonly connections: Set<Connection<Question, Answer>>
}

export interface Opening {
  readonly from: Member
  /** `host:port`. */
  readonly to: string
  /** How long nothing may come while something is awaited, in ms. */
  readonly limitMs: number
  /** Told once, unless it was the opener who closed. */
  readonly onEnd?: ((ending: Ending) => void) | undefined
}

interface Exchange<Answer> {
  readonly onAnswer: (answer: Answer | undefined) => void
  /** Stops the other side's work for it. */
  drop: () => void
  /** Whether bytes of the answer are on their way. */
  isMoving: () => boolean
}

const nothing = () => undefined
const never = () => false

/** One connection, seen from the side that opened it. */
export class Connection<Question, Answer> {
  /** How long nothing may come while something is awaited, in ms. */
  limitMs: number
  readonly #parts: Parts
  readonly #language: Language<Question, Answer>
  readonly #opening: Opening
  readonly #find: () => Listener<Question, Answer> | undefined
  #state: "opening" | "open" | "ended" = "opening"
  #listener: Listener<Question, Answer> | undefined
  #unsent: Array<() => void> = []
  readonly #exchanges = new Set<Exchange<Answer>>()
  #heardAt: number
  #timer: Timer | undefined

  constructor(
    parts: Parts,
    language: Language<Question, Answer>,
    opening: Opening,
    find: () => Listener<Question, Answer> | undefined
  ) {
    this.limitMs = opening.limitMs
    this.#parts = parts
    this.#language = language
    this.#opening = opening
    this.#find = find
    this.#heardAt = parts.kernel.now
    this.#watch()
    this.#open(OPENINGS_MAX, RESEND_OPENING_MS)
  }

  get isEnded(): boolean {
    return this.#state === "ended"
  }

  /** Calls back with the answer, or with nothing where the connection ends first. What it gives back takes the question back. */
  ask(question: Question, onAnswer: (answer: Answer | undefined) => void): () => void {
    if (this.#state === "ended") {
      onAnswer(undefined)
      return nothing
    }
    if (this.#exchanges.size === 0) this.#heardAt = this.#parts.kernel.now
    const exchange: Exchange<Answer> = { onAnswer, drop: nothing, isMoving: never }
    this.#exchanges.add(exchange)
    this.#watch()
    if (this.#state === "open") this.#send(question, exchange)
    else this.#unsent.push(() => this.#send(question, exchange))
    return () => {
      if (this.#exchanges.delete(exchange)) exchange.drop()
    }
  }

  /** Ends it from the opener's side. Whoever awaits an answer gets none. */
  close(): void {
    this.#end(undefined)
  }

  /** Ends it from the other side, which the opener hears if it can. */
  reset(listener: Listener<Question, Answer>): void {
    const { from } = this.#opening
    for (const exchange of this.#exchanges) exchange.drop()
    if (this.#parts.links.obstacle(listener.member.name, from.name) !== undefined) return
    const delayMs = this.#parts.links.packetMs(RESEND_MS)
    this.#note("sent", listener.member.name, from.name, "closes the connection", delayMs)
    from.process.after(delayMs, () => this.#end("closed"))
  }

  #open(attempts: number, pauseMs: number): void {
    const { from } = this.#opening
    if (this.#state === "ended" || !from.process.isAlive) return
    const listener = this.#find()
    const obstacle = this.#obstacleTo(listener)
    if (listener === undefined || obstacle !== undefined) {
      const to = listener?.member.name ?? this.#opening.to
      if (attempts === OPENINGS_MAX) this.#note("lost", from.name, to, `connect: ${obstacle}`)
      if (attempts > 1) from.process.after(pauseMs, () => this.#open(attempts - 1, 2 * pauseMs))
      return
    }
    const { links } = this.#parts
    const roundTripMs = links.packetMs(RESEND_OPENING_MS) + links.packetMs(RESEND_OPENING_MS)
    from.process.after(roundTripMs, () => this.#opened(listener))
  }

  #obstacleTo(listener: Listener<Question, Answer> | undefined): string | undefined {
    if (listener === undefined || !listener.member.process.isAlive) return "nobody there"
    const { links, weather } = this.#parts
    if (!weather.isReachable(listener.member.name)) return "behind a NAT"
    return links.obstacle(this.#opening.from.name, listener.member.name)
  }

  #opened(listener: Listener<Question, Answer>): void {
    if (this.#state !== "opening" || !listener.member.process.isAlive) return
    if (listener.answer === undefined) {
      this.#note("lost", this.#opening.from.name, listener.member.name, "connect: refused")
      return this.#end("refused")
    }
    this.#state = "open"
    this.#listener = listener
    this.#heardAt = this.#parts.kernel.now
    listener.connections.add(this)
    const unsent = this.#unsent
    this.#unsent = []
    for (const send of unsent) send()
  }

  /** Whether an answer can still come of it. */
  #isAwaited(exchange: Exchange<Answer>): boolean {
    return this.#state === "open" && this.#exchanges.has(exchange) && this.#opening.from.process.isAlive
  }

  #send(question: Question, exchange: Exchange<Answer>): void {
    const listener = this.#listener
    if (listener === undefined || !this.#isAwaited(exchange)) return
    this.#parts.links.send({
      ...this.#language.question(question),
      from: this.#opening.from.name,
      to: listener.member.name,
      isWanted: () => this.#isAwaited(exchange),
      onBlock: nothing,
      onArrival: () => this.#arrive(listener, question, exchange)
    })
  }

  #arrive(listener: Listener<Question, Answer>, question: Question, exchange: Exchange<Answer>): void {
    if (!this.#isAwaited(exchange)) return
    if (!listener.member.process.isAlive) {
      // A machine that has been started again knows nothing of the connection, and says so.
      const successor = this.#find()
      if (successor?.member.process.isAlive === true) this.reset(successor)
      return
    }
    if (listener.answer === undefined || this.#parts.behaviours.get(listener.member.name) === "stalls") return
    let isAnswered = false
    const drop = listener.answer(question, (answer) => {
      if (isAnswered) return
      isAnswered = true
      exchange.drop = nothing
      this.#reply(listener, answer, exchange)
    })
    if (!isAnswered) exchange.drop = drop
  }

  #reply(listener: Listener<Question, Answer>, answer: Answer | undefined, exchange: Exchange<Answer>): void {
    const { member } = listener
    const isWanted = () =>
      this.#isAwaited(exchange) &&
      member.process.isAlive &&
      listener.answer !== undefined &&
      this.#parts.behaviours.get(member.name) !== "stalls"
    if (!isWanted()) return
    if (answer === undefined) return this.reset(listener)
    exchange.isMoving = this.#parts.links.send({
      ...this.#language.answer(answer),
      from: member.name,
      to: this.#opening.from.name,
      isWanted,
      onBlock: () => {
        this.#heardAt = this.#parts.kernel.now
      },
      onArrival: () => {
        if (!this.#isAwaited(exchange)) return
        this.#exchanges.delete(exchange)
        exchange.onAnswer(answer)
      }
    })
  }

  /** Sees to it that the opener does not wait for ever. */
  #watch(): void {
    if (this.#timer !== undefined) return
    const { kernel } = this.#parts
    this.#timer = this.#opening.from.process.after(this.#heardAt + this.limitMs - kernel.now, () => {
      this.#timer = undefined
      if (this.#state === "ended" || (this.#state === "open" && this.#exchanges.size === 0)) return
      // A block takes a while on a slow link. Its packets would have been heard.
      if ([...this.#exchanges].some(({ isMoving }) => isMoving())) this.#heardAt = kernel.now
      if (kernel.now < this.#heardAt + this.limitMs) return this.#watch()
      this.#end(this.#state === "open" ? "silent" : "unreachable")
    })
  }

  #end(ending: Ending | undefined): void {
    if (this.#state === "ended") return
    this.#state = "ended"
    this.#timer?.cancel()
    this.#unsent = []
    this.#listener?.connections.delete(this)
    if (!this.#opening.from.process.isAlive) return
    const exchanges = [...this.#exchanges]
    this.#exchanges.clear()
    for (const exchange of exchanges) {
      exchange.drop()
      exchange.onAnswer(undefined)
    }
    if (ending !== undefined) this.#opening.onEnd?.(ending)
  }

  #note(kind: "sent" | "lost", from: string, to: string, text: string, delayMs?: number): void {
    this.#parts.trace.add({ atMs: this.#parts.kernel.elapsedMs, kind, from, to, text, delayMs })
  }
}
