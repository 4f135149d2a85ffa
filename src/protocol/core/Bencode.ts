/**
 * Bencode (BEP 3), strict and canonical: every value has exactly one spelling and the decoder
 * accepts no other, so that what was signed and what was read can be compared byte for byte.
 *
 * {@link decode} and {@link encode} are the codec; {@link fromBytes} lifts a schema over it, with
 * {@link Utf8}, {@link Integer} and {@link bytesOfLength} as leaves beside `Schema.Uint8Array`.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaParser from "effect/SchemaParser"
import * as SchemaTransformation from "effect/SchemaTransformation"
import { decode, type Options, type Value } from "./BencodeDecoder.ts"
import { encode } from "./BencodeEncoder.ts"
import { decode as decodeUtf8, encode as encodeUtf8 } from "./Utf8.ts"

export {
  BencodeError,
  decode,
  decodeOrNothing,
  DEPTH_CEILING,
  defaultLimits,
  MAX_BYTES,
  MAX_DEPTH
} from "./BencodeDecoder.ts"
export type { Dictionary, Limits, Options, Value } from "./BencodeDecoder.ts"
export { encode } from "./BencodeEncoder.ts"
export { MAX_INTEGER_DIGITS } from "./BencodeReader.ts"

/** The UTF-8 bytes of `text`; lone surrogates become U+FFFD. */
export const utf8 = (text: string): Uint8Array => encodeUtf8(text)

/** The text that `bytes` spell in UTF-8; `None` when they are not well-formed. A byte order mark is kept. */
export const text = (bytes: Uint8Array): Option.Option<string> => Option.fromUndefinedOr(decodeUtf8(bytes))

/**
 * `schema` over bencoded bytes. Decodes bytes → bencode → `schema`; a dictionary with a key that
 * its struct does not name is an error, at any depth. Encodes back canonically.
 *
 * Structs may use `Schema.optionalKey` for keys that may be absent (never `undefined` values).
 */
export const fromBytes = <S extends Schema.Codec<unknown, Value, unknown, unknown>>(
  schema: S,
  options?: Options
): Schema.Codec<S["Type"], Uint8Array, S["DecodingServices"], S["EncodingServices"]> => {
  const decodeValue = SchemaParser.decodeUnknownEffect(schema, { onExcessProperty: "error" })
  const encodeValue = SchemaParser.encodeEffect(schema)
  return Schema.Uint8Array.pipe(
    Schema.decodeTo(
      Schema.toType(schema),
      SchemaTransformation.transformEffect<S["Type"], Uint8Array, S["DecodingServices"], S["EncodingServices"]>({
        decode: (bytes) => {
          const value = decode(bytes, options)
          return Result.isSuccess(value)
            ? decodeValue(value.success)
            : Effect.fail(new SchemaIssue.InvalidValue({ message: value.failure.message }))
        },
        encode: (value) => Effect.map(encodeValue(value), encode)
      })
    )
  )
}

/** A byte string that is well-formed UTF-8, as text. Encoding refuses lone surrogates. */
export const Utf8: Schema.Codec<string, Uint8Array> = Schema.Uint8Array.pipe(
  Schema.decodeTo(
    Schema.String,
    SchemaTransformation.transformEffect<string, Uint8Array>({
      decode: (bytes) =>
        Option.match(text(bytes), {
          onNone: () => Effect.fail(new SchemaIssue.InvalidValue({ expected: "UTF-8 text" })),
          onSome: Effect.succeed
        }),
      encode: (text) =>
        text.isWellFormed()
          ? Effect.succeed(utf8(text))
          : Effect.fail(new SchemaIssue.InvalidValue({ expected: "text without lone surrogates" }))
    })
  )
)

/** An integer from 0 to 2^53 − 1. */
export const Integer: Schema.Codec<number> = Schema.Natural

/** A byte string of exactly `length` bytes. */
export const bytesOfLength = (length: number): Schema.Codec<Uint8Array> =>
  Schema.Uint8Array.check(
    Schema.makeFilter((bytes: Uint8Array) => bytes.length === length || `a byte string of ${length} bytes`)
  )
