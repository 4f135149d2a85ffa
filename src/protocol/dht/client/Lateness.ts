/** Watches the questions of one look-up: which are late, and how long those are worth waiting for when nothing else is left to do. */
import type { Candidate } from "./Ranking.ts"
import type { RoundTrips } from "./RoundTrips.ts"
import type { Transport } from "./Transport.ts"

/** How long late nodes are waited for once something was found, and where nothing was: times the lateness, ms at least. */
const PATIENCE_FOUND = { times: 2, leastMs: 300 }
const PATIENCE_NOTHING = { times: 4, leastMs: 600 }

export interface Options {
  readonly transport: Transport
  readonly roundTrips: RoundTrips
  readonly onLate: (candidate: Candidate) => void
  /** Some time has passed: the look-up may go on. */
  readonly onWake: () => void
}

/** A candidate whose question has left. */
interface Watched {
  readonly candidate: Candidate
  readonly askedAt: number
}

export class Lateness {
  readonly #options: Options
  /** Asked and not known to be late, oldest first. */
  readonly #watched: Array<Watched> = []
  readonly #late: Array<Watched> = []
  #stopWatching: (() => void) | undefined
  #stopWaiting: (() => void) | undefined

  constructor(options: Options) {
    this.#options = options
  }

  /** Its question has left now. */
  watch(candidate: Candidate): void {
    const watched = { candidate, askedAt: this.#options.transport.now() }
    if (candidate.state === "late") this.#late.push(watched)
    else this.#watched.push(watched)
    this.#plan()
  }

  /**
   * Whether late nodes are still worth waiting for; if so, `onWake` is called when their time is over. Doubtful ones
   * are only where nothing was found.
   */
  isPatient(hasFound: boolean, isWanted: (candidate: Candidate) => boolean): boolean {
    const { onWake, roundTrips, transport } = this.#options
    const { leastMs, times } = hasFound ? PATIENCE_FOUND : PATIENCE_NOTHING
    const patienceMs = Math.min(transport.timeoutMs, Math.max(leastMs, times * roundTrips.lateMs))
    let until = -Infinity
    for (const { askedAt, candidate } of this.#late) {
      if (candidate.state !== "late" || (hasFound && candidate.isDoubtful) || !isWanted(candidate)) continue
      until = Math.max(until, askedAt + patienceMs)
    }
    const inMs = until - transport.now()
    if (inMs <= 0) return false
    this.#stopWaiting?.()
    this.#stopWaiting = transport.after(inMs, () => {
      this.#stopWaiting = undefined
      onWake()
    })
    return true
  }

  stop(): void {
    this.#stopWatching?.()
    this.#stopWaiting?.()
  }

  /** One timer at a time, for the oldest. */
  #plan(): void {
    if (this.#stopWatching !== undefined) return
    while (this.#watched[0] !== undefined && this.#watched[0].candidate.state !== "asked") this.#watched.shift()
    const [oldest] = this.#watched
    if (oldest === undefined) return
    const { onWake, roundTrips, transport } = this.#options
    this.#stopWatching = transport.after(Math.max(1, oldest.askedAt + roundTrips.lateMs - transport.now()), () => {
      this.#stopWatching = undefined
      this.#findLate()
      this.#plan()
      onWake()
    })
  }

  #findLate(): void {
    const { onLate, roundTrips, transport } = this.#options
    const since = transport.now() - roundTrips.lateMs
    for (const watched of this.#watched.splice(0)) {
      const { candidate } = watched
      if (candidate.state !== "asked") continue
      if (watched.askedAt > since) {
        this.#watched.push(watched)
        continue
      }
      candidate.state = "late"
      this.#late.push(watched)
      onLate(candidate)
    }
  }
}
