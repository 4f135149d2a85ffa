/** What went wrong, in a sentence: for the trace and for people. */
import * as Cause from "effect/Cause"
import * as Predicate from "effect/Predicate"
import { explain } from "../../core/Errors.ts"

const wordsFor = (error: unknown): string => {
  if (error instanceof Error) return `${error.name}: ${error.message}`
  if (Predicate.hasProperty(error, "_tag")) return String(error._tag)
  return Predicate.isObject(error) ? JSON.stringify(error) : String(error)
}

/** Where the error was made, as the engine tells it; not for the trace, since it differs from machine to machine. */
export const stackOf = (cause: Cause.Cause<unknown>): string | undefined => {
  const error = Cause.squash(cause)
  return error instanceof Error ? error.stack : undefined
}

export const sentenceOf = (cause: Cause.Cause<unknown>): string => {
  const error = Cause.squash(cause)
  return explain(error)?.message ?? wordsFor(error)
}
