/**
 * Versions (strict Semantic Versioning 2.0.0) and ranges over them with npm's meaning, computed by
 * npm's own `semver` so that no install resolves differently here than there.
 *
 * `compare` is a total order: versions that differ in build metadata only, or that `semver` takes for
 * equal, still come out in one order on every machine.
 */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type Comparator from "semver/classes/comparator.js"
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

/** Most versions there are: three numbers of at most 15 digits, which are safe integers. Told without npm's parser. */
const PLAIN = /^(?:0|[1-9]\d{0,14})\.(?:0|[1-9]\d{0,14})\.(?:0|[1-9]\d{0,14})$/

/** npm's parser trims and takes a leading `v`: only its own spelling of the version is ours. */
const isStrict = (text: string): boolean => {
  if (text.length > MAX_CHARS) return false
  if (PLAIN.test(text)) return true
  const version = toSemVer(text)
  if (version === undefined) return false
  const build = version.build.length === 0 ? "" : `+${version.build.join(".")}`
  return version.version + build === text
}

/** Whether `text` is spelled as a version. */
export const isVersion = (text: string): text is Version => isStrict(text)

/** `1.2.3`, `1.2.3-beta.1+build`: no prefix, no white space, every number a safe integer. */
export const Version = Schema.String.check(
  Schema.makeFilter((text: string) => isStrict(text) || "a version such as 1.2.3 or 1.2.3-beta.1 (semver 2.0)")
).pipe(Schema.brand("Version"))

export type Version = typeof Version.Type

export const parse = (text: string): Option.Option<Version> =>
  isStrict(text) ? Option.some(Version.make(text)) : Option.none()

/** Total order: precedence (semver 2.0), then build metadata in the same way, then the text. */
export const compare = (self: Version, that: Version): -1 | 0 | 1 =>
  self === that ? 0 : compareParsed(new SemVer(self), self, new SemVer(that), that)

type Identifiers = ReadonlyArray<string | number>

const DIGITS = /^\d+$/

const compareTexts = (a: string, b: string): -1 | 0 | 1 => (a === b ? 0 : a < b ? -1 : 1)

/** Numbers by value, however many digits they have, and before everything else (semver 2.0, 11.4). */
const compareIdentifier = (one: string | number, other: string | number): -1 | 0 | 1 => {
  const [a, b] = [String(one), String(other)]
  const isNumber = DIGITS.test(a)
  if (isNumber !== DIGITS.test(b)) return isNumber ? -1 : 1
  if (!isNumber) return compareTexts(a, b)
  const [m, n] = [a.replace(/^0+/, ""), b.replace(/^0+/, "")]
  return m.length === n.length ? compareTexts(m, n) : m.length < n.length ? -1 : 1
}

/** Of lists that are equal so far the shorter one is first. */
const compareLists = (a: Identifiers, b: Identifiers): number => {
  for (const [i, own] of a.entries()) {
    const other = b[i]
    const order = other === undefined ? 1 : compareIdentifier(own, other)
    if (order !== 0) return order
  }
  return a.length - b.length
}

/**
 * As npm orders them wherever it does: it takes numbers of more than 15 digits that are close for equal, and does not look
 * at what follows, so that its own order goes round in circles.
 */
