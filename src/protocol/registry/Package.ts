/**
 * A publisher's package: its versions with their flags and, inlined, the newest release, so that most
 * installs need no further look-up.
 *
 * Changes are drafts: the new record's bytes, and those pages of its tree of versions that the old
 * tree did not have. Who signs and stores them is {@link Revision}'s business.
 */
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Utf8 from "../core/Utf8.ts"
import * as Version from "../core/Version.ts"
import type { Dht } from "../dht/Dht.ts"
import type { PageStore } from "../dht/PageStore.ts"
import { InvalidRecord, type Target } from "../dht/Record.ts"
import * as Tree from "../dht/Tree.ts"
import {
  cut,
  type Draft,
  type Entry,
  Flag,
  type Head,
  newestFirst,
  type Package,
  sorted,
  VERSIONS_MAX,
  whole
} from "./PackageRecord.ts"
import { type RegistryError, TooManyVersions, toRegistryError } from "./RegistryError.ts"
import * as Release from "./Release.ts"

export {
  codec,
  decode,
  type Draft,
  type Entry,
  Flag,
  FLAGS_MAX,
  newestFirst,
  type Package,
  toBytes,
  VERSIONS_MAX
} from "./PackageRecord.ts"

/** Whether the record itself has every version. */
export const isWhole = (self: Package): boolean => self.r === undefined

/** Whether the version stands in the record itself. */
export const lists = (self: Package, version: Version.Version): boolean =>
  self.vs.some(([listed]) => listed === version)

/** Whether the version would stand behind all those in the record, where there are more. */
export const isTooOld = (self: Package, version: Version.Version): boolean =>
  !isWhole(self) && newestFirst(self.vs.at(-1)![0], version) < 0

export const isYanked = ([, flags]: Entry): boolean => (flags & Flag.yanked) !== 0

/** Versions in the record itself that may be chosen by range: those not yanked. */
export const selectable = (self: Package): ReadonlyArray<Version.Version> =>
  self.vs.filter((entry) => !isYanked(entry)).map(([version]) => version)

/** Root of the tree of all versions, where the record does not have them itself. */
export const rootOf = (self: Package): Target | undefined => self.r as Target | undefined

const keyOf = (version: Version.Version): Uint8Array => Utf8.encode(version)
const toTreeEntry = ([version, flags]: Entry): Tree.Entry => ({ key: keyOf(version), value: Uint8Array.of(flags) })

const fromTreeEntry = (self: Package, { key, value }: Tree.Entry): Effect.Effect<Entry, RegistryError> => {
  const version = Option.flatMap(Option.fromUndefinedOr(Utf8.decode(key)), Version.parse)
  return Option.isSome(version) && value.length === 1
    ? Effect.succeed([version.value, value[0]!])
    : Effect.fail(invalid(self, "its tree has an entry that is no version with its flags"))
}

const invalid = (self: Package, problem: string) =>
  toRegistryError(new InvalidRecord({ subject: `the package ${self.n}`, problem }))

/** Every version, newest first; reads the tree where the record does not have them all. Fails where the tree cannot be read whole. */
export const versions = Effect.fnUntraced(function* (self: Package) {
  const root = rootOf(self)
  if (root === undefined) return sorted(self.vs)
  const entries = yield* Tree.entries(root, { limit: VERSIONS_MAX }).pipe(
    Stream.mapError(toRegistryError),
    Stream.mapEffect((entry) => fromTreeEntry(self, entry)),
    Stream.runCollect
  )
  if (entries.length !== self.c) {
    return yield* invalid(self, `it counts ${self.c} versions, but its tree has ${entries.length}`)
  }
  return sorted(entries)
})

/** As {@link versions}, but without those on pages that are not to be had. */
const readableVersions = Effect.fnUntraced(function* (self: Package) {
  const root = rootOf(self)
  if (root === undefined) return self.vs
  const { entries } = yield* Tree.collect(root, { limit: VERSIONS_MAX }).pipe(Effect.mapError(toRegistryError))
  const listed = new Map(self.vs)
  for (const entry of entries) listed.set(...(yield* fromTreeEntry(self, entry)))
  return [...listed]
})

