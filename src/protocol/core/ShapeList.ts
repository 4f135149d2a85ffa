/** Shapes of bencoded lists: many items of one shape, or so many items each of its own. */
import { END, LIST } from "./BencodeReader.ts"
import { BRACKET_BYTES } from "./BencodeWriter.ts"
import type { Shape, Type } from "./ShapeLeaf.ts"

const isArray: (value: unknown) => value is ReadonlyArray<unknown> = Array.isArray

/** A list of at most `maximum` items of one shape. */
export const list = <A>(item: Shape<A>, maximum = Number.MAX_SAFE_INTEGER): Shape<ReadonlyArray<A>> => {
  const tooLong = ` has more than ${maximum} items`
  return {
    read: (reader) => {
      if (!reader.takesByte(LIST)) return reader.refuse(" is not a list")
      const out: Array<A> = []
      while (!reader.takesByte(END)) {
        if (out.length === maximum) return reader.refuse(tooLong)
        const value = item.read(reader)
        if (value === undefined) return reader.refuse(`[${out.length}]${reader.problem}`)
        out.push(value)
      }
      return out
    },
    measure: (value) => {
      if (!isArray(value)) return " is not a list"
      if (value.length > maximum) return tooLong
      let size = BRACKET_BYTES
      for (let i = 0; i < value.length; i++) {
        const inner = item.measure(value[i])
        if (typeof inner === "string") return `[${i}]${inner}`
        size += inner
      }
      return size
    },
    write: (writer, value) => {
      writer.writeByte(LIST)
      for (const each of value) item.write(writer, each)
      writer.writeByte(END)
    }
  }
}

/** A list of exactly these items, each of its own shape. */
export const tuple = <const S extends ReadonlyArray<Shape<unknown>>>(
  items: S
): Shape<{ readonly [I in keyof S]: Type<S[I]> }> => {
  const refusal = ` is not a list of ${items.length} items`
  return {
    read: (reader) => {
      if (!reader.takesByte(LIST)) return reader.refuse(refusal)
      const out: Array<unknown> = []
      for (const item of items) {
        if (reader.bytes[reader.offset] === END) return reader.refuse(refusal)
        const value = item.read(reader)
        if (value === undefined) return reader.refuse(`[${out.length}]${reader.problem}`)
        out.push(value)
      }
      if (!reader.takesByte(END)) return reader.refuse(refusal)
      // Each item was read by the shape that its type was inferred from.
      return out as { readonly [I in keyof S]: Type<S[I]> }
    },
    measure: (value) => {
      if (!isArray(value) || value.length !== items.length) return refusal
      let size = BRACKET_BYTES
      for (const [i, item] of items.entries()) {
        const inner = item.measure(value[i])
        if (typeof inner === "string") return `[${i}]${inner}`
        size += inner
      }
      return size
    },
    write: (writer, value) => {
      writer.writeByte(LIST)
      for (const [i, item] of items.entries()) item.write(writer, value[i])
      writer.writeByte(END)
    }
  }
}
