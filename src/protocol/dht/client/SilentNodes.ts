/**
 * Nodes that did not answer a moment ago. Others go on naming them for many minutes, and each look-up
 * that waits for them again waits for nothing.
 */
import { RecentMap } from "../../core/RecentMap.ts"

/** How long a silent node is not waited for, in ms. It may have been one lost packet: so not for long. */
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
  note(address: string): void {
    this.#since.set(address, this.#now())
  }

  /** It has answered after all. */
  forget(address: string): void {
    this.#since.delete(address)
  }

  has(address: string): boolean {
    const since = this.#since.get(address)
    return since !== undefined && this.#now() - since < SILENT_FOR_MS
  }
}
