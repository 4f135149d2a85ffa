/** The questions of one look-up: how many there were, to whom, and those that have not left and may be taken back. */
import type { Question } from "./Krpc.ts"
import type { OnAnswer, Transport } from "./Transport.ts"

export class Questions {
  readonly #ask: Transport["ask"]
  readonly #most: number
  readonly #asked = new Set<string>()
  /** Take back questions that have not left yet. */
  readonly #unsent = new Set<() => void>()
  #count = 0

  /** At most `most` are to be put. */
  constructor(ask: Transport["ask"], most: number) {
    this.#ask = ask
    this.#most = most
  }

  get hasRoom(): boolean {
    return this.#count < this.#most
  }

  /** Addresses that a question has left for. */
  get asked(): number {
    return this.#asked.size
  }

  wasAsked(address: string): boolean {
    return this.#asked.has(address)
  }

  put(address: string, question: Question, onAnswer: OnAnswer, onSent: () => void = () => {}): void {
    let hasLeft = false
    // It may leave before it is known how to take it back.
    let takeBack = () => {}
    this.#count++
    takeBack = this.#ask(address, question, onAnswer, () => {
      hasLeft = true
      this.#unsent.delete(takeBack)
      this.#asked.add(address)
      onSent()
    })
    if (!hasLeft) this.#unsent.add(takeBack)
  }

  /** Nothing leaves any more. What has left is still heard. */
  stop(): void {
    for (const takeBack of this.#unsent) takeBack()
    this.#unsent.clear()
  }
}
