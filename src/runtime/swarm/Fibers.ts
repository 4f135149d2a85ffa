/** The fibers of one owner, who ends them all at once. A scope and a `FiberSet` for each download would cost more than it. */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"

/** Begins what ends with its owner at the latest. */
export type Run = (effect: Effect.Effect<void>) => unknown

export class Fibers {
  readonly #fork: (effect: Effect.Effect<void>) => Fiber.Fiber<void>
  readonly #running = new Set<Fiber.Fiber<void>>()
  #isOver = false

  constructor(context: Context.Context<never>) {
    this.#fork = Effect.runForkWith(context)
  }

  /** Begins at once, unless they have been ended. */
  readonly run = (effect: Effect.Effect<void>): void => {
    if (this.#isOver) return
    const fiber = this.#fork(effect)
    if (fiber.pollUnsafe() !== undefined) return
    this.#running.add(fiber)
    fiber.addObserver(() => this.#running.delete(fiber))
  }

  /** Interrupts those that run, and waits for their ends. Nothing begins any more. */
  readonly end: Effect.Effect<void> = Effect.suspend(() => {
    this.#isOver = true
    return this.#running.size === 0 ? Effect.void : Fiber.interruptAll(this.#running)
  })
}
