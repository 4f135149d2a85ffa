/**
 * Records described once: from the fields of a dictionary come its type, its strict decoder, its
 * canonical encoder (BEP 3) and its Effect schema.
 *
 * ```ts
 * const Point = Shape.dictionary({ x: Shape.integer(), y: Shape.integer(), label: Shape.optional(Shape.anyText) })
 * type Point = Shape.Type<typeof Point>        // { readonly x: number, readonly y: number, readonly label?: string }
 * const decode = Shape.decoder(Point)          // (bytes) => Result<Point, string>
 * const encode = Shape.encoder(Point)          // (point) => Uint8Array
 * const codec = Shape.codec(Point)             // Schema.Codec<Point, Uint8Array>
 * ```
 *
 * A key that the shape does not name is refused, at any depth, and so is every second spelling:
 * whatever is decoded encodes back to the same bytes. Decoded byte strings are copies.
 */
import type * as Types from "effect/Types"
import { encode as encodeValue } from "./BencodeEncoder.ts"
import { DICTIONARY, END, type Reader } from "./BencodeReader.ts"
import { BRACKET_BYTES } from "./BencodeWriter.ts"
import type { Shape, Type } from "./ShapeLeaf.ts"

export * from "./ShapeCodec.ts"
export * from "./ShapeLeaf.ts"
export * from "./ShapeList.ts"
export * from "./ShapeRefined.ts"

/** A field that may be absent. */
export interface Optional<A> {
  readonly optional: Shape<A>
}

export const optional = <A>(shape: Shape<A>): Optional<A> => ({ optional: shape })

export interface Fields {
  readonly [name: string]: Shape<unknown> | Optional<unknown>
}

type OptionalNames<F extends Fields> = { [K in keyof F]: F[K] extends Optional<unknown> ? K : never }[keyof F]

/** The object that the fields describe. */
export type Struct<F extends Fields> = Types.Simplify<
  { readonly [K in Exclude<keyof F, OptionalNames<F>>]: Type<F[K]> } & {
    readonly [K in OptionalNames<F>]?: F[K] extends Optional<infer A> ? A : never
  }
>

interface Field {
  readonly name: string
  readonly shape: Shape<unknown>
  readonly isOptional: boolean
  /** The key as it is spelled: `2:ih`. */
  readonly token: Uint8Array
}

const isOptional = (field: Shape<unknown> | Optional<unknown>): field is Optional<unknown> => "optional" in field

const tokenOf = (name: string): Uint8Array => encodeValue(Uint8Array.from(name, (char) => char.charCodeAt(0)))

/** In the order in which they are written: by the bytes of their names, which is here the order of chars. */
const sorted = (fields: Fields): ReadonlyArray<Field> =>
  Object.entries(fields)
    .map(([name, field]) =>
      isOptional(field)
        ? { name, shape: field.optional, isOptional: true, token: tokenOf(name) }
        : { name, shape: field, isOptional: false, token: tokenOf(name) }
    )
    .toSorted((self, that) => (self.name < that.name ? -1 : 1))

/** Keys come from strangers: longer ones, and those that a terminal might obey, are not repeated. */
const REPEATABLE = /^[\w -]{1,20}$/

/** Why the reader stands before a key that was not expected. */
const keyRefused = (reader: Reader, fields: ReadonlyArray<Field>, missing: Field | undefined): undefined => {
  const key = reader.bytes[reader.offset] === END ? undefined : reader.readKey()
  const isUnknown = key !== undefined && fields.every(({ name }) => name !== key)
  if (missing !== undefined && !isUnknown) return reader.refuse(`.${missing.name} is missing`)
  return reader.refuse(
    key !== undefined && REPEATABLE.test(key) ? `.${key} is not known here` : " has a field that is not known here"
  )
}

/** A dictionary with these fields and no others. Names are ASCII. */
export const dictionary = <const F extends Fields>(fields: F): Shape<Struct<F>> => {
  const order = sorted(fields)
  return {
    read: (reader) => {
      if (!reader.takesByte(DICTIONARY)) return reader.refuse(" is not a dictionary")
      const out: { [name: string]: unknown } = {}
      for (const field of order) {
        if (!reader.takes(field.token)) {
          if (field.isOptional) continue
          return keyRefused(reader, order, field)
        }
        const value = field.shape.read(reader)
        if (value === undefined) return reader.refuse(`.${field.name}${reader.problem}`)
        out[field.name] = value
      }
      if (!reader.takesByte(END)) return keyRefused(reader, order, undefined)
      // Each field was read by the shape that its type was inferred from.
      return out as Struct<F>
    },
    measure: (value) => {
      if (!isObject(value)) return " is not a dictionary"
      let size = BRACKET_BYTES
      for (const { isOptional, name, shape, token } of order) {
        const inner = value[name]
        if (inner === undefined) {
          if (isOptional) continue
          return `.${name} is missing`
        }
        const innerSize = shape.measure(inner)
        if (typeof innerSize === "string") return `.${name}${innerSize}`
        size += token.length + innerSize
      }
      return size
    },
    write: (writer, value) => {
      const values = value as { readonly [name: string]: unknown }
      writer.writeByte(DICTIONARY)
      for (const { name, shape, token } of order) {
        const inner = values[name]
        if (inner === undefined) continue
        writer.writeRaw(token)
        shape.write(writer, inner)
      }
      writer.writeByte(END)
    }
  }
}

const isObject = (value: unknown): value is { readonly [name: string]: unknown } =>
  typeof value === "object" && value !== null
