/**
 * Bencode that need not be sound, as a tree that a fuzzer can change anywhere: dictionaries keep their keys in any order
 * and more than once, integers have any size, and bytes may stand for a value as they are.
 */
import { text } from "./LiveNode.ts"

/** A message on its way to be written: dictionaries keep their keys in any order, and more than once. */
export type Part = bigint | Uint8Array | Verbatim | Array<Part> | Entries

export class Verbatim {
  readonly bytes: Uint8Array
  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }
}

export class Entries {
  readonly list: Array<[string, Part]>
  constructor(fields: { readonly [key: string]: Part }) {
    this.list = Object.keys(fields)
      .toSorted()
      .map((key) => [key, fields[key]!])
  }
}

const write = (part: Part, out: Array<Uint8Array>): void => {
  if (part instanceof Verbatim) out.push(part.bytes)
  else if (part instanceof Uint8Array) out.push(text(`${part.length}:`), part)
  else if (typeof part === "bigint") out.push(text(`i${part}e`))
  else if (part instanceof Entries) {
    out.push(text("d"))
    for (const [key, value] of part.list) {
      out.push(text(`${key.length}:${key}`))
      write(value, out)
    }
    out.push(text("e"))
  } else {
    out.push(text("l"))
    for (const item of part) write(item, out)
    out.push(text("e"))
  }
}

export const written = (part: Part): Uint8Array => {
  const out: Array<Uint8Array> = []
  write(part, out)
  return Buffer.concat(out)
}

/** Where a change may be made: a place in the tree that can be read and set. */
export interface Place {
  readonly get: () => Part
  readonly set: (part: Part) => void
}

export const placesIn = (root: Place): ReadonlyArray<Place> => {
  const places = [root]
  const part = root.get()
  const inner: ReadonlyArray<Place> = Array.isArray(part)
    ? part.map((_, i) => ({ get: () => part[i]!, set: (value: Part) => void (part[i] = value) }))
    : part instanceof Entries
      ? part.list.map((entry) => ({ get: () => entry[1], set: (value: Part) => void (entry[1] = value) }))
      : []
  for (const place of inner) places.push(...placesIn(place))
  return places
}
