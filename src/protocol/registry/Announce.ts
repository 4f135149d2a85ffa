/**
 * A publisher's catalogue: every package that it publishes, with its newest version. It is for finding
 * out what a publisher has; installing needs the package records alone.
 *
 * Changes are drafts: the record's new bytes, and those pages of its tree that the one before did not
 * have. Who signs and stores them is not this module's business.
 */
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { PackageName } from "../core/PackageName.ts"
import type { PublicKey } from "../core/PublicKey.ts"
import * as Utf8 from "../core/Utf8.ts"
import type { Version } from "../core/Version.ts"
import type { Dht } from "../dht/Dht.ts"
import * as KeyString from "../dht/KeyString.ts"
import type { PageStore } from "../dht/PageStore.ts"
import * as Tree from "../dht/Tree.ts"
import {
  type Announce,
  codec,
  draft,
  type Draft,
  type Entry,
  fromTreeEntry,
  INLINE_MAX,
  invalid,
  make,
  PACKAGES_MAX,
  rootOf,
  tooMany,
  toTreeEntry
} from "./AnnounceRecord.ts"
import * as Lookup from "./Lookup.ts"
import { type RegistryError, toRegistryError } from "./RegistryError.ts"

export {
  type Announce,
  codec,
  decode,
  type Draft,
  type Entry,
  INLINE_MAX,
  make,
  PACKAGES_MAX,
  rootOf
} from "./AnnounceRecord.ts"

/** A package as the catalogue has it. */
export interface Listed {
  readonly name: PackageName
  readonly version: Version
}

/** The newest announce of a publisher, in the network or remembered; `None` where nobody has one. */
export const find = (publisher: PublicKey) => Lookup.find(publisher, KeyString.announce(publisher), codec)

/** All entries, as many as the record counts; anything else is an error. */
const entriesOf = (self: Announce): Stream.Stream<Entry, RegistryError, Dht | PageStore> =>
  Stream.suspend(() => {
    const root = rootOf(self)
    if (root === undefined) return Stream.fromArray(self.p ?? [])
    let count = 0
    const allCounted = Effect.suspend(() =>
      count === self.c
        ? Effect.void
        : Effect.fail(invalid(root, `its record counts ${self.c} packages, and under it are ${count}`))
    )
    return Tree.entries(root, { limit: self.c }).pipe(
      Stream.mapError(toRegistryError),
      Stream.mapEffect((entry) => {
        count++
        return fromTreeEntry(root, entry)
      }),
      Stream.concat(Stream.fromEffectDrain(allCounted))
    )
  })

/**
 * Every package, in the order of their names' bytes, read as they are asked for. Fails in the middle
 * where it comes to a page that is missing or wrong, and at the end where the record counts otherwise.
 */
export const packages = (self: Announce): Stream.Stream<Listed, RegistryError, Dht | PageStore> =>
  Stream.map(entriesOf(self), ([name, version]) => ({ name, version }))

/** The newest version of a package; `None` where the publisher does not list it. */
export const versionOf = Effect.fn("Announce.versionOf")(function* (self: Announce, name: PackageName) {
  const root = rootOf(self)
  if (root === undefined) {
    const listed = self.p?.find(([each]) => each === name)
    return Option.map(Option.fromUndefinedOr(listed), ([, version]) => version)
  }
  const key = Utf8.encode(name)
  const value = yield* Tree.get(root, key).pipe(Effect.mapError(toRegistryError))
  if (Option.isNone(value)) return Option.none<Version>()
  const [, version] = yield* fromTreeEntry(root, { key, value: value.value })
  return Option.some(version)
})

/** `self` with `edits` made, dated `t`. Of a tree only the pages on the way to them are read, unless all might fit inline. */
const change = Effect.fnUntraced(function* (self: Announce | undefined, edits: ReadonlyArray<Entry>, t: number) {
  const root = self === undefined ? undefined : rootOf(self)
  if (self === undefined || root === undefined) return yield* make([...(self?.p ?? []), ...edits], t)
  if (self.c <= INLINE_MAX) {
    const all = yield* make([...(yield* Stream.runCollect(entriesOf(self))), ...edits], t)
    if (rootOf(all.announce) === undefined) return all
  }
  const updated = yield* Tree.update(root, edits.map(toTreeEntry)).pipe(Effect.mapError(toRegistryError))
  const c = self.c + updated.growth
  if (c > PACKAGES_MAX) return yield* tooMany(edits[0]![0])
  return draft({ c, r: updated.root ?? root, t }, updated.added)
})

const later = (self: Announce | undefined, now: number): number => Math.max(now, self?.t ?? 0)

/**
 * The announce with `version` as the newest of `name`, dated `now` (ms), whatever it had before: which
 * version is newest, the package's own record says. Fails with `TooManyPackages`, and where a page of
 * its tree that must be read is missing or invalid.
 */
export const add = Effect.fn("Announce.add")(function* (
  self: Announce | undefined,
  name: PackageName,
  version: Version,
  now: number
) {
  return yield* addAll(self, [[name, version]], now)
})

/** As {@link add}, for at least one package at once: of several entries of one name the last counts. */
export const addAll = (self: Announce | undefined, entries: ReadonlyArray<Entry>, now: number) =>
  change(self, entries, later(self, now))

/** The announce as it is, dated `now` (ms). */
export const renew = (self: Announce, now: number): Draft => draft({ ...self, t: later(self, now) }, [])

/** An announce and how it was signed. */
export interface Signed {
  readonly record: { readonly seq: number; readonly value: Uint8Array }
  readonly value: Announce
}

const isNewer = (self: Signed, that: Signed): boolean => {
  if (self.record.seq !== that.record.seq) return self.record.seq > that.record.seq
  if (self.value.t !== that.value.t) return self.value.t > that.value.t
  return Bytes.Order(self.record.value, that.record.value) >= 0
}

/** The entries of `self` that `base` has not, with some that it has too; what cannot be read is passed over. */
const differing = Effect.fnUntraced(function* (self: Announce, base: Announce) {
  const root = rootOf(self)
  if (root === undefined) return self.p ?? []
  const baseRoot = rootOf(base)
  const limit = PACKAGES_MAX
  const { entries } = yield* (
    baseRoot === undefined ? Tree.collect(root, { limit }) : Tree.difference(root, baseRoot, { limit })
  ).pipe(Effect.mapError(toRegistryError))
  return yield* Effect.forEach(entries, (entry) => fromTreeEntry(root, entry))
})

/**
 * Joins what two machines signed with one key, neither knowing of the other: every package of both.
 * Of a package in both the newer record has the say, since a version may have been taken back.
 * Commutative and idempotent; where the newer record lacks nothing it is the result, byte for byte.
 */
export const merge = Effect.fn("Announce.merge")(function* (self: Signed, that: Signed) {
  const [newer, older] = isNewer(self, that) ? [self, that] : [that, self]
  const asItIs: Draft = { announce: newer.value, value: newer.record.value, pages: [] }
  if (Bytes.Equivalence(newer.record.value, older.record.value)) return asItIs
  const known = new Map(yield* differing(newer.value, older.value))
  const missing = (yield* differing(older.value, newer.value)).filter(([name]) => !known.has(name))
  return missing.length === 0 ? asItIs : yield* change(newer.value, missing, later(older.value, newer.value.t))
})
