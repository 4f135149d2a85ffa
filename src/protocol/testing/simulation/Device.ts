/**
 * How the disk of a simulated machine behaves: what its accesses take, which of them fail, and at which
 * write the machine loses power. Whoever is killed at a write has made it or has not: the stores above
 * write whole or not at all, as their live layers promise.
 */
import * as Effect from "effect/Effect"
import type { Chance } from "./Chance.ts"

/** Longest time of a write, ms. Enough for others to get in between. */
const WRITE_MS_MAX = 4

const PROBLEMS = ["EIO: i/o error", "ENOSPC: no space left on device"]

export class Device {
  /** Share of the accesses that fail, from 0 to 1. */
  failShare = 0
  /** Writes made so far. */
  writes = 0
  /** Told of each access that fails: what, and why. */
  onProblem: (what: string, problem: string) => void = () => undefined
  readonly #chance: Chance
  readonly #watchers = new Set<(what: string, isMade: boolean) => void>()

  constructor(chance: Chance) {
    this.#chance = chance
  }

  /** Tells of each write before and after it is made, until the function that is given back is called. */
  watch(watcher: (what: string, isMade: boolean) => void): () => void {
    this.#watchers.add(watcher)
    return () => void this.#watchers.delete(watcher)
  }

  #tell(what: string, isMade: boolean): void {
    for (const watcher of this.#watchers) watcher(what, isMade)
  }

  read<A, E, R>(access: Effect.Effect<A, E, R>, toError: (problem: string) => E): Effect.Effect<A, E, R> {
    return Effect.suspend(() => {
      const problem = this.#problem("a read")
      return problem === undefined ? access : Effect.fail(toError(problem))
    })
  }

  write<A, E, R>(
    what: string,
    access: Effect.Effect<A, E, R>,
    toError: (problem: string) => E
  ): Effect.Effect<A, E, R> {
    return Effect.suspend(() => {
      this.#tell(what, false)
      const problem = this.#problem(what)
      const made = problem === undefined ? Effect.tap(access, () => this.#made(what)) : Effect.fail(toError(problem))
      return Effect.andThen(Effect.sleep(this.#chance.between(0, WRITE_MS_MAX)), made)
    })
  }

  #made(what: string): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.writes++
      this.#tell(what, true)
      return Effect.yieldNow
    })
  }

  #problem(what: string): string | undefined {
    if (this.failShare <= 0 || !this.#chance.is(this.failShare)) return undefined
    const problem = this.#chance.pick(PROBLEMS)
    this.onProblem(what, problem)
    return problem
  }
}
