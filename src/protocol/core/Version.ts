/**
 * Versions (strict Semantic Versioning 2.0.0) and ranges over them with npm's meaning, computed by
 * npm's own `semver` so that no install resolves differently here than there.
 *
 * `compare` is a total order: versions that differ in build metadata only, or that `semver` takes for
 * equal, still come out in one order on every machine.
 */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import SemVerRange from "semver/classes/range.js"
import SemVer from "semver/classes/semver.js"

/** Longest version, in chars (`MAX_LENGTH` of npm's `semver`). */
export const MAX_CHARS = 256

/**
 * Longest range, in chars: room for `<version> - <version>` at their longest, while the work of
 * comparing with every part of `a || b || …` stays bounded. npm itself sets no limit.
 */
export const RANGE_MAX_CHARS = 2 * MAX_CHARS + 3

const toSemVer = (text: string): SemVer | undefined => {
  try {
    return new SemVer(text)
  } catch {
    return undefined
  }
}

const toSemVerRange = (text: string): SemVerRange | undefined => {
  try {
    return new SemVerRange(text)
  } catch {
    return undefined
  }
}

/** npm's parser trims and takes a leading `v`: only its own spelling of the version is ours. */
const isStrict = (text: string): boolean => {
  if (text.length > MAX_CHARS) return false
  const version = toSemVer(text)
  if (version === undefined) return false
  const build = version.build.length === 0 ? "" : `+${version.build.join(".")}`
  return version.version + build === text
}

/** `1.2.3`, `1.2.3-beta.1+build`: no prefix, no white space, every number a safe integer. */
export const Version = Schema.String.check(
  Schema.makeFilter((text: string) => isStrict(text) || "a version such as 1.2.3 or 1.2.3-beta.1 (semver 2.0)")
).pipe(Schema.brand("Version"))

export type Version = typeof Version.Type

export const parse = (text: string): Option.Option<Version> =>
  isStrict(text) ? Option.some(Version.make(text)) : Option.none()

/** Total order: precedence, then build metadata (npm's `compareBuild`), then the text. */
export const compare = (self: Version, that: Version): -1 | 0 | 1 =>
  self === that ? 0 : compareParsed(new SemVer(self), self, new SemVer(that), that)

const compareParsed = (a: SemVer, textOfA: string, b: SemVer, textOfB: string): -1 | 0 | 1 => {
  const order = a.compare(b) || a.compareBuild(b)
  if (order !== 0) return order
  return textOfA === textOfB ? 0 : textOfA < textOfB ? -1 : 1
}

/** Whether it has a pre-release part (`1.0.0-rc.1`). Ranges that name none do not match such versions. */
export const isPrerelease = (version: Version): boolean => new SemVer(version).prerelease.length > 0

/** A range in npm's grammar, as it was written: `^1.2`, `>=1 <3 || 5.x`, `*`. */
export const Range = Schema.String.check(
  Schema.makeFilter(
    (text: string) =>
      (text.length <= RANGE_MAX_CHARS && toSemVerRange(text) !== undefined) || "a semver range such as ^1.2.0 or >=1 <3"
  )
).pipe(Schema.brand("Range"))

export type Range = typeof Range.Type

export const parseRange: (text: string) => Option.Option<Range> = Schema.decodeOption(Range)

/** Every version but pre-releases. */
export const anyVersion: Range = Range.make("*")

/** npm's meaning: a pre-release satisfies only a comparator with the same major.minor.patch that is one, too. */
export const satisfies = (version: Version, range: Range): boolean => new SemVerRange(range).test(version)

/** The greatest by {@link compare} of the versions that satisfy `range`. */
export const maxSatisfying = (versions: Iterable<Version>, range: Range): Option.Option<Version> => {
  const wanted = new SemVerRange(range)
  let best: { readonly text: Version; readonly parsed: SemVer } | undefined
  for (const text of versions) {
    const parsed = new SemVer(text)
    if (wanted.test(parsed) && (best === undefined || compareParsed(parsed, text, best.parsed, best.text) > 0)) {
      best = { text, parsed }
    }
  }
  return best === undefined ? Option.none() : Option.some(best.text)
}
