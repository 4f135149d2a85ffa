/**
 * The addresses of one download on their way: each waits for its turn, is dialled, is connected, and is dialled again after
 * a pause when that ends, a few times. Only while it is dialled, or pauses, does a fiber stand behind it.
 */
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import type * as PeerAddress from "../../protocol/core/PeerAddress.ts"
import type { Run } from "./Fibers.ts"
import type { HandshakeFailed } from "./HandshakeExchange.ts"
import type { OpenPeer, PeerConnection } from "./PeerConnection.ts"

/** How often an address is dialled again. The next look-up may bring it back. */
const RETRIES_MAX = 2
/** Pauses before an address is dialled again, in ms: about 200 and 800. */
const RETRY_MS = 200
const RETRY_FACTOR = 4
/** So many of those who are dialled at once are not dialled again at once: a part of the pause, either way. */
const RETRY_JITTER = 0.2

export interface Options {
  /** Addresses that may be dialled or connected at a time. */
  readonly most: number
  /** Runs until the download ends. */
  readonly run: Run
  readonly dial: (address: PeerAddress.PeerAddress) => Effect.Effect<OpenPeer, HandshakeFailed>
  readonly connect: (peer: OpenPeer, address: PeerAddress.PeerAddress) => PeerConnection
  /** Whether the address may be dialled, still. */
  readonly isWelcome: (address: PeerAddress.PeerAddress) => boolean
}

/** What becomes of an address. */
export interface Fate {
  /** Whether it is tried again after it has failed, or has ended. */
  readonly mayRetry: () => boolean
  /** It has failed, or has ended, and is not tried again. */
  readonly onLost: () => void
  /** It is not on its way any more, whatever became of it. */
  readonly onEnd: () => void
}

interface Candidate extends Fate {
  readonly address: PeerAddress.PeerAddress
  retries: number
}

export class Dialers {
  readonly #options: Options
  readonly #names = new Set<string>()
  readonly #queue: Array<Candidate> = []
  #turns = 0
  #isOver = false

  constructor(options: Options) {
    this.#options = options
  }

  /** Addresses that wait for their turn. */
  get waiting(): number {
    return this.#queue.length
  }

  has(address: PeerAddress.PeerAddress): boolean {
    return this.#names.has(String(address))
  }

  add(address: PeerAddress.PeerAddress, fate: Fate): void {
    this.#names.add(String(address))
    this.#enqueue({ ...fate, address, retries: 0 })
  }

  /** Nobody is dialled any more. */
  stop(): void {
    this.#isOver = true
    this.#queue.length = 0
  }

  #enqueue(candidate: Candidate): void {
    this.#queue.push(candidate)
    this.#giveTurns()
  }

  #giveTurns(): void {
    while (!this.#isOver && this.#turns < this.#options.most) {
      const candidate = this.#queue.shift()
      if (candidate === undefined) return
      if (this.#options.isWelcome(candidate.address)) this.#dial(candidate)
      else this.#end(candidate)
    }
  }

  #dial(candidate: Candidate): void {
    this.#turns++
    this.#options.run(
      Effect.match(this.#options.dial(candidate.address), {
        onSuccess: (peer) => this.#onOpen(candidate, peer),
        onFailure: ({ problem }) => this.#onTurnOver(candidate, problem)
      })
    )
  }

  #onOpen(candidate: Candidate, peer: OpenPeer): void {
    // It may have come while the download was ended.
    if (this.#isOver) return void peer.socket.destroy()
    let connection: PeerConnection
    try {
      connection = this.#options.connect(peer, candidate.address)
    } catch (defect) {
      peer.socket.destroy()
      return this.#onTurnOver(candidate, `to connect to it failed: ${String(defect)}`)
    }
    connection.onClosed(() => {
      if (this.#options.isWelcome(candidate.address)) this.#onTurnOver(candidate, "it left")
      else {
        this.#turns--
        this.#end(candidate)
        this.#giveTurns()
      }
    })
  }

  #onTurnOver(candidate: Candidate, problem: string): void {
    this.#turns--
    if (this.#isOver) return
    const log = Effect.logDebug(`The peer ${candidate.address}: ${problem}`)
    if (candidate.retries >= RETRIES_MAX || !candidate.mayRetry()) {
      candidate.onLost()
      this.#end(candidate)
      this.#options.run(log)
    } else {
      const pauseMs = RETRY_MS * RETRY_FACTOR ** candidate.retries++
      const pause = Effect.flatMap(Random.nextBetween(1 - RETRY_JITTER, 1 + RETRY_JITTER), (jitter) =>
        Effect.sleep(pauseMs * jitter)
      )
      const again = Effect.sync(() => this.#enqueue(candidate))
      this.#options.run(log.pipe(Effect.andThen(pause), Effect.andThen(again)))
    }
    this.#giveTurns()
  }

  #end(candidate: Candidate): void {
    this.#names.delete(String(candidate.address))
    candidate.onEnd()
  }
}
