/**
 * What carries the streams of a simulation: each host has an uplink and a downlink of a bandwidth. What
 * is sent goes in blocks; a block takes its place in both queues, leaves when it has
 * passed the slower, and arrives a packet's delay later. A stream has few blocks underway at a time, so that
 * streams of one link take turns.
 *
 * As with TCP nothing is lost: lost packets cost bandwidth and, at the end of a block, time. Losses and
 * partitions make a stream wait and try again after ever longer pauses. Headers, slow start and
 * congestion are left out: on lossy paths the real thing is slower.
 */
import type { Chance } from "../Chance.ts"
import type { Kernel } from "../Kernel.ts"
import type { Ground } from "../Nodes.ts"
import type { Trace } from "../Trace.ts"
import type { Weather } from "../Weather.ts"

/** Bytes that travel together: a block of the wire (BEP 3). */
export const BLOCK_BYTES = 16 * 1024

/** Blocks of one stream underway at a time. */
const WINDOW_BLOCKS = 2

/** Bytes per second of a host of which nothing else is said, each way: 40 Mbit/s. */
export const BANDWIDTH_DEFAULT = 5_000_000

/** First pause before something is sent again, ms; it doubles each time (Linux: TCP_RTO_MIN). */
export const RESEND_MS = 200

/** The same while a connection is being opened, ms (RFC 6298 §2.1). */
export const RESEND_OPENING_MS = 1_000

/** Losses of one packet in a row, at most: with the pauses above 12.6 s. */
const LOSSES_IN_A_ROW_MAX = 6

/** Attempts to get across a partition before a sender gives up (Linux: tcp_retries2). */
const RESENDS_MAX = 15

/** The longest pause before something is sent again, ms (RFC 6298 §2.5). */
const RESEND_MAX_MS = 60_000

/** Beyond this share of lost packets bandwidth is no longer divided by what gets through. */
const LOSS_SHARE_MAX = 0.95

interface Link {
  bytesPerSecond: number
  /** When everything in its queue has passed, virtual ms; may be a fraction. */
  freeAt: number
}

/** One message on its way. */
export interface Cargo {
  readonly from: string
  readonly to: string
  readonly bytes: number
  /** For the trace. */
  readonly text: string
  /** False once it is in vain: either end is gone, or does not send. */
  readonly isWanted: () => boolean
  /** Told of each block that arrives, and of the last one by {@link onArrival}, too. */
  readonly onBlock: () => void
  readonly onArrival: () => void
}

/** How one message stands. */
interface Transfer {
  readonly cargo: Cargo
  /** Bytes. */
  unsent: number
  /** Blocks in the queues or in the air. */
  underway: number
  /** Those in the air. */
  inAir: number
  lastArrivalAt: number
  resends: number
}

export class Links {
  readonly #kernel: Kernel
  readonly #weather: Weather
  readonly #trace: Trace
  readonly #chance: Chance
  readonly #up = new Map<string, Link>()
  readonly #down = new Map<string, Link>()

  constructor({ chance, kernel, trace, weather }: Ground) {
    this.#kernel = kernel
    this.#weather = weather
    this.#trace = trace
    this.#chance = chance.fork("links")
  }

  /** Bytes per second that a host sends and receives from now on. */
  bandwidth(host: string, bytesPerSecond: number): void {
    if (!(bytesPerSecond > 0)) throw new RangeError(`the bandwidth of ${host} must be more than nothing`)
    this.#link(this.#up, host).bytesPerSecond = bytesPerSecond
    this.#link(this.#down, host).bytesPerSecond = bytesPerSecond
  }

