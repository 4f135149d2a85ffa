/**
 * Questions of one member and the replies to them (BEP 5 "KRPC Protocol"). A reply counts once, in time, and
 * from the address that was asked; everything else that comes in is dropped.
 */
import type { Chance } from "../Chance.ts"
import type { Timer } from "../EventQueue.ts"
import type { Member } from "../Nodes.ts"
import type { Wire } from "../Wire.ts"
import type { Answer, KrpcMessage, Question } from "./Krpc.ts"

/** How long a reply is waited for, ms: as over UDP. */
export const QUERY_TIMEOUT_MS = 1_500

/** The port of every member. */
const PORT = 6881

/** Hears what a node said; `undefined` after silence. */
export type OnAnswer = (answer: Answer | undefined) => void

interface Waiting {
  readonly to: string
  readonly onAnswer: OnAnswer
  readonly timeout: Timer
}

export class Transactions {
  readonly #wire: Wire<KrpcMessage>
  readonly #member: Member
  readonly #endpoint: { readonly name: string; readonly address: string }
  readonly #detach: () => void
  readonly #waiting = new Map<number, Waiting>()
  #next: number
  #isOpen = true

  constructor(wire: Wire<KrpcMessage>, member: Member, chance: Chance) {
    this.#wire = wire
    this.#member = member
    // A late reply to a process that was killed must not answer its successor.
    this.#next = chance.word()
    this.#endpoint = { name: member.name, address: `${member.host}:${PORT}` }
    this.#detach = wire.attach({
      ...this.#endpoint,
      receive: (message, from) => this.#receive(message, from)
    })
  }

  ask(to: string, question: Question, onAnswer: OnAnswer): void {
    const transaction = this.#next++
    const timeout = this.#member.process.after(this.#isOpen ? QUERY_TIMEOUT_MS : 0, () => {
      this.#waiting.delete(transaction)
      onAnswer(undefined)
    })
    if (!this.#isOpen) return
    this.#waiting.set(transaction, { to, onAnswer, timeout })
    this.#wire.send(this.#endpoint, to, { _tag: "Query", transaction, question })
  }

  /** Leaves the network. Whoever still waits for a reply hears silence. */
  close(): void {
    this.#isOpen = false
    this.#detach()
    const waiting = [...this.#waiting.values()]
    this.#waiting.clear()
    for (const { onAnswer, timeout } of waiting) {
      timeout.cancel()
      onAnswer(undefined)
    }
  }

  #receive(message: KrpcMessage, from: string): void {
    // Nobody tells a process that it was killed; no one listens for it any more.
    if (!this.#member.process.isAlive) return this.#detach()
    if (message._tag !== "Reply") return
    const waiting = this.#waiting.get(message.transaction)
    if (waiting === undefined || waiting.to !== from) return
    this.#waiting.delete(message.transaction)
    waiting.timeout.cancel()
    waiting.onAnswer(message.answer)
  }
}
