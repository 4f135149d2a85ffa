/**
 * The record of a package as it is signed: what it says, and how much of it fits.
 *
 * Versions stand in it as `[version, flags]`, newest first, while they fit. Where they do not all fit,
 * `r` is the root of a tree of every version (key: the version in UTF-8, value: one byte of flags) and
 * the record carries as many of the newest as it has room for.
 */
import { SHA1_BYTES } from "../core/Digest.ts"
import * as Shape from "../core/Shape.ts"
import * as Version from "../core/Version.ts"
import { type Target, VALUE_MAX_BYTES } from "../dht/Record.ts"
import * as Release from "./Release.ts"

/** Bit set of a version. */
export const Flag = { yanked: 1, deprecated: 2 } as const

/** Flags are one byte in a tree, so they are in the record, too. */
export const FLAGS_MAX = 0xff

/** Versions a package may have. */
export const VERSIONS_MAX = 10_000

const entry = Shape.tuple([Shape.version, Shape.integer(0, FLAGS_MAX)])

/** `[version, flags]`. */
export type Entry = Shape.Type<typeof entry>

const areDistinct = (entries: ReadonlyArray<Entry>): boolean =>
  new Set(entries.map(([version]) => version)).size === entries.length

const shape = Shape.where(
  Shape.dictionary({
    n: Shape.packageName,
    /** The newest release that is not yanked, as far as the publisher had it at hand. */
    l: Release.inlinedShape,
    /** The newest versions, newest first. */
    vs: Shape.list(entry, VERSIONS_MAX),
    /** Count of all versions. */
    c: Shape.integer(1, VERSIONS_MAX),
    /** Root of the tree of all versions; there exactly when `vs` has fewer than `c`. */
    r: Shape.optional(Shape.bytes(SHA1_BYTES)),
    /** When it was last signed, Unix milliseconds, by the publisher's clock. */
    t: Shape.integer()
  }),
  ({ c, r, vs }) => {
    if (vs.length === 0) return "lists no version"
    if (!areDistinct(vs)) return "lists a version twice"
    if (r === undefined) return vs.length === c ? undefined : `counts ${c} versions and lists ${vs.length}`
    return vs.length < c ? undefined : "has a tree of versions that it lists all by itself"
  }
)

/** Field names are those of the wire (`docs/spec/records.md`). */
export type Package = Shape.Type<typeof shape>

/** Bytes of a record's value ↔ package. */
export const codec = Shape.codec(shape)

/** The package that `bytes` spell, or what is wrong with them. */
export const decode = Shape.decoder(shape)

/** The bytes of a package as it stands; whether they fit into a record is settled where packages change. */
export const toBytes = Shape.encoder(shape)

/** A package as it would be signed: its bytes, and the pages of its tree that are new. */
export interface Draft {
  readonly pkg: Package
  readonly value: Uint8Array
  readonly pages: ReadonlyArray<Uint8Array>
}

/** Newest first. A pre-release is newest only among its own kind: any release comes before every pre-release. */
export const newestFirst = (self: Version.Version, that: Version.Version): number => {
  const stable = Number(Version.isPrerelease(self)) - Number(Version.isPrerelease(that))
  return stable !== 0 ? stable : Version.compare(that, self)
}

/** The entries by {@link newestFirst}, with fewer versions parsed than by comparing them so. */
export const sorted = (entries: Iterable<Entry>): ReadonlyArray<Entry> => {
  const [releases, prereleases]: [Array<Entry>, Array<Entry>] = [[], []]
  for (const entry of entries) (Version.isPrerelease(entry[0]) ? prereleases : releases).push(entry)
  const byVersion = ([self]: Entry, [that]: Entry) => Version.compare(that, self)
  return [...releases.toSorted(byVersion), ...prereleases.toSorted(byVersion)]
}

/** `l5:0.0.0i0ee`: more of the shortest entries than these cannot fit into one record. */
const INLINE_MAX = Math.floor(VALUE_MAX_BYTES / 12)

/** Fields that are the same whatever versions are listed. */
export type Head = Pick<Package, "n" | "l" | "t">

/** What a reader can do without: a peer can be asked for piece hashes, the DHT for peers. */
const withoutPieces = ({ l: { p: _, ...l }, ...head }: Head): Head => ({ ...head, l })
const withoutHints = ({ l: { x: _, ...l }, ...head }: Head): Head => ({ ...head, l })

const draft = (pkg: Package, pages: ReadonlyArray<Uint8Array>): Draft => ({ pkg, value: toBytes(pkg), pages })

const fits = ({ value }: Draft): boolean => value.length <= VALUE_MAX_BYTES

/** Bytes of an entry in a record: `l5:1.0.0i0ee`. Versions are ASCII. */
const entryBytes = ([version, flags]: Entry): number =>
  String(version.length).length + 1 + version.length + String(flags).length + 4

/** The record with all of `vs`, which are newest first; `undefined` where that does not fit. A single version always fits. */
export const whole = (head: Head, vs: ReadonlyArray<Entry>): Draft | undefined => {
  if (vs.length > INLINE_MAX) return undefined
  const light = withoutPieces(head)
  const heads = vs.length === 1 ? [head, light, withoutHints(light)] : [head, light]
  for (const each of heads) {
    const complete = draft({ ...each, vs, c: vs.length }, [])
    if (fits(complete)) return complete
  }
  return undefined
}

/**
 * The record with the tree of all `c` versions, and as many of the newest, `vs`, as fit: at least one.
 * There is room for that whatever the lengths of name and version, since piece hashes and hints go first.
 */
export const cut = (
  head: Head,
  vs: ReadonlyArray<Entry>,
  tree: { readonly c: number; readonly r: Target; readonly pages: ReadonlyArray<Uint8Array> }
): Draft => {
  const { c, pages, r } = tree
  const withVersions = (base: Head, count: number) => draft({ ...base, vs: vs.slice(0, count), c, r }, pages)
  const light = withoutPieces(head)
  const base = fits(withVersions(light, 1)) ? light : withoutHints(light)
  const shortest = withVersions(base, 1)
  let count = 1
  let size = shortest.value.length
  // A tree is there because not all are in the record.
  for (const entry of vs.slice(1, c - 1)) {
    size += entryBytes(entry)
    if (size > VALUE_MAX_BYTES) break
    count++
  }
  return count === 1 ? shortest : withVersions(base, count)
}
