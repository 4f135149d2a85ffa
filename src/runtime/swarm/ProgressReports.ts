/** Tells a listener how a download goes: one report at a time, of the newest state, so that a slow one holds nothing up. */
import * as Effect from "effect/Effect"
import type { Run } from "./Fibers.ts"

/** The result is to be called whenever there is something new to tell. */
export const make = (run: Run, report: Effect.Effect<void>): (() => void) => {
  let hasMoved = false
  let isReporting = false
  const next: Effect.Effect<void> = Effect.suspend(() => {
    isReporting = hasMoved
    if (!hasMoved) return Effect.void
    hasMoved = false
    return Effect.andThen(report, next)
  })
  return () => {
    hasMoved = true
    if (isReporting) return
    isReporting = true
    // Not at once: pieces come several at a time.
    setImmediate(() => run(next))
  }
}
