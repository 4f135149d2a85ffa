/** Shapes made from others: with a rule across their fields, or read as values of another type. */
import type { Shape } from "./ShapeLeaf.ts"

/** `shape` where `problem` has nothing to say; else what is wrong, as the end of a sentence: `lists no version`. */
export const where = <A>(shape: Shape<A>, problem: (value: A) => string | undefined): Shape<A> => {
  return {
    read: (reader) => {
      const value = shape.read(reader)
      const found = value === undefined ? undefined : problem(value)
      return found === undefined ? value : reader.refuse(` ${found}`)
    },
    measure: (value) => {
      const size = shape.measure(value)
      if (typeof size === "string") return size
      // What has a size is an A.
      const found = problem(value as A)
      return found === undefined ? size : ` ${found}`
    },
    write: (writer, value) => shape.write(writer, value)
  }
}

/** Values that stand in bencode as those of `shape`, one for one. `decode` gives `undefined` for what stands for none. */
export const mapped = <A, B>(
  shape: Shape<A>,
  options: {
    readonly expected: string
    readonly is: (value: unknown) => value is B
    readonly decode: (value: A) => B | undefined
    readonly encode: (value: B) => A
  }
): Shape<B> => {
  const { decode, encode, is } = options
  const refusal = ` is not ${options.expected}`
  return {
    read: (reader) => {
      const value = shape.read(reader)
      return value === undefined ? undefined : (decode(value) ?? reader.refuse(refusal))
    },
    measure: (value) => (is(value) ? shape.measure(encode(value)) : refusal),
    write: (writer, value) => shape.write(writer, encode(value))
  }
}
