/** Random maps, edits and trees for the laws of trees: keys that are few, long or short, so that even small maps make several levels. */
import * as Bytes from "effect/Bytes"
import * as Hex from "effect/encoding/Hex"
import * as fc from "fast-check"
import * as Record from "../src/protocol/dht/Record.ts"
import * as Tree from "../src/protocol/dht/Tree.ts"
import * as TreePage from "../src/protocol/dht/TreePage.ts"

/** A map as the tree should be: by key in hex, whose order is that of the bytes. */
export type Model = ReadonlyMap<string, Tree.Entry>

const KEYS = 90

/** Long keys give upper levels of three or four children a page, short ones of twenty. */
const keyOf = (index: number, length: number): Uint8Array => {
  const key = new Uint8Array(length).fill(0x2e)
  key[0] = index
  key[length - 1] = (index * 37) & 0xff
  return key
}

interface Profile {
  readonly keyBytes: number
  readonly valueBytes: number
}

const profile: fc.Arbitrary<Profile> = fc.constantFrom(
  { keyBytes: 200, valueBytes: 300 },
  { keyBytes: 256, valueBytes: 20 },
  { keyBytes: 40, valueBytes: 512 },
  { keyBytes: 8, valueBytes: 60 }
)

const valueOf = ({ valueBytes }: Profile): fc.Arbitrary<Uint8Array> =>
  fc
    .tuple(fc.oneof(fc.constant(valueBytes), fc.integer({ min: 0, max: valueBytes })), fc.integer({ min: 0, max: 255 }))
    .map(([length, fill]) => new Uint8Array(length).fill(fill))

const keyIn = ({ keyBytes }: Profile): fc.Arbitrary<Uint8Array> =>
  fc.integer({ min: 0, max: KEYS - 1 }).map((index) => keyOf(index, keyBytes))

const entryIn = (of: Profile): fc.Arbitrary<Tree.Entry> => fc.record({ key: keyIn(of), value: valueOf(of) })

const changeIn = (of: Profile): fc.Arbitrary<Tree.Change> =>
  fc.record({ key: keyIn(of), value: fc.option(valueOf(of), { nil: undefined, freq: 2 }) })

export const apply = (model: Model, changes: ReadonlyArray<Tree.Change>): Model => {
  const next = new Map(model)
  for (const { key, value } of changes) {
    if (value === undefined) next.delete(Hex.encode(key))
    else next.set(Hex.encode(key), { key, value })
  }
  return next
}

export const toSorted = (model: Model): ReadonlyArray<Tree.Entry> =>
  [...model.values()].toSorted((self, that) => Bytes.Order(self.key, that.key))

export const fromEntries = (entries: ReadonlyArray<Tree.Entry>): Model => apply(new Map(), entries)

export const build = (
  model: Model
): { readonly root: Record.Target | undefined; readonly pages: ReadonlyArray<Uint8Array> } =>
  model.size === 0 ? { root: undefined, pages: [] } : Tree.build(toSorted(model))

export const hexOf = (target: Record.Target | undefined): string => (target === undefined ? "" : Hex.encode(target))

export const targetsOf = (pages: ReadonlyArray<Uint8Array>): ReadonlyArray<string> =>
  pages.map((page) => Hex.encode(Record.immutableTargetOf(page))).toSorted()

/** A map, and changes to be made one batch after another. */
export interface Story {
  readonly start: Model
  readonly batches: ReadonlyArray<ReadonlyArray<Tree.Change>>
}

export const story = (batches: number): fc.Arbitrary<Story> =>
  profile.chain((of) =>
    fc.record({
      start: fc.array(entryIn(of), { maxLength: 50 }).map(fromEntries),
      batches: fc.array(fc.array(changeIn(of), { maxLength: 6 }), { minLength: 1, maxLength: batches })
    })
  )

/** A map that is not empty. */
export const model: fc.Arbitrary<Model> = profile.chain((of) =>
  fc.array(entryIn(of), { minLength: 1, maxLength: 50 }).map(fromEntries)
)

/**
 * A tree over these entries that is valid but cut in other places: `sizes` says how many entries each
 * page gets, one after another, round and round.
 */
export const buildOtherwise = (entries: ReadonlyArray<Tree.Entry>, sizes: ReadonlyArray<number>): Tree.Built => {
  const pages: Array<Uint8Array> = []
  let turn = 0
  let row = entries
  for (let height = 0; ; height++) {
    const above: Array<Tree.Entry> = []
    for (let at = 0; at < row.length;) {
      const wanted = Math.max(height === 0 ? 1 : 2, sizes[turn++ % sizes.length]!)
      let count = Math.min(wanted, row.length - at)
      const encode = () => TreePage.encode({ height, entries: row.slice(at, at + count) })
      while (encode().length > TreePage.PAGE_MAX_BYTES) count--
      const page = encode()
      pages.push(page)
      above.push({ key: row[at]!.key, value: Record.immutableTargetOf(page) })
      at += count
    }
    if (above.length === 1) return { root: Record.immutableTargetOf(pages.at(-1)!), pages }
    row = above
  }
}
