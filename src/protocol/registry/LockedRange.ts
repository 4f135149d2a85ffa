/** Whether a version may be what a range was answered with, as npm reads ranges. */
import * as Option from "effect/Option"
import * as Version from "../core/Version.ts"

/** What is answered with a pre-release too, where there is nothing else. */
const ANY = new Set(["", "*", "latest", "next"])

/** A range that cannot be read admits nothing: it was never answered. */
export const admits = (version: string, range: string): boolean => {
  const wanted = range.trim()
  if (ANY.has(wanted)) return true
  const parsed = Option.getOrUndefined(Version.parseRange(wanted))
  const own = Option.getOrUndefined(Version.parse(version))
  return parsed !== undefined && own !== undefined && Version.satisfies(own, parsed)
}
