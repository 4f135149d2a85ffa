/**
 * The record of a publisher's catalogue as it is signed: packages with their newest versions in the
 * record itself where they all fit, else in a tree whose root the record has. Which of the two follows
 * from the packages, and so does the tree: equal catalogues of one date are equal records.
 */
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Option from "effect/Option"
import { SHA1_BYTES } from "../core/Digest.ts"
import * as PackageName from "../core/PackageName.ts"
import * as Shape from "../core/Shape.ts"
import * as Utf8 from "../core/Utf8.ts"
import * as Version from "../core/Version.ts"
import { type Target, VALUE_MAX_BYTES } from "../dht/Record.ts"
import * as Tree from "../dht/Tree.ts"
import { InvalidPage, TreeError } from "../dht/TreeError.ts"
import { type RegistryError, TooManyPackages, toRegistryError } from "./RegistryError.ts"

/** Packages that a publisher may have. */
export const PACKAGES_MAX = Tree.ENTRIES_MAX

/** `l1:a5:0.0.0e`, the shortest entry, takes 12 bytes: more than these can never stand in one record. */
export const INLINE_MAX = Math.floor(VALUE_MAX_BYTES / 12)

const entry = Shape.tuple([Shape.packageName, Shape.version])

/** `[name, newest version]`. */
export type Entry = Shape.Type<typeof entry>

/** Names are ASCII, so the order of their chars is that of their bytes. */
const byName = ([self]: Entry, [that]: Entry): number => (self < that ? -1 : self > that ? 1 : 0)

const isAscending = (entries: ReadonlyArray<Entry>): boolean =>
  entries.every((each, at) => at === 0 || byName(entries[at - 1]!, each) < 0)

const shape = Shape.where(
  Shape.dictionary({
    /** Count of packages. */
    c: Shape.integer(0, PACKAGES_MAX),
    /** All packages, by name, where they fit. */
    p: Shape.optional(Shape.list(entry, INLINE_MAX)),
    /** Else the root of a tree of them; key: name, value: newest version, both in UTF-8. */
    r: Shape.optional(Shape.bytes(SHA1_BYTES)),
    /** When it was last signed, Unix milliseconds, by the publisher's clock. */
    t: Shape.integer()
  }),
  ({ c, p, r }) => {
    if ((p === undefined) === (r === undefined)) return "has not exactly one of p and r"
    if (p === undefined) return c === 0 ? "has the root of a tree without packages" : undefined
    if (p.length !== c) return `counts ${c} packages and lists ${p.length}`
    return isAscending(p) ? undefined : "does not list its packages in the order of their names"
  }
)

/** Field names are those of the wire (`docs/spec/trees.md`). */
export type Announce = Shape.Type<typeof shape>

/** Bytes of a record's value ↔ announce. */
export const codec = Shape.codec(shape)
export const decode = Shape.decoder(shape)
const encode = Shape.encoder(shape)

/** An announce as it would be signed: its bytes, and those pages of its tree that are new. */
export interface Draft {
  readonly announce: Announce
  readonly value: Uint8Array
  readonly pages: ReadonlyArray<Uint8Array>
}

/** Root of the tree of packages, where the record does not have them itself. */
export const rootOf = (self: Announce): Target | undefined => self.r as Target | undefined

/** The draft of an announce whose tree, if it has one, is there; `pages` are those of it that are new. */
export const draft = (announce: Announce, pages: ReadonlyArray<Uint8Array>): Draft => ({
  announce,
  value: encode(announce),
  pages
})

export const toTreeEntry = ([name, version]: Entry): Tree.Entry => ({
  key: Utf8.encode(name),
  value: Utf8.encode(version)
})

/** A tree that its own hashes speak for, but not what its record says of it. */
export const invalid = (root: Target, problem: string): RegistryError =>
  toRegistryError(new TreeError({ reason: new InvalidPage({ target: Hex.encode(root), problem }) }))

export const fromTreeEntry = (root: Target, { key, value }: Tree.Entry): Effect.Effect<Entry, RegistryError> => {
  const name = Option.flatMap(Option.fromUndefinedOr(Utf8.decode(key)), PackageName.parse)
  const version = Option.flatMap(Option.fromUndefinedOr(Utf8.decode(value)), Version.parse)
  return Option.isSome(name) && Option.isSome(version)
    ? Effect.succeed([name.value, version.value])
    : Effect.fail(invalid(root, "an entry under it is no package name with a version"))
}

/** The announce with all packages inline, dated `t` (ms); `undefined` where they do not fit. `entries` are by name. */
const whole = (entries: ReadonlyArray<Entry>, t: number): Draft | undefined => {
  if (entries.length > INLINE_MAX) return undefined
  const inline = draft({ c: entries.length, p: entries, t }, [])
  return inline.value.length <= VALUE_MAX_BYTES ? inline : undefined
}

export const tooMany = (name: string) => toRegistryError(new TooManyPackages({ package: name, max: PACKAGES_MAX }))

/** The announce of these packages, dated `t` (ms), with all pages of its tree. Of several entries of one name the last counts. */
export const make = (entries: Iterable<Entry>, t: number): Effect.Effect<Draft, RegistryError> => {
  const sorted = [...new Map(entries)].toSorted(byName)
  const inline = whole(sorted, t)
  if (inline !== undefined) return Effect.succeed(inline)
  if (sorted.length > PACKAGES_MAX) return Effect.fail(tooMany(sorted.at(-1)![0]))
  const { pages, root } = Tree.build(sorted.map(toTreeEntry))
  return Effect.succeed(draft({ c: sorted.length, r: root, t }, pages))
}
