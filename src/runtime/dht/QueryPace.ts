/**
 * How many queries are on their way at one time. A burst to nodes that all answer at once overruns the
 * receive buffer of the socket, and what is lost there looks like silence. Nodes that are late hold nobody
 * up: of ten that a look-up asks on Mainline, three never answer.
 */
import type { After } from "./KrpcRequests.ts"

/** Queries whose answer may come any moment. The longest (1.3 KB, which Linux counts as 2.3) fill 300 KB of the buffer's 416. */
export const FRESH_MAX = 128

/** After this a query counts as late, ms: most answers on Mainline are there by then. */
export const FRESH_MS = 250

/** All that wait for an answer. */
export const IN_FLIGHT_MAX = 256

/** Queries that wait for their turn: 400 look-ups' worth. */
export const QUEUE_MAX = 16_384

/** Begins a query; `done` is to be called when it is over, not before this returns. */
export type Start = (done: () => void) => void

interface Waiting {
  readonly start: Start
  isTakenBack: boolean
}

interface Sent {
  readonly at: number
  state: "fresh" | "late" | "over"
}

export class QueryPace {
  readonly #now: () => number
  readonly #after: After
  /** Those that were fresh when it was looked at last, oldest first. */
  readonly #sent: Array<Sent> = []
  readonly #queue: Array<Waiting> = []
  #fresh = 0
  #inFlight = 0
  #isWatching = false

  /** `now` in ms. */
  constructor(now: () => number, after: After) {
    this.#now = now
    this.#after = after
  }

  /** Begins it now or when its turn comes; the result takes back what has not begun. `undefined` when too many wait already. */
  begin(start: Start): (() => void) | undefined {
    if (this.#queue.length >= QUEUE_MAX) return undefined
    const waiting = { start, isTakenBack: false }
    this.#queue.push(waiting)
    this.#goOn()
    return () => {
      waiting.isTakenBack = true
    }
  }

  #goOn(): void {
    this.#age()
    while (this.#fresh < FRESH_MAX && this.#inFlight < IN_FLIGHT_MAX) {
      const waiting = this.#queue.shift()
      if (waiting === undefined) return
      if (!waiting.isTakenBack) this.#start(waiting.start)
    }
    this.#watch()
  }

  #start(start: Start): void {
    const sent: Sent = { at: this.#now(), state: "fresh" }
    this.#sent.push(sent)
    this.#fresh++
    this.#inFlight++
    start(() => {
      if (sent.state === "over") return
      if (sent.state === "fresh") this.#fresh--
      this.#inFlight--
      sent.state = "over"
      this.#goOn()
    })
  }

  /** Those that have been under way for long are late from now on. */
  #age(): void {
    const before = this.#now() - FRESH_MS
    let count = 0
    for (const sent of this.#sent) {
      if (sent.state === "fresh" && sent.at > before) break
      if (sent.state === "fresh") {
        sent.state = "late"
        this.#fresh--
      }
      count++
    }
    if (count > 0) this.#sent.splice(0, count)
  }

  /** While any wait for their turn, the oldest one that is fresh is watched. */
  #watch(): void {
    const [oldest] = this.#sent
    if (this.#isWatching || this.#queue.length === 0 || oldest === undefined) return
    this.#isWatching = true
    this.#after(Math.max(1, oldest.at + FRESH_MS - this.#now()), () => {
      this.#isWatching = false
      this.#goOn()
    })
  }
}
