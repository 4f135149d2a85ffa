/** One line, for people, about why the operating system refused: `ENOSPC: no space left on device`. */
import * as Predicate from "effect/Predicate"
import type { PlatformError } from "effect/PlatformError"

export const problemOf = (error: PlatformError): string => {
  const cause = error.cause
  if (Predicate.hasProperty(cause, "code") && Predicate.hasProperty(cause, "message")) {
    const message = String(cause.message)
    return message.startsWith(String(cause.code)) ? message : `${String(cause.code)}: ${message}`
  }
  return error.message
}

export const isNotFound = (error: PlatformError): boolean => error.reason._tag === "NotFound"

export const isAlreadyThere = (error: PlatformError): boolean => error.reason._tag === "AlreadyExists"

/** The operating system's name for the failure, such as `ENOSPC`; `undefined` where it gave none. */
export const codeOf = (error: PlatformError): string | undefined =>
  Predicate.hasProperty(error.cause, "code") ? String(error.cause.code) : undefined

/** No such file, or something of another kind in its place: a directory, or a file where a directory should be. */
export const isNothingThere = (error: PlatformError): boolean =>
  isNotFound(error) || ["ENOTDIR", "EISDIR"].includes(codeOf(error) ?? "")
