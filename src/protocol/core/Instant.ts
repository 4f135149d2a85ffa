/**
 * Dates that strangers claim, as text. Records carry any integer as their milliseconds, also those
 * that are no date in any calendar; showing one must not be what fails.
 */
import * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"

const NO_DATE = "an impossible date"

const inIso = (ms: number, chars: number): string =>
  Option.match(DateTime.make(ms), { onNone: () => NO_DATE, onSome: (at) => DateTime.formatIso(at).slice(0, chars) })

/** `2025-06-15`, in UTC. */
export const day = (ms: number): string => inIso(ms, "2025-06-15".length)

/** `2025-06-15T12:30:00.000Z`. */
export const exact = (ms: number): string => inIso(ms, "2025-06-15T12:30:00.000Z".length)