const compareParsed = (a: SemVer, textOfA: string, b: SemVer, textOfB: string): -1 | 0 | 1 => {
  const releases = Number(a.prerelease.length === 0) - Number(b.prerelease.length === 0)
  const order =
    a.compareMain(b) || releases || compareLists(a.prerelease, b.prerelease) || compareLists(a.build, b.build)
  if (order !== 0) return order < 0 ? -1 : 1
  return compareTexts(textOfA, textOfB)
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

/**
 * Every version but pre-releases; as something wanted, the same as the tag `latest`, as it is for npm. Not parsed
 * here: whoever starts would wait for it.
 */
export const anyVersion: Range = "*" as Range

/** The range of one version: every version is spelled as a range, too. */
export const only = (version: Version): Range => Range.make(version)

/**
 * Names for versions that move: `latest` is the newest release (of a package that has only
 * pre-releases, the newest of those), `next` the newest of all versions.
 */
export const Tag = Schema.Literals(["latest", "next"])

export type Tag = typeof Tag.Type

export const isTag = Schema.is(Tag)

/** What may be asked for: a range, or a tag. */
export type Wanted = Range | Tag

/** Reads a tag or a range. */
export const parseWanted = (text: string): Option.Option<Wanted> => (isTag(text) ? Option.some(text) : parseRange(text))

/** What an exact version looks like. Told before npm's parser is asked, which is slow to refuse. */
const EXACT = /^[=v\s]*(\d+\.\d+\.\d+(?:[-+][\w.+-]*)?)\s*$/

/** The version, where what is wanted is one and no other: `1.2.3`, or as npm also takes it `v1.2.3` and `=1.2.3`. */
export const exactOf = (wanted: Wanted): Option.Option<Version> => {
  const text = EXACT.exec(wanted)?.[1]
  return text === undefined ? Option.none() : parse(text)
}

/** npm's meaning: a pre-release satisfies only a comparator with the same major.minor.patch that is one, too. */
export const satisfies = (version: Version, range: Range): boolean => new SemVerRange(range).test(version)

/** The greatest by {@link compare} of the versions that pass `test`. */
const greatest = (versions: Iterable<Version>, test: (parsed: SemVer) => boolean): Option.Option<Version> => {
  let best: { readonly text: Version; readonly parsed: SemVer } | undefined
  for (const text of versions) {
    const parsed = new SemVer(text)
    if (test(parsed) && (best === undefined || compareParsed(parsed, text, best.parsed, best.text) > 0)) {
      best = { text, parsed }
    }
  }
  return best === undefined ? Option.none() : Option.some(best.text)
}

/** The greatest by {@link compare} of the versions that satisfy `range`. */
export const maxSatisfying = (versions: Iterable<Version>, range: Range): Option.Option<Version> => {
  const wanted = new SemVerRange(range)
  return greatest(versions, (parsed) => wanted.test(parsed))
}

/** `latest`, and what npm takes for it: `*`, and nothing at all. */
const isLatest = (wanted: Wanted): wanted is "latest" => wanted === "latest" || wanted === "*" || wanted.trim() === ""

/** What npm would take out of `versions`: the greatest by {@link compare} that satisfies the range or bears the tag. */
export const pick = (versions: ReadonlyArray<Version>, wanted: Wanted): Option.Option<Version> => {
  if (wanted === "next") return greatest(versions, () => true)
  if (!isLatest(wanted)) return maxSatisfying(versions, wanted)
  const release = greatest(versions, ({ prerelease }) => prerelease.length === 0)
  return Option.isSome(release) ? release : greatest(versions, () => true)
}

/**
 * Whether some pre-release satisfies it. None is below `2.0.0-0`, which is how npm writes the end of `^1`; npm's
 * `ANY` comparator has no version, whatever its type says.
 */
const admitsPrerelease = ({ operator, semver }: Comparator): boolean =>
  semver instanceof SemVer &&
  semver.prerelease.length > 0 &&
  !(operator === "<" && semver.prerelease.length === 1 && semver.prerelease[0] === 0)

/** Whether a pre-release may be greater than every release that `wanted` takes. */
export const mayPreferPrerelease = (wanted: Wanted): boolean =>
  wanted === "next" || (!isLatest(wanted) && new SemVerRange(wanted).set.flat().some(admitsPrerelease))

/** Each version's place among the others, by {@link compare}: parses every one once, for whoever sorts by many. */
export const places = (versions: Iterable<Version>): ReadonlyMap<Version, number> => {
  const parsed = Array.from(new Set(versions), (text) => ({ text, parsed: new SemVer(text) }))
  parsed.sort((self, that) => compareParsed(self.parsed, self.text, that.parsed, that.text))
  return new Map(parsed.map(({ text }, place) => [text, place]))
}
