/**
 * The peers of one simulated download: addresses are dialled, a bounded number at a time, again after a
 * pause when a connection ends, and given up after a few attempts until a look-up names them anew.
 * Banned ones are left alone. The numbers are those of the swarm over TCP.
 */
import * as Effect from "effect/Effect"
import type { Timer } from "../EventQueue.ts"
import type { Member } from "../Nodes.ts"
import type { Answer, PeerTalk, Question } from "./PeerTalk.ts"
import { type Connection, PORT } from "./Streams.ts"

/** Peers that one download dials or is connected to at a time. */
const DIALLED_MAX = 32
/** Addresses that wait for their turn; a look-up may bring thousands. */
const WAITING_MAX = 500
/** Pauses before an address is dialled again, ms. */
const RETRY_MS = [200, 800]
/** For how long nothing may come of an attempt to connect, ms. */
const HANDSHAKE_TIMEOUT_MS = 5_000
/** Pieces asked of one peer at a time. */
const REQUESTS_PER_PEER_MAX = 5

/** A peer that has greeted. */
export interface Peer {
  readonly address: string
  readonly connection: Connection<Question, Answer>
  /** Questions that it owes answers to. */
  owes: number
}

interface Dialled {
  connection: Connection<Question, Answer> | undefined
  timer: Timer | undefined
}

export interface Options {
  readonly talk: PeerTalk
  readonly member: Member
  /** Hex. */
  readonly infohash: string
  /** For how long a peer that owes an answer may send nothing, in ms. */
  readonly requestTimeoutMs: number
}

export class DownloadPeers {
  readonly banned = new Set<string>()
  /** Peers that have greeted and are connected, by address. */
  readonly connected = new Map<string, Peer>()
  /** Whether anyone who serves the torrent has ever greeted. */
  isReached = false
  readonly #options: Options
  readonly #self: string
  /** Those who gave something true, and were not found to lie. */
  readonly #honest = new Set<string>()
  readonly #dialled = new Map<string, Dialled>()
  readonly #waiting = new Set<string>()
  readonly #watchers = new Set<() => void>()

  constructor(options: Options) {
    this.#options = options
    this.#self = `${options.member.host}:${PORT}`
  }

  /** Whether nobody is connected, dialled, or about to be. */
  get isIdle(): boolean {
    return this.#dialled.size === 0
  }

  /** Whether anyone who has not been found to lie has given something. */
  get hadHonest(): boolean {
    return this.#honest.size > 0
  }

  /** Everyone who ever gave anything lied, and nobody else is there. */
  get isCorrupt(): boolean {
    return this.banned.size > 0 && this.connected.size === 0 && !this.hadHonest
  }

  /** Dials what may be dialled and is not yet. */
  offer(addresses: Iterable<string>): void {
    for (const address of addresses) {
      if (address === this.#self || this.banned.has(address) || this.#dialled.has(address)) continue
      if (this.#dialled.size < DIALLED_MAX) this.#dial(address, 0)
      else if (this.#waiting.size < WAITING_MAX) this.#waiting.add(address)
    }
  }

  /** Bans a peer that was proven to lie, and ends its connection. */
  ban({ address, connection }: Peer): void {
    this.banned.add(address)
    this.#honest.delete(address)
    connection.close()
    this.#left(address)
  }

  /** A peer gave something that was proven true. */
  commend({ address }: Peer): void {
    if (!this.banned.has(address)) this.#honest.add(address)
  }

  /** Waits until something holds, which is asked now and whenever a peer comes, goes or answers, and not again once it did. */
  until(holds: () => boolean): Effect.Effect<void> {
    return Effect.callback<void>((resume) => {
      if (holds()) return resume(Effect.void)
      const watcher = () => {
        if (!holds()) return
        this.#watchers.delete(watcher)
        resume(Effect.void)
      }
      this.#watchers.add(watcher)
      return Effect.sync(() => void this.#watchers.delete(watcher))
    })
  }

  /** The answer of the peer that owes least, as soon as there is one that may be asked; none where the peer ends the connection. */
  ask(question: Question): Effect.Effect<readonly [peer: Peer, answer: Answer | undefined]> {
    return Effect.suspend(() => {
      let peer: Peer | undefined
      const taken = this.until(() => {
        peer = this.#leastBusy()
        if (peer !== undefined) peer.owes++
        return peer !== undefined
      })
      return Effect.andThen(
        taken,
        Effect.callback<readonly [Peer, Answer | undefined]>((resume) => {
          const asked = peer
          if (asked === undefined) return
          let isOver = false
          const giveBack = () => {
            if (!isOver) asked.owes--
            isOver = true
            this.#changed()
          }
          const takeBack = asked.connection.ask(question, (answer) => {
            giveBack()
            resume(Effect.succeed([asked, answer]))
          })
          return Effect.sync(() => {
            takeBack()
            giveBack()
          })
        })
      )
    })
  }

  /** Ends every connection. */
  close(): void {
    this.#waiting.clear()
    for (const { connection, timer } of this.#dialled.values()) {
      timer?.cancel()
      connection?.close()
    }
    this.#dialled.clear()
    this.connected.clear()
    this.#watchers.clear()
  }

  #leastBusy(): Peer | undefined {
    let least: Peer | undefined
    for (const peer of this.connected.values()) {
      if (peer.connection.isEnded || peer.owes >= REQUESTS_PER_PEER_MAX) continue
      if (least === undefined || peer.owes < least.owes) least = peer
    }
    return least
  }

  #dial(address: string, attempt: number): void {
    const { infohash, member, requestTimeoutMs, talk } = this.#options
    const connection = talk.connect({
      from: member,
      to: address,
      limitMs: HANDSHAKE_TIMEOUT_MS,
      onEnd: () => this.#ended(address, attempt)
    })
    this.#dialled.set(address, { connection, timer: undefined })
    connection.ask({ _tag: "Hello", infohash }, (answer) => {
      if (answer === undefined) return
      connection.limitMs = requestTimeoutMs
      this.isReached = true
      this.connected.set(address, { address, connection, owes: 0 })
      this.#changed()
    })
  }

  #ended(address: string, attempt: number): void {
    this.connected.delete(address)
    const pauseMs = RETRY_MS[attempt]
    if (pauseMs === undefined) return this.#left(address)
    const timer = this.#options.member.process.after(pauseMs, () => this.#dial(address, attempt + 1))
    this.#dialled.set(address, { connection: undefined, timer })
    this.#changed()
  }

  #left(address: string): void {
    this.connected.delete(address)
    this.#dialled.get(address)?.timer?.cancel()
    this.#dialled.delete(address)
    for (const next of this.#waiting) {
      this.#waiting.delete(next)
      if (this.banned.has(next) || this.#dialled.has(next)) continue
      this.#dial(next, 0)
      break
    }
    this.#changed()
  }

  #changed(): void {
    // Whoever is woken may wait again at once.
    Array.from(this.#watchers).forEach((watcher) => watcher())
  }
}
