/**
 * One page of a tree: an immutable BEP 44 item that holds entries in the order of their keys.
 *
 * On the wire it is the canonical bencoded dictionary `{e: [k1, v1, k2, v2, …], h: height}`. At height
 * 0 the entries are the tree's own; above, each value is the target of the page whose first key is
 * the entry's key. A page is believed only where it stands: {@link misfit} holds it against its parent.
 */
import * as Bytes from "effect/Bytes"
import * as Result from "effect/Result"
import { SHA1_BYTES } from "../core/Digest.ts"
import * as Shape from "../core/Shape.ts"
import * as Record from "./Record.ts"

/** `key` has 1 to {@link KEY_MAX_BYTES} bytes, `value` up to {@link ENTRY_VALUE_MAX_BYTES}. */
export interface Entry {
  readonly key: Uint8Array
  readonly value: Uint8Array
}

/** A package name has 214 bytes at most, a version 256. */
export const KEY_MAX_BYTES = 256

/** With the longest key, an entry takes 776 bytes: one always fits into a page. */
export const ENTRY_VALUE_MAX_BYTES = 512

/** BEP 44, as for every value. */
export const PAGE_MAX_BYTES = Record.VALUE_MAX_BYTES

/** What the largest kind of tree may hold: the packages of one publisher. */
export const ENTRIES_MAX = 100_000

/** Of the root. Each level has at most half as many pages as the one below, and 2^17 is above {@link ENTRIES_MAX}. */
export const HEIGHT_MAX = 17

export interface Page {
  readonly height: number
  /** In strictly ascending order of their keys, at least one. */
  readonly entries: ReadonlyArray<Entry>
}

/** Where a page stands in a tree, as far as that is known before it is read. */
export interface Ref {
  readonly target: Record.Target
  /** `undefined` for the root only. */
  readonly height: number | undefined
  /** The key of its first entry; `undefined` for the root only. */
  readonly first: Uint8Array | undefined
  /** First key of the next page of this height; `undefined` for the last one. */
  readonly below: Uint8Array | undefined
}

export const rootRef = (target: Record.Target): Ref => ({
  target,
  height: undefined,
  first: undefined,
  below: undefined
})

const digits = (length: number): number => (length < 10 ? 1 : length < 100 ? 2 : 3)

const stringBytes = (string: Uint8Array): number => digits(string.length) + 1 + string.length

/** Bytes that an entry takes in a page. */
export const entryBytes = ({ key, value }: Entry): number => stringBytes(key) + stringBytes(value)

/** Bytes of a page of this height without entries: `d1:ele1:hi0ee`. */
export const emptyBytes = (height: number): number => 12 + digits(height)

const wire = Shape.dictionary({ e: Shape.list(Shape.anyBytes), h: Shape.integer(0, HEIGHT_MAX) })
const encodeWire = Shape.encoder(wire)
const decodeWire = Shape.decoder(wire)

/** Throws `RangeError` where the height is over {@link HEIGHT_MAX}. */
export const encode = ({ entries, height }: Page): Uint8Array =>
  encodeWire({ e: entries.flatMap(({ key, value }) => [key, value]), h: height })

/** Reads the one spelling of a page; fails with what is wrong with it. */
export const decode = (bytes: Uint8Array): Result.Result<Page, string> => {
  if (bytes.length > PAGE_MAX_BYTES) return Result.fail(`it has ${bytes.length} bytes, over ${PAGE_MAX_BYTES}`)
  const decoded = decodeWire(bytes)
  if (Result.isFailure(decoded)) return Result.fail(decoded.failure)
  const { e: strings, h: height } = decoded.success
  if (strings.length === 0 || strings.length % 2 !== 0) return Result.fail("its entries are no keys with values")
  const entries: Array<Entry> = []
  for (let at = 0; at < strings.length; at += 2) {
    const entry = { key: strings[at]!, value: strings[at + 1]! }
    const problem = entryProblem(entry, entries.at(-1)?.key, height)
    if (problem !== undefined) return Result.fail(problem)
    entries.push(entry)
  }
  return Result.succeed({ height, entries })
}

/** What keeps an entry from following `previous` in a page of this height. */
export const entryProblem = (entry: Entry, previous: Uint8Array | undefined, height: number): string | undefined => {
  const { key, value } = entry
  if (key.length === 0 || key.length > KEY_MAX_BYTES) return `a key has ${key.length} bytes, not 1 to ${KEY_MAX_BYTES}`
  if (height === 0 && value.length > ENTRY_VALUE_MAX_BYTES) {
    return `a value has ${value.length} bytes, over ${ENTRY_VALUE_MAX_BYTES}`
  }
  if (height > 0 && value.length !== SHA1_BYTES) return `a page's target has ${value.length} bytes, not ${SHA1_BYTES}`
  if (previous !== undefined && Bytes.Order(previous, key) >= 0) return "its keys are not in ascending order"
  return undefined
}

/** What keeps a well-formed page from standing where a tree has it. */
export const misfit = (page: Page, ref: Ref): string | undefined => {
  const { entries, height } = page
  if (ref.height !== undefined && height !== ref.height) return `its height is ${height}, not ${ref.height}`
  if (ref.first !== undefined && !Bytes.Equivalence(entries[0]!.key, ref.first)) {
    return "its first key is not the one that its parent names"
  }
  if (ref.below !== undefined && Bytes.Order(entries.at(-1)!.key, ref.below) >= 0) {
    return "its keys reach into the next page"
  }
  // Without this a hostile tree could be far larger than the entries in it.
  const mayBeSingle = height === 0 || (ref.height !== undefined && ref.below === undefined)
  if (entries.length === 1 && !mayBeSingle) return "it refers to one page only"
  return undefined
}

/** Where the page of an entry stands; `ref` is that of the entry's own page. */
export const childRef = (page: Page, ref: Ref, at: number): Ref => ({
  target: page.entries[at]!.value as Record.Target,
  height: page.height - 1,
  first: page.entries[at]!.key,
  below: page.entries[at + 1]?.key ?? ref.below
})

export const children = (page: Page, ref: Ref): ReadonlyArray<Ref> =>
  page.entries.map((_, at) => childRef(page, ref, at))

/** Position of the last entry whose key is at most `key`; -1 when all are greater. */
export const position = (entries: ReadonlyArray<Entry>, key: Uint8Array): number => {
  let low = 0
  let high = entries.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (Bytes.Order(entries[middle]!.key, key) <= 0) low = middle + 1
    else high = middle
  }
  return low - 1
}
