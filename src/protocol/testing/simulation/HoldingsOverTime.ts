/** Who held what when, looked at every so often: the finer, the shorter the simulation. */
import type { Holding, Nodes } from "./Nodes.ts"

export interface Sample {
  readonly atMs: number
  readonly holdings: ReadonlyArray<Holding>
}

/** Looks kept. Past them every other one goes, and the next are twice as far apart. */
export const SAMPLES_MAX = 120

const FIRST_INTERVAL_MS = 1_000

export class HoldingsOverTime {
  #samples: Array<Sample> = []
  #intervalMs = FIRST_INTERVAL_MS
  #nextMs = 0

  get samples(): ReadonlyArray<Sample> {
    return this.#samples
  }

  /** Looks, if it is time. */
  look(nowMs: number, nodes: Nodes): void {
    if (nowMs < this.#nextMs) return
    this.#samples.push({ atMs: nowMs, holdings: nodes.holdings() })
    if (this.#samples.length > SAMPLES_MAX) {
      this.#samples = this.#samples.filter((_, index) => index % 2 === 0)
      this.#intervalMs *= 2
    }
    this.#nextMs = nowMs + this.#intervalMs
  }
}
