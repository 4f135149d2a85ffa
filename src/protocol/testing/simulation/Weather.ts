/**
 * The state of the simulated internet: how long packets take, which are lost, doubled or overtaken, and
 * who cannot reach whom. Every network of a simulation (datagrams of the DHT, streams of the swarm)
 * lives under one weather, so that a partition parts all of them.
 */
import type { Chance } from "./Chance.ts"
import type { Kernel } from "./Kernel.ts"

/** How packets fare. Shares are from 0 to 1, times in ms. */
export interface Conditions {
  /** The least time that a packet takes. */
  readonly delayMinMs: number
  /** What is added to it on average; exponentially distributed, so that packets overtake each other. */
  readonly delayMeanMs: number
  /** No packet takes longer. */
  readonly delayMaxMs: number
  readonly lossShare: number
  /** Datagrams that arrive twice, the second time up to {@link delayMaxMs} later. */
  readonly replayShare: number
}

/** A good day on the internet. */
export const FAIR: Conditions = { delayMinMs: 5, delayMeanMs: 30, delayMaxMs: 400, lossShare: 0, replayShare: 0 }

/** How long a translator of addresses lets answers in after something went out, ms (RFC 4787 REQ-5: at least two minutes). */
export const NAT_LIFETIME_MS = 120_000

/** Whether a packet of `from` cannot reach `to`. */
export type Cut = (from: string, to: string) => boolean

export type Fate =
  | { readonly _tag: "Arrives"; readonly delaysMs: ReadonlyArray<number> }
  | { readonly _tag: "Lost"; readonly why: "lost" | "cut off" | "behind a NAT" }

export class Weather {
  readonly #changes = new Set<(conditions: Conditions) => Conditions>()
  #conditions: Conditions = FAIR
  readonly #kernel: Kernel
  readonly #chance: Chance
  readonly #cuts = new Set<Cut>()
  readonly #translated = new Set<string>()
  /** When a translated endpoint last sent to another, by `from to`. */
  readonly #openings = new Map<string, number>()

  constructor(kernel: Kernel, chance: Chance) {
    this.#kernel = kernel
    this.#chance = chance
  }

  get conditions(): Conditions {
    return this.#conditions
  }

  /** Makes it worse, or better, until the function that is given back is called. Later changes act on earlier ones. */
  change(change: (conditions: Conditions) => Conditions): () => void {
    // Two changes may be one function.
    const own = (conditions: Conditions) => change(conditions)
    this.#changes.add(own)
    this.#look()
    return () => {
      this.#changes.delete(own)
      this.#look()
    }
  }

  #look(): void {
    this.#conditions = [...this.#changes].reduce((conditions, change) => change(conditions), FAIR)
  }

  /** Parts some from others until the function that is given back is called. */
  cut(cut: Cut): () => void {
    this.#cuts.add(cut)
    return () => void this.#cuts.delete(cut)
  }

  /** Puts an endpoint behind a translator of addresses, which lets in answers only. */
  translate(name: string, isTranslated: boolean): void {
    if (isTranslated) this.#translated.add(name)
    else this.#translated.delete(name)
  }

  isCut(from: string, to: string): boolean {
    for (const cut of this.#cuts) if (cut(from, to)) return true
    return false
  }

  /** Whether somebody could open a connection to the endpoint. */
  isReachable(name: string): boolean {
    return !this.#translated.has(name)
  }

  /** How long one packet takes that is not lost. */
  delay(): number {
    const { delayMaxMs, delayMeanMs, delayMinMs } = this.#conditions
    return Math.min(delayMaxMs, Math.floor(delayMinMs + delayMeanMs * this.#chance.exponential()))
  }

  /** What becomes of a datagram. */
  datagram(from: string, to: string): Fate {
    if (this.#translated.has(from)) this.#openings.set(`${from} ${to}`, this.#kernel.now)
    if (this.isCut(from, to)) return { _tag: "Lost", why: "cut off" }
    if (this.#translated.has(to) && !this.#isOpen(to, from)) return { _tag: "Lost", why: "behind a NAT" }
    const { lossShare, replayShare } = this.#conditions
    if (this.#chance.is(lossShare)) return { _tag: "Lost", why: "lost" }
    const first = this.delay()
    if (!this.#chance.is(replayShare)) return { _tag: "Arrives", delaysMs: [first] }
    return { _tag: "Arrives", delaysMs: [first, first + this.#chance.below(this.#conditions.delayMaxMs)] }
  }

  #isOpen(inside: string, outside: string): boolean {
    const opened = this.#openings.get(`${inside} ${outside}`)
    return opened !== undefined && this.#kernel.now - opened <= NAT_LIFETIME_MS
  }
}
