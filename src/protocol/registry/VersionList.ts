/**
 * The versions of a package that a reader goes by: those in the package's record, and where they do not
 * settle the choice, those in its tree. Which version is taken, and why the others are not.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Bencode from "../core/Bencode.ts"
import * as Version from "../core/Version.ts"
import { Dht } from "../dht/Dht.ts"
import type { Target } from "../dht/Record.ts"
import * as Tree from "../dht/Tree.ts"
import type { Considered, VersionVerdict } from "./Evidence.ts"
import * as Package from "./Package.ts"
import { sorted } from "./PackageRecord.ts"
import { toRegistryError } from "./RegistryError.ts"

export interface VersionList {
  readonly entries: ReadonlyArray<Package.Entry>
  /** Versions that there are by the record's count, but that could not be read. */
  readonly unread: number
  /** Look-ups one after another that reading it took. */
  readonly depth: number
}

const flagsIn = (entries: ReadonlyArray<Package.Entry>, version: Version.Version): number | undefined =>
  entries.find(([listed]) => listed === version)?.[1]

export const flagsOf = (self: VersionList, version: Version.Version): number | undefined =>
  flagsIn(self.entries, version)

const has = (flags: number, flag: number): boolean => (flags & flag) !== 0

/** Versions that may be chosen by range or tag: those not yanked. */
export const selectable = (self: VersionList): ReadonlyArray<Version.Version> =>
  self.entries.filter(([, flags]) => !has(flags, Package.Flag.yanked)).map(([version]) => version)

export const inRecord = (pkg: Package.Package): VersionList => ({
  entries: pkg.vs,
  unread: pkg.c - pkg.vs.length,
  depth: 0
})

const isWhole = ({ unread }: VersionList): boolean => unread === 0

/**
 * The version to take; `undefined` where none will do. A version that is asked for by its exact number is
 * taken at its word, also when it is yanked; unless `isExact`, one that differs in build metadata will do.
 */
export const choose = (self: VersionList, wanted: Version.Wanted, isExact: boolean): Version.Version | undefined => {
  const exact = Option.getOrUndefined(Version.exactOf(wanted))
  if (exact !== undefined && flagsOf(self, exact) !== undefined) return exact
  if (isExact) return undefined
  return Option.getOrUndefined(Version.pick(selectable(self), wanted))
}

/**
 * Whether a version that is not in the record might be taken rather than `chosen`. The record has the
 * newest versions, and every release is newer than every pre-release: so what is left out is older, or a
 * pre-release.
 */
export const isSettled = (self: VersionList, wanted: Version.Wanted, chosen: Version.Version | undefined): boolean =>
  isWhole(self) || (chosen !== undefined && (Version.isPrerelease(chosen) || !Version.mayPreferPrerelease(wanted)))

/** `Dht`, and whether the network had to be asked for a page. */
const counting = Effect.map(Dht, (dht) => {
  let asked = 0
  const counted = Dht.of({
    ...dht,
    getImmutable: (target) =>
      Effect.suspend(() => {
        asked += 1
        return dht.getImmutable(target)
      })
  })
  return { dht: counted, asked: () => asked }
})

const entryOf = ({ key, value }: Tree.Entry): ReadonlyArray<Package.Entry> => {
  const version = Option.getOrUndefined(Option.flatMap(Bencode.text(key), Version.parse))
  return version === undefined || value.length !== 1 ? [] : [[version, value[0]!]]
}

/** Every version that can be read, newest first. What the record itself says of a version counts. */
export const whole = Effect.fnUntraced(function* (pkg: Package.Package) {
  if (pkg.r === undefined) return inRecord(pkg)
  const { asked, dht } = yield* counting
  const { depth, entries } = yield* Tree.collect(pkg.r as Target, { limit: Package.VERSIONS_MAX }).pipe(
    Effect.provideService(Dht, dht),
    Effect.mapError(toRegistryError)
  )
  const all = new Map([...entries.flatMap(entryOf), ...pkg.vs])
  return {
    entries: sorted(all),
    unread: Math.max(0, pkg.c - all.size),
    depth: asked() === 0 ? 0 : depth
  } satisfies VersionList
})

/** The flags of a version that the record does not list; `None` where the tree has no such version. */
export const flagsInTree = Effect.fnUntraced(function* (pkg: Package.Package, version: Version.Version) {
  const { asked, dht } = yield* counting
  const flags = yield* Effect.result(Package.flagsOf(pkg, version).pipe(Effect.provideService(Dht, dht)))
  return { flags, depth: asked() }
})

/** Why each version was taken or not, newest first; the chosen one is always among those that are told. */
export const considered = (
  self: VersionList,
  wanted: Version.Wanted,
  chosen: Version.Version,
  flags: number
): Considered<VersionVerdict> => {
  const verdictOf = ([version, flags]: Package.Entry): VersionVerdict => ({
    version,
    flags,
    verdict: version === chosen ? "chosen" : "lost",
    reason: version === chosen ? whyChosen(wanted, version) : whyLost(wanted, version, flags)
  })
  const isListed = flagsOf(self, chosen) !== undefined
  return {
    count: self.entries.length + (isListed ? 0 : 1),
    first: (max) => {
      const shown = self.entries.slice(0, max)
      if (flagsIn(shown, chosen) === undefined) shown.splice(max - 1, 1, [chosen, flags])
      return shown.map(verdictOf)
    }
  }
}

const whyChosen = (wanted: Version.Wanted, chosen: Version.Version): string => {
  if (Option.contains(Version.exactOf(wanted), chosen)) return "it is the version that was asked for"
  if (wanted === "next") return "the newest of all versions"
  if (Version.isTag(wanted) || wanted === Version.anyVersion) {
    return Version.isPrerelease(chosen) ? "the newest; there are only pre-releases" : "the newest release"
  }
  return `the highest in the range ${wanted}`
}

const whyLost = (wanted: Version.Wanted, version: Version.Version, flags: number): string => {
  if (has(flags, Package.Flag.yanked)) return "yanked by its publisher"
  if (Option.isSome(Version.exactOf(wanted))) return "another version was asked for"
  if (Version.isTag(wanted) || wanted === Version.anyVersion) {
    return wanted !== "next" && Version.isPrerelease(version) ? "a pre-release" : "older than the chosen one"
  }
  if (Version.satisfies(version, wanted)) return "older than the chosen one"
  return Version.isPrerelease(version) ? `a pre-release that ${wanted} does not name` : `not in the range ${wanted}`
}
