/**
 * What a {@link Shape} is for: a strict decoder and a canonical encoder of bytes, for hot paths, and
 * an Effect schema made of the two.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaTransformation from "effect/SchemaTransformation"
import { decode as decodeValue, MAX_BYTES, type Value } from "./BencodeDecoder.ts"
import { encode as encodeValue } from "./BencodeEncoder.ts"
import { Reader } from "./BencodeReader.ts"
import { Writer } from "./BencodeWriter.ts"
import type { Shape } from "./ShapeLeaf.ts"

/** Whether a value can be written in this shape. */
export const isOf =
  <A>(shape: Shape<A>) =>
  (value: unknown): value is A =>
    typeof shape.measure(value) === "number"

/** ` is …` and `.k is …` as whole sentences, for people. */
const sentence = (problem: string): string =>
  problem.startsWith(".")
    ? `the field ${problem.slice(1)}`
    : problem.startsWith("[")
      ? `the item ${problem}`
      : `the value${problem}`

/** Why `bytes`, which were refused, were refused. What is not bencode at all is told as such, with the place. */
const refusalOf = (bytes: Uint8Array, problem: string | undefined): string => {
  const value = decodeValue(bytes)
  return Result.isFailure(value) ? value.failure.message : sentence(problem ?? " is not of this shape")
}

/** Reads a value that fills the bytes completely, or says what is wrong with them: `the field ih is missing`. */
export const decoder =
  <A>(shape: Shape<A>) =>
  (bytes: Uint8Array): Result.Result<A, string> => {
    const reader = new Reader(bytes)
    const value = bytes.length > MAX_BYTES ? undefined : shape.read(reader)
    return value !== undefined && reader.offset === bytes.length
      ? Result.succeed(value)
      : Result.fail(refusalOf(bytes, reader.problem))
  }

const writeMeasured = <A>(shape: Shape<A>, value: A, size: number): Uint8Array => {
  const writer = new Writer(size)
  shape.write(writer, value)
  return writer.finish()
}

/** Writes a value. Throws `RangeError`, which names the field, where it breaks a limit that its type cannot state. */
export const encoder =
  <A>(shape: Shape<A>) =>
  (value: A): Uint8Array => {
    const size = shape.measure(value)
    if (typeof size === "string") throw new RangeError(`cannot encode: ${sentence(size)}`)
    return writeMeasured(shape, value, size)
  }

const invalid = (message: string) => Effect.fail(new SchemaIssue.InvalidValue({ message }))

/** The type of a shape's values, as a schema without an encoding. */
const typeOf = <A>(shape: Shape<A>) =>
  Schema.declareConstructor<A>()([], () => (value) => {
    const size = shape.measure(value)
    // What has a size is an A.
    return typeof size === "number" ? Effect.succeed(value as A) : invalid(sentence(size))
  })

const schemaOver = <A, Encoded>(
  shape: Shape<A>,
  from: Schema.Codec<Encoded>,
  options: {
    readonly decode: (encoded: Encoded) => Result.Result<A, string>
    readonly encode: (value: A) => Encoded
  }
): Schema.Codec<A, Encoded> =>
  from.pipe(
    Schema.decodeTo(
      typeOf(shape),
      SchemaTransformation.transformEffect<A, Encoded>({
        decode: (encoded) => {
          const value = options.decode(encoded)
          return Result.isSuccess(value) ? Effect.succeed(value.success) : invalid(value.failure)
        },
        // The schema has found by now that it is a value of the shape.
        encode: (value) => Effect.succeed(options.encode(value))
      })
    )
  )

/** Bytes ↔ values, as a schema. */
export const codec = <A>(shape: Shape<A>): Schema.Codec<A, Uint8Array> =>
  schemaOver(shape, Schema.Uint8Array, { decode: decoder(shape), encode: encoder(shape) })

const AnyValue = Schema.declare((value: unknown): value is Value => value !== undefined && value !== null)

/** Decoded bencode ↔ values: for a shape inside a schema that `Bencode.fromBytes` is given. */
export const valueCodec = <A>(shape: Shape<A>): Schema.Codec<A, Value> => {
  const decode = decoder(shape)
  const encode = encoder(shape)
  return schemaOver(shape, AnyValue, {
    decode: (value) => decode(encodeValue(value)),
    encode: (value) => Result.getOrThrow(decodeValue(encode(value)))
  })
}