/** The flags of a version: a point look-up in the tree where the record itself does not tell. `None` when there is no such version. */
export const flagsOf: (
  self: Package,
  version: Version.Version
) => Effect.Effect<Option.Option<number>, RegistryError, Dht | PageStore> = Effect.fnUntraced(function* (
  self: Package,
  version: Version.Version
) {
  const inline = self.vs.find(([listed]) => listed === version)
  if (inline !== undefined) return Option.some(inline[1])
  const root = rootOf(self)
  if (root === undefined || !isTooOld(self, version)) return Option.none<number>()
  const value = yield* Tree.get(root, keyOf(version)).pipe(Effect.mapError(toRegistryError))
  if (Option.isNone(value)) return Option.none<number>()
  const [, flags] = yield* fromTreeEntry(self, { key: keyOf(version), value: value.value })
  return Option.some(flags)
})

/** `base` with flags set for versions of which `added` are new to it. Of a tree only the pages on the way to them are read. */
const change = Effect.fnUntraced(function* (
  base: Package | undefined,
  head: Head,
  edits: ReadonlyArray<Entry>,
  added: number
) {
  const c = (base?.c ?? 0) + added
  if (c > VERSIONS_MAX) {
    return yield* toRegistryError(new TooManyVersions({ package: head.n, max: VERSIONS_MAX }))
  }
  const root = base === undefined ? undefined : rootOf(base)
  const near = edits.filter(([version]) => base === undefined || !isTooOld(base, version))
  const vs = sorted(new Map([...(base?.vs ?? []), ...near]))
  if (root === undefined) {
    const fitting = whole(head, vs)
    if (fitting !== undefined) return fitting
    const built = Tree.build(vs.map(toTreeEntry).toSorted((self, that) => Bytes.Order(self.key, that.key)))
    return cut(head, vs, { c, r: built.root, pages: built.pages })
  }
  if (edits.length === 0) return cut(head, vs, { c, r: root, pages: [] })
  const updated = yield* Tree.update(root, edits.map(toTreeEntry)).pipe(Effect.mapError(toRegistryError))
  return cut(head, vs, { c, r: updated.root ?? root, pages: updated.added })
})

/** Whether `self` is to be inlined rather than `that`: what is not yanked first, then what is newer. */
const isPreferred = (self: Entry, that: Entry): boolean => {
  const order = Number(isYanked(self)) - Number(isYanked(that))
  return (order !== 0 ? order : newestFirst(self[0], that[0])) < 0
}

const later = (self: Package | undefined, now: number): number => Math.max(now, self?.t ?? 0)

/** The package with `release` added, dated `now` (ms). A version that it has already is left as it is. */
export const add = Effect.fn("Package.add")(function* (
  self: Package | undefined,
  release: Release.Release,
  now: number
) {
  const head = { n: release.n, l: Release.inline(release), t: later(self, now) }
  if (self === undefined) return yield* change(undefined, head, [[release.v, 0]], 1)
  if (Option.isSome(yield* flagsOf(self, release.v))) return yield* renew(self, now)
  const entry: Entry = [release.v, 0]
  const newest: Entry = [self.l.v, Option.getOrElse(yield* flagsOf(self, self.l.v), () => 0)]
  const l = isPreferred(entry, newest) ? head.l : self.l
  return yield* change(self, { ...head, l }, [entry], 1)
})

/** The package as it is, dated `now`. */
export const renew = Effect.fnUntraced(function* (self: Package, now: number) {
  return yield* change(self, { n: self.n, l: self.l, t: later(self, now) }, [], 0)
})

/**
 * The package with other flags for a version that it has. Where that makes another version the newest
 * that is not yanked, `releaseOf` is asked for its release, to inline it; without it, what is inlined
 * stays: readers see by its flags that they have to look further.
 */
export const setFlags = Effect.fn("Package.setFlags")(function* <E, R>(
  self: Package,
  version: Version.Version,
  flags: number,
  now: number,
  releaseOf: (version: Version.Version) => Effect.Effect<Option.Option<Release.Release>, E, R>
) {
  const edits: ReadonlyArray<Entry> = [[version, flags]]
  const head = { n: self.n, l: self.l, t: later(self, now) }
  const changed = yield* change(self, head, edits, 0)
  const newest = yield* newestSelectable(self, edits[0]!)
  if (newest === undefined || newest === self.l.v) return changed
  const release = yield* releaseOf(newest)
  return Option.isNone(release) ? changed : yield* change(self, { ...head, l: Release.inline(release.value) }, edits, 0)
})

