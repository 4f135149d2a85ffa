/**
 * Which version npm would take (`npm-pick-manifest`): the one tagged `latest` where it is in the range,
 * can run on this Node and is not deprecated; else the highest in the range, those that cannot run and
 * deprecated ones last. An exact version, and any tag that is asked for by name, is that and nothing else.
 */
import * as Option from "effect/Option"
import SemVerRange from "semver/classes/range.js"
import SemVer from "semver/classes/semver.js"
import type { Version } from "../../protocol/core/Version.ts"
import type { Wanted } from "./Wanted.ts"

/** What counts of a version beside its number. */
export interface Candidate {
  readonly version: Version
  readonly isDeprecated: boolean
  /** Range of Node's versions that it says it runs on. */
  readonly node: string | undefined
}

/** The tag that stands for nothing in particular. */
const DEFAULT_TAG = "latest"

const rangeOf = (text: string, options: { readonly loose?: boolean; readonly includePrerelease?: boolean }) => {
  try {
    return new SemVerRange(text, options)
  } catch {
    return undefined
  }
}

const runsOn = ({ node }: Candidate, running: string): boolean =>
  node === undefined || node === "" || rangeOf(node, { includePrerelease: true })?.test(running) === true

/** The better of two comes first. */
const rank = (isDeprecated: boolean, runs: boolean): number => (runs ? 2 : 0) + (isDeprecated ? 0 : 1)

/**
 * The version for `wanted`. `tags` are the registry's, by name; `running` is the version of Node that
 * packages are chosen for.
 */
export const pick = (
  candidates: ReadonlyMap<string, Candidate>,
  tags: ReadonlyMap<string, string>,
  { text, type }: Wanted,
  running: string
): Option.Option<Version> => {
  const exact = (version: string | undefined) =>
    Option.map(
      Option.fromUndefinedOr(version === undefined ? undefined : candidates.get(version)),
      (found) => found.version
    )
  if (type === "tag") return exact(tags.get(text))
  if (type === "version") return exact(text)
  const range = rangeOf(text, { loose: true })
  if (range === undefined) return Option.none()
  const isInRange = (version: string): boolean => {
    try {
      return range.test(new SemVer(version, { loose: true }))
    } catch {
      return false
    }
  }
  const latest = candidates.get(tags.get(DEFAULT_TAG) ?? "")
  if (latest !== undefined && !latest.isDeprecated && runsOn(latest, running)) {
    if (text === "*" || isInRange(latest.version)) return Option.some(latest.version)
  }
  let best: { readonly version: Version; readonly parsed: SemVer; readonly rank: number } | undefined
  for (const candidate of candidates.values()) {
    if (!isInRange(candidate.version)) continue
    const parsed = new SemVer(candidate.version, { loose: true })
    const mine = rank(candidate.isDeprecated, runsOn(candidate, running))
    const order = best === undefined ? 1 : mine - best.rank || parsed.compare(best.parsed)
    if (order > 0) best = { version: candidate.version, parsed, rank: mine }
  }
  return best === undefined ? Option.none() : Option.some(best.version)
}
