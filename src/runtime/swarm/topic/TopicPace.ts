/**
 * How much strangers may ask about topics: each address so many questions and so many bytes of answers,
 * and all of them together. Past it they get an empty answer, which costs next to nothing and keeps
 * nobody waiting.
 */
import { RecentMap } from "../../../protocol/core/RecentMap.ts"
import { type Bucket, full, take } from "../../dht/TokenBucket.ts"

/** Questions of one address: a tree of some hundred packages at once, and then some a second. */
export const QUESTIONS_BURST = 512
export const QUESTIONS_PER_SECOND = 32
/** Of all addresses together: each costs a look into a store at most every ten seconds. */
export const ALL_QUESTIONS_BURST = 4_096
export const ALL_QUESTIONS_PER_SECOND = 512
/** Bytes of answers to one address: two of the longest at once. */
export const ANSWERED_BYTES_BURST = 1024 * 1024
export const ANSWERED_BYTES_PER_SECOND = 64 * 1024
/** To all addresses together. */
export const ALL_ANSWERED_BYTES_BURST = 16 * 1024 * 1024
export const ALL_ANSWERED_BYTES_PER_SECOND = 2 * 1024 * 1024

/** Addresses whose allowance is kept in mind. With more at once, those who were here longest ago start anew. */
const HOSTS_MAX = 4_096

interface Allowance {
  readonly questions: Bucket
  readonly bytes: Bucket
}

export class TopicPace {
  readonly #hosts = new RecentMap<string, Allowance>(HOSTS_MAX)
  readonly #all: Allowance
  readonly #now: () => number

  /** `now` in ms. */
  constructor(now: () => number) {
    this.#now = now
    this.#all = { questions: full(ALL_QUESTIONS_BURST, now()), bytes: full(ALL_ANSWERED_BYTES_BURST, now()) }
  }

  /** Whether the address may ask once more; that counts. */
  mayAsk(host: string): boolean {
    const now = this.#now()
    const { questions } = this.#of(host, now)
    return (
      take(questions, 1, QUESTIONS_PER_SECOND, QUESTIONS_BURST, now) &&
      take(this.#all.questions, 1, ALL_QUESTIONS_PER_SECOND, ALL_QUESTIONS_BURST, now)
    )
  }

  /** Whether the address may get so many bytes; that counts. */
  mayGet(host: string, bytes: number): boolean {
    const now = this.#now()
    const own = this.#of(host, now).bytes
    return (
      take(own, bytes, ANSWERED_BYTES_PER_SECOND, ANSWERED_BYTES_BURST, now) &&
      take(this.#all.bytes, bytes, ALL_ANSWERED_BYTES_PER_SECOND, ALL_ANSWERED_BYTES_BURST, now)
    )
  }

  #of(host: string, now: number): Allowance {
    const known = this.#hosts.get(host) ?? {
      questions: full(QUESTIONS_BURST, now),
      bytes: full(ANSWERED_BYTES_BURST, now)
    }
    // The latest again: forgotten is who was here longest ago.
    this.#hosts.set(host, known)
    return known
  }
}
