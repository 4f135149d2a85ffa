/** Whether a version may be what a range was answered with, as npm reads ranges. */
import * as Option from "effect/Option"
import * as Version from "../core/Version.ts"
import { isAny } from "./LockConsistency.ts"

/** A range that cannot be read admits nothing: it was never answered. */
export const admits = (version: string, range: string): boolean => {
  if (isAny(range)) return true
  const parsed = Option.getOrUndefined(Version.parseRange(range.trim()))
  const own = Option.getOrUndefined(Version.parse(version))
  return parsed !== undefined && own !== undefined && Version.satisfies(own, parsed)
}