/** The package with `release`, which it lists, inlined, where that is its newest that is not yanked and another one is inlined. */
export const inlining = Effect.fnUntraced(function* (self: Package, release: Release.Release, now: number) {
  const [flags, inlined] = [yield* flagsOf(self, release.v), yield* flagsOf(self, self.l.v)]
  if (release.v === self.l.v || Option.isNone(flags)) return Option.none<Draft>()
  if (!isPreferred([release.v, flags.value], [self.l.v, Option.getOrElse(inlined, () => 0)]))
    return Option.none<Draft>()
  const given = (version: Version.Version) =>
    Effect.succeed(version === release.v ? Option.some(release) : Option.none())
  const draft = yield* setFlags(self, release.v, flags.value, now, given)
  return draft.pkg.l.v === release.v ? Option.some(draft) : Option.none()
})

/** The newest version that is not yanked once `edit` is made. Only where all those in the record are yanked the tree is read. */
const newestSelectable = Effect.fnUntraced(function* (self: Package, edit: Entry) {
  const best = (entries: ReadonlyArray<Entry>) =>
    sorted(new Map([...entries, edit])).find((entry) => !isYanked(entry))?.[0]
  const inRecord = best(self.vs)
  if (isWhole(self) || (inRecord !== undefined && lists(self, inRecord))) return inRecord
  return best(yield* versions(self))
})

/** A package and the sequence number that it was signed with. */
export interface Signed {
  readonly record: { readonly seq: number; readonly value: Uint8Array }
  readonly value: Package
}

const isNewer = (self: Signed, that: Signed): boolean => {
  if (self.record.seq !== that.record.seq) return self.record.seq > that.record.seq
  if (self.value.t !== that.value.t) return self.value.t > that.value.t
  return Bytes.Order(self.record.value, that.record.value) >= 0
}

/** Flags that are in one of the two and not in the other. */
const flagsApart = (self: number, that: number): number => {
  let count = 0
  for (let rest = self ^ that; rest !== 0; rest >>= 1) count += rest & 1
  return count
}

/**
 * Whether the newer of two records was made without knowledge of the older one. It was, where what nothing takes away is
 * lacking in it: a number of its own, a version, a later date. And mostly where the two differ in more than there are
 * numbers between them, since a publication adds one version, and a retraction changes one flag.
 */
const isIgnorant = (
  newer: Signed,
  older: Signed,
  inNewer: ReadonlyMap<Version.Version, number>,
  inOlder: ReadonlyMap<Version.Version, number>
): boolean => {
  const between = newer.record.seq - older.record.seq
  if (between === 0 || older.value.t > newer.value.t) return true
  let differences = 0
  for (const version of inOlder.keys()) if (!inNewer.has(version)) return true
  for (const [version, flags] of inNewer) {
    const before = inOlder.get(version)
    differences += before === undefined ? 1 : flagsApart(before, flags)
  }
  return differences > between
}

/**
 * Joins what two machines signed with one key: every version of both, and the newest release of both. Where
 * neither can have known of the other a flag that either has set stays set, so that nobody's yank is undone by a
 * publication; else the newer record has the say, so that a flag can be taken away. Commutative and idempotent; where
 * the newer one lacks nothing it is the result, byte for byte. Of the older one what cannot be read is passed over.
 */
export const merge = Effect.fn("Package.merge")(function* (self: Signed, that: Signed) {
  const [newer, older] = isNewer(self, that) ? [self, that] : [that, self]
  const asItIs: Draft = { pkg: newer.value, value: newer.record.value, pages: [] }
  if (newer.value.n !== older.value.n || Bytes.Equivalence(newer.record.value, older.record.value)) return asItIs
  const known = new Map(yield* versions(newer.value))
  const listed = yield* readableVersions(older.value)
  const missing = listed.filter(([version]) => !known.has(version))
  const isApart = isIgnorant(newer, older, known, new Map(listed))
  const flagged = listed.flatMap(([version, ofOlder]): ReadonlyArray<Entry> => {
    const ofNewer = known.get(version)
    return !isApart || ofNewer === undefined || (ofNewer | ofOlder) === ofNewer ? [] : [[version, ofNewer | ofOlder]]
  })
  const flags = new Map([...missing, ...known, ...flagged])
  const entryOf = ({ l }: Package): Entry => [l.v, flags.get(l.v) ?? 0]
  const takesOlder = isPreferred(entryOf(older.value), entryOf(newer.value))
  if (missing.length === 0 && flagged.length === 0 && !takesOlder) return asItIs
  const head = {
    n: newer.value.n,
    l: takesOlder ? older.value.l : newer.value.l,
    t: Math.max(newer.value.t, older.value.t)
  }
  return yield* change(newer.value, head, [...missing, ...flagged], missing.length)
})
