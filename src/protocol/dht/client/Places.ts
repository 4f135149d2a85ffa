/** Where items go and who holds them, as look-ups and writes of the last minute have shown. */
import { RecentMap } from "../../core/RecentMap.ts"
import type { StoreNode } from "./Krpc.ts"

/** How long the nodes and tokens of a look-up serve for writes, in ms. Nodes honour tokens for at least five minutes. */
export const FRESH_MS = 60_000

/** Look-ups remembered; each takes about 3 KB. */
export const PLACES_MAX = 512

export interface Place {
  /** The nodes to write to, closest first. */
  readonly closest: ReadonlyArray<StoreNode>
  /** `host:port` of the nodes that said that they hold the item. */
  readonly holders: ReadonlySet<string>
  readonly asked: number
  readonly answered: number
  /** Whether the closest nodes were asked. */
  readonly isComplete: boolean
}

/** Places by target in hex. */
export class Places<P extends Place> {
  readonly #places: RecentMap<string, { readonly at: number; readonly place: P }> = new RecentMap(PLACES_MAX)

  /** What is known since at most `maxAgeMs`. `now` and `at` in ms of one clock. */
  find(key: string, now: number, maxAgeMs: number = FRESH_MS): P | undefined {
    const known = this.#places.get(key)
    return known !== undefined && now - known.at < maxAgeMs ? known.place : undefined
  }

  set(key: string, at: number, place: P): void {
    this.#places.set(key, { at, place })
  }

  /** Changes what is remembered. It gets no younger by that, since its tokens do not. */
  amend(key: string, change: (place: P) => P): void {
    const known = this.#places.get(key)
    if (known !== undefined) this.#places.set(key, { at: known.at, place: change(known.place) })
  }

  forget(key: string): void {
    this.#places.delete(key)
  }
}
