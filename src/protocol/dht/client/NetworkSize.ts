/**
 * How many nodes the network has, guessed from how close the closest ones to a target are, and whether those
 * around a target are too close to be there by chance. Whoever wants to own an item puts nodes of his own next
 * to its target; there they stand closer together than ids drawn at random.
 */
import { RecentMap } from "../../core/RecentMap.ts"
import * as NodeId from "./NodeId.ts"

/** Nodes that a look-up ends with, and that an item is stored on. An item starts on about 15 of them. */
export const CLOSEST_NODES = 20

/** Nodes that a look-up ends with at most, where those closest to its target stand too close together. */
export const WIDTH_MAX = 100

/** Targets that the guess is made of: the middle one of them is believed, so that one besieged target moves nothing. */
const GUESSES_MAX = 15
const GUESSES_MIN = 1

/**
 * The 20th closest of n random ids is at 20/n of the space, with a deviation of 22 %: at less than half of
 * that once in 300 look-ups.
 */
const SUSPICIOUS_SHARE = 0.5

/** Distances as shares of the space, ascending: the n of which they are the smallest, by least squares over i/(n+1). */
export const estimateOf = (distances: ReadonlyArray<number>): number => {
  let squares = 0
  let products = 0
  distances.forEach((distance, i) => {
    squares += (i + 1) ** 2
    products += (i + 1) * distance
  })
  return products === 0 ? Infinity : squares / products - 1
}

export class NetworkSize {
  /** By target: whoever asks for one again and again has one guess of it. */
  readonly #guesses: RecentMap<string, number> = new RecentMap(GUESSES_MAX)

  /** Of a look-up that ended; fewer nodes than it asks for are the whole network. */
  note(target: NodeId.NodeId, closest: ReadonlyArray<{ readonly id: NodeId.NodeId }>): void {
    const nearest = closest.slice(0, CLOSEST_NODES)
    if (nearest.length < CLOSEST_NODES) return
    const distances = nearest.map(({ id }) => NodeId.distanceShare(id, target))
    this.#guesses.set(target.hex, estimateOf(distances.toSorted((a, b) => a - b)))
  }

  /** Nodes in the network; `undefined` until a few look-ups have ended, or where there are too few to tell. */
  get estimate(): number | undefined {
    if (this.#guesses.size < GUESSES_MIN) return undefined
    const sorted = [...this.#guesses.values()].toSorted((a, b) => a - b)
    return sorted[Math.floor((sorted.length - 1) / 2)]
  }

  /**
   * How many of the closest nodes (`answered`, closest first) a look-up should end with: {@link CLOSEST_NODES}, or as
   * many as reach as far as the 20th would by chance where they stand too close. Asking goes on while that is more
   * than have answered.
   */
  widthFor(target: NodeId.NodeId, answered: ReadonlyArray<{ readonly id: NodeId.NodeId }>): number {
    const size = this.estimate
    const last = answered[CLOSEST_NODES - 1]
    if (size === undefined || last === undefined) return CLOSEST_NODES
    const expected = CLOSEST_NODES / (size + 1)
    if (NodeId.distanceShare(last.id, target) >= SUSPICIOUS_SHARE * expected) return CLOSEST_NODES
    const within = answered.findIndex(({ id }) => NodeId.distanceShare(id, target) >= expected)
    return Math.min(WIDTH_MAX, within === -1 ? answered.length + CLOSEST_NODES : within + 1)
  }
}