  /** Why two hosts cannot talk now; both ways are needed, since nothing gets through that is not acknowledged. */
  obstacle(from: string, to: string): "cut off" | "lost" | undefined {
    if (this.#weather.isCut(from, to) || this.#weather.isCut(to, from)) return "cut off"
    return this.#weather.conditions.lossShare >= 1 ? "lost" : undefined
  }

  /** How long one small packet takes, sent again after `resendMs` and doubles of it until it gets through. */
  packetMs(resendMs: number): number {
    return this.#weather.delay() + this.#lossesMs(resendMs)
  }

  /** Sends a message, and says so in the trace once its last block has left. Gives back whether bytes of it are moving. */
  send(cargo: Cargo): () => boolean {
    const transfer: Transfer = {
      cargo,
      unsent: Math.max(1, cargo.bytes),
      underway: 0,
      inAir: 0,
      lastArrivalAt: 0,
      resends: 0
    }
    this.#pump(transfer)
    return () => transfer.underway > 0 && cargo.isWanted() && this.obstacle(cargo.from, cargo.to) === undefined
  }

  #pump(transfer: Transfer): void {
    const { cargo } = transfer
    while (transfer.unsent > 0 && transfer.underway < WINDOW_BLOCKS) {
      if (!cargo.isWanted()) return
      const obstacle = this.obstacle(cargo.from, cargo.to)
      if (obstacle !== undefined) return this.#resend(transfer, obstacle)
      transfer.resends = 0
      this.#sendBlock(transfer)
    }
  }

  #resend(transfer: Transfer, obstacle: string): void {
    // Blocks that are underway look after the rest.
    if (transfer.underway > 0) return
    const { cargo } = transfer
    if (transfer.resends === 0) this.#note(cargo, "lost", `${cargo.text}: ${obstacle}`)
    if (transfer.resends++ >= RESENDS_MAX) return
    const pauseMs = Math.min(RESEND_MAX_MS, RESEND_MS * (1 << transfer.resends))
    this.#kernel.after(pauseMs, () => this.#pump(transfer))
  }

  #sendBlock(transfer: Transfer): void {
    const { cargo } = transfer
    const bytes = Math.min(BLOCK_BYTES, transfer.unsent)
    transfer.unsent -= bytes
    transfer.underway++
    // What is still in a queue when its host dies, or is cut off, has not left.
    this.#kernel.after(this.#passed(cargo, bytes) - this.#kernel.now, () => {
      if (!cargo.isWanted()) return
      const obstacle = this.obstacle(cargo.from, cargo.to)
      if (obstacle === undefined) return this.#leave(transfer)
      transfer.unsent += bytes
      transfer.underway--
      this.#resend(transfer, obstacle)
    })
  }

  #leave(transfer: Transfer): void {
    const { cargo } = transfer
    const delayMs = this.packetMs(RESEND_MS)
    transfer.lastArrivalAt = Math.max(transfer.lastArrivalAt, this.#kernel.now + delayMs)
    transfer.inAir++
    if (transfer.unsent === 0 && transfer.underway === transfer.inAir) {
      this.#note(cargo, "sent", cargo.text, transfer.lastArrivalAt - this.#kernel.now)
    }
    this.#kernel.after(delayMs, () => {
      transfer.underway--
      transfer.inAir--
      cargo.onBlock()
      if (transfer.unsent > 0) this.#pump(transfer)
      else if (transfer.underway === 0) cargo.onArrival()
    })
  }

  /** When a block that is sent now has passed both links. */
  #passed({ from, to }: Cargo, bytes: number): number {
    const sent = bytes / (1 - Math.min(LOSS_SHARE_MAX, this.#weather.conditions.lossShare))
    const up = this.#queue(this.#link(this.#up, from), sent)
    const down = this.#queue(this.#link(this.#down, to), bytes)
    return Math.max(up, down)
  }

  #queue(link: Link, bytes: number): number {
    link.freeAt = Math.max(link.freeAt, this.#kernel.now) + (bytes * 1000) / link.bytesPerSecond
    return link.freeAt
  }

  #lossesMs(resendMs: number): number {
    let waited = 0
    let pause = resendMs
    for (let i = 0; i < LOSSES_IN_A_ROW_MAX && this.#chance.is(this.#weather.conditions.lossShare); i++) {
      waited += pause
      pause *= 2
    }
    return waited
  }

  #link(links: Map<string, Link>, host: string): Link {
    const known = links.get(host)
    if (known !== undefined) return known
    const made: Link = { bytesPerSecond: BANDWIDTH_DEFAULT, freeAt: 0 }
    links.set(host, made)
    return made
  }

  #note({ from, to }: Cargo, kind: "sent" | "lost", text: string, delayMs?: number): void {
    this.#trace.add({ atMs: this.#kernel.elapsedMs, kind, from, to, text, delayMs })
  }
}
