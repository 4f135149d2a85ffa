/** What went wrong, in a sentence: for the trace and for people. */
import * as Cause from "effect/Cause"
import { explain } from "../../core/Errors.ts"

export const sentenceOf = (cause: Cause.Cause<unknown>): string => {
  const error = Cause.squash(cause)
  return explain(error)?.message ?? (error instanceof Error ? `${error.name}: ${error.message}` : String(error))
}
