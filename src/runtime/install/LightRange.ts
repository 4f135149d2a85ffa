/**
 * Whether a version is plainly in a range, told without npm's parser of ranges, which takes its time to
 * load. Knows what most ranges are (`^1.2.3`, `~1.2`, `1.x`, `>=1 <3`, with `||` between them), and only
 * versions without a pre-release part.
 */
import { isAny } from "../../protocol/registry/LockConsistency.ts"

/** Numbers of up to 9 digits: sums of them are exact. */
const NUMBER = "(0|[1-9]\\d{0,8})"
/** Minor and patch; after a part that is open nothing else is told apart. */
const REST = `(?:\\.(?:[x*](?:\\.[x*])?|${NUMBER}(?:\\.(?:[x*]|${NUMBER}))?))?`

const RELEASE = new RegExp(`^${NUMBER}\\.${NUMBER}\\.${NUMBER}$`)
const COMPARATOR = new RegExp(`^(\\^|~|>=|<|=)?v?${NUMBER}${REST}$`)
/** What most ranges are: one comparator with a whole version, `^1.2.3`. */
const USUAL = new RegExp(`^([\\^~]?)${NUMBER}\\.${NUMBER}\\.${NUMBER}$`)
const SPACE_AFTER_OPERATOR = /([\^~<>=])\s+/g

type Parts = readonly [major: number, minor: number, patch: number]

const isBelow = (one: Parts, other: Parts): boolean => {
  for (const at of [0, 1, 2] as const) if (one[at] !== other[at]) return one[at] < other[at]
  return false
}

/** The first version after all that share the given parts: of `1` it is 2.0.0, of `1.2` 1.3.0. */
const after = (parts: ReadonlyArray<number>): Parts => {
  const [major = 0, minor = 0, patch = 0] = parts
  if (parts.length === 1) return [major + 1, 0, 0]
  return parts.length === 2 ? [major, minor + 1, 0] : [major, minor, patch + 1]
}

/** Parts up to the first that is not zero: those that a caret keeps. */
const kept = (parts: ReadonlyArray<number>): ReadonlyArray<number> => {
  const first = parts.findIndex((part) => part !== 0)
  return first < 0 ? parts : parts.slice(0, first + 1)
}

/** Whether what `COMPARATOR` found admits a version. */
const meets = (own: Parts, [, operator = "=", ...texts]: RegExpExecArray): boolean => {
  const parts = texts.filter((text) => text !== undefined).map(Number)
  const [major = 0, minor = 0, patch = 0] = parts
  const least: Parts = [major, minor, patch]
  if (operator === "<") return isBelow(own, least)
  if (isBelow(own, least)) return false
  if (operator === ">=") return true
  if (operator === "^") return isBelow(own, after(kept(parts)))
  return isBelow(own, after(operator === "~" ? parts.slice(0, 2) : parts))
}

/** The same for what `USUAL` found, without lists: it is asked for every dependency of a tree. */
const meetsUsual = (own: Parts, found: RegExpExecArray): boolean => {
  const least: Parts = [Number(found[2]), Number(found[3]), Number(found[4])]
  if (isBelow(own, least) || own[0] !== least[0]) return false
  if (found[1] === "^" && least[0] > 0) return true
  if (own[1] !== least[1]) return false
  return found[1] === "~" || (found[1] === "^" && least[1] > 0) || own[2] === least[2]
}

/** `false` where it takes a closer look. */
export const isPlainlyIn = (version: string, range: string): boolean => {
  if (isAny(range)) return true
  const found = RELEASE.exec(version)
  if (found === null || range.includes(" - ")) return false
  const own: Parts = [Number(found[1]), Number(found[2]), Number(found[3])]
  const usual = USUAL.exec(range)
  if (usual !== null) return meetsUsual(own, usual)
  let isIn = false
  for (const alternative of range.split("||")) {
    const texts = alternative.replaceAll(SPACE_AFTER_OPERATOR, "$1").trim().split(/\s+/)
    const comparators = texts.map((text) => COMPARATOR.exec(text))
    // npm reads a range as a whole, or not at all.
    if (!comparators.every((each) => each !== null)) return false
    isIn ||= comparators.every((each) => meets(own, each))
  }
  return isIn
}
