/**
 * How a package that was asked for is written into package.json, as npm does it: `^` and the version that
 * was taken, unless that would admit versions outside of the range that was asked for.
 */
import type * as PackageSpec from "../../protocol/core/PackageSpec.ts"
import * as Version from "../../protocol/core/Version.ts"
import subset from "semver/ranges/subset.js"

/** `asked` is `latest` or `next` where no range was given. */
export const of = (asked: PackageSpec.PackageSpec["range"], version: Version.Version): string => {
  const caret = `^${version}`
  if (Version.isTag(asked) || asked.trim() === "*" || Version.exactOf(asked)._tag === "Some") return caret
  return subset(caret, asked, { loose: true }) ? caret : asked
}
