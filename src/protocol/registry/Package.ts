/**
 * A publisher's record of one package: its versions and, inlined, the newest release, so that most
 * installs need no further look-up.
 *
 * Versions stand in the record as `[version, flags]`, newest first, while they fit; `c` counts all.
 * An older version that no longer fits is still found under its release's own key.
 */
import * as Schema from "effect/Schema"
import * as Bencode from "../core/Bencode.ts"
import { PackageName } from "../core/PackageName.ts"
import * as Version from "../core/Version.ts"
import { VALUE_MAX_BYTES } from "../dht/Record.ts"
import * as Release from "./Release.ts"

/** Bit set of a version. */
export const Flag = { yanked: 1, deprecated: 2 } as const

/** Versions a package may have. */
export const VERSIONS_MAX = 10_000

const Entry = Schema.Tuple([Bencode.Utf8.pipe(Schema.decodeTo(Version.Version)), Bencode.Integer])

/** `[version, flags]`. */
export type Entry = typeof Entry.Type

export const Package = Schema.Struct({
  n: Bencode.Utf8.pipe(Schema.decodeTo(PackageName)),
  /** The newest release. */
  l: Release.Inlined,
  vs: Schema.Array(Entry),
  /** Count of all versions; greater than the length of `vs` where not all fit. */
  c: Bencode.Integer.check(Schema.isBetween({ minimum: 1, maximum: VERSIONS_MAX })),
  /** When it was last changed, Unix milliseconds, by the publisher's clock. */
  t: Bencode.Integer
}).check(
  Schema.makeFilter((self) => self.vs.length > 0 && self.vs.length <= self.c, {
    expected: "at least one version and a count that covers them"
  })
)

export type Package = typeof Package.Type

export const codec = Bencode.fromBytes(Package)
const encode = Schema.encodeSync(codec)

/** Newest first. A pre-release is newest only among its own kind: any release comes before every pre-release. */
const newestFirst = (self: Entry, that: Entry): number => {
  const stable = Number(Version.isPrerelease(self[0])) - Number(Version.isPrerelease(that[0]))
  return stable !== 0 ? stable : Version.compare(that[0], self[0])
}

export const lists = (self: Package, version: Version.Version): boolean =>
  self.vs.some(([listed]) => listed === version)

/** Whether the version would stand behind all those that are listed, where not all are. */
export const isTooOld = (self: Package, version: Version.Version): boolean => {
  const last = self.vs.at(-1)
  return self.c > self.vs.length && last !== undefined && newestFirst(last, [version, 0]) < 0
}

/** The package with `release` added. Adding what is there already changes nothing but `t`. */
export const add = (self: Package | undefined, release: Release.Release, now: number): Package => {
  const known = self !== undefined && lists(self, release.v)
  const vs = (known ? self!.vs : [...(self?.vs ?? []), [release.v, 0] as const]).toSorted(newestFirst)
  const isNewest = self === undefined || vs[0]![0] === release.v
  return {
    n: release.n,
    l: isNewest ? Release.inline(release) : self.l,
    vs,
    c: (self?.c ?? 0) + (known ? 0 : 1),
    t: now
  }
}

/**
 * The record's value. Where it would not fit, the piece hashes of the inlined release go first (a
 * peer can be asked for them), then the oldest versions.
 */
export const toBytes = (self: Package): Uint8Array => {
  const whole = encode(self)
  if (whole.length <= VALUE_MAX_BYTES) return whole
  const { p: _, ...l } = self.l
  const withVersions = (count: number) => encode({ ...self, l, vs: self.vs.slice(0, count) })
  // `fits` versions fit (one always does), `tooMany` do not: halve until they meet.
  let fits = 1
  let tooMany = self.vs.length + 1
  while (tooMany - fits > 1) {
    const middle = (fits + tooMany) >> 1
    if (withVersions(middle).length <= VALUE_MAX_BYTES) fits = middle
    else tooMany = middle
  }
  return withVersions(fits)
}

/** Versions that may be chosen by range: those not yanked. */
export const selectable = (self: Package): ReadonlyArray<Version.Version> =>
  self.vs.filter(([, flags]) => (flags & Flag.yanked) === 0).map(([version]) => version)
