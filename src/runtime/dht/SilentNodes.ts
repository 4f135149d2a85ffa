/**
 * Nodes that did not answer a moment ago. Others go on naming them for many minutes, and each look-up
 * that asks them again waits a whole query timeout for nothing.
 */
import { RecentMap } from "../../protocol/core/RecentMap.ts"

/** How long a silent node is left alone, in ms. It may have been one lost packet: so not for long. */
export const SILENT_FOR_MS = 60_000

/** Silent nodes remembered; each takes about 100 bytes. */
export const SILENT_MAX = 2_048

export class SilentNodes {
  readonly #since: RecentMap<string, number> = new RecentMap(SILENT_MAX)
  readonly #now: () => number

  /** `now` in milliseconds. */
  constructor(now: () => number) {
    this.#now = now
  }

  /** Nodes are named `host:port`. */
  note(name: string): void {
    this.#since.set(name, this.#now())
  }

  has(name: string): boolean {
    const since = this.#since.get(name)
    return since !== undefined && this.#now() - since < SILENT_FOR_MS
  }
}
