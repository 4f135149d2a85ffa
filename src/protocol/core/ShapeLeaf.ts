/**
 * What a {@link Shape} is, and the shapes that hold no others: integers, texts, byte strings, and the
 * names, versions, keys and hashes that records are made of.
 *
 * A shape says once how a value of one type stands in canonical bencode (BEP 3). Reading is strict:
 * a value has one spelling, and every other is refused.
 */
import * as Predicate from "effect/Predicate"
import { readRaw } from "./BencodeDecoder.ts"
import type { Reader } from "./BencodeReader.ts"
import { sizeOfBytes, sizeOfInteger, sizeOfText, type Writer } from "./BencodeWriter.ts"
import * as Infohash from "./Infohash.ts"
import * as PackageName from "./PackageName.ts"
import * as PublicKey from "./PublicKey.ts"
import * as Utf8 from "./Utf8.ts"
import * as Version from "./Version.ts"

/**
 * How an `A` is read, measured and written. Why something is refused is the end of a sentence that
 * begins with its path: ` is not an integer`, `.lv is not a version`, `[3].k is missing`.
 */
export interface Shape<A> {
  /** The value that stands next; `undefined` where it is refused, and the reader's `problem` says why. */
  read(reader: Reader): A | undefined
  /** Bytes that `value` takes, or why it is none of this shape. */
  measure(value: unknown): number | string
  /** Writes what {@link measure} gave a number for. */
  write(writer: Writer, value: A): void
}

/** What a shape describes. */
export type Type<S> = S extends Shape<infer A> ? A : never

const leaf = <A>(options: {
  readonly expected: string
  readonly is: (value: unknown) => value is A
  readonly read: (reader: Reader) => unknown
  readonly size: (value: A) => number
  readonly write: (writer: Writer, value: A) => void
}): Shape<A> => {
  const { is, read, size, write } = options
  const refusal = ` is not ${options.expected}`
  return {
    read: (reader) => {
      const value = read(reader)
      return is(value) ? value : reader.refuse(refusal)
    },
    measure: (value) => (is(value) ? size(value) : refusal),
    write
  }
}

/** A whole number from `minimum` (0) to `maximum` (2^53 − 1). */
export const integer = (minimum = 0, maximum = Number.MAX_SAFE_INTEGER): Shape<number> =>
  leaf({
    expected: `an integer from ${minimum} to ${maximum}`,
    is: (value): value is number =>
      typeof value === "number" && Number.isSafeInteger(value) && value >= minimum && value <= maximum,
    read: (reader) => reader.readInteger(),
    size: sizeOfInteger,
    write: (writer, value) => writer.writeInteger(value)
  })

/** Byte strings that `is` holds of; `expected` names them, such as `a public key`. */
export const bytesThat = <A extends Uint8Array>(is: (bytes: Uint8Array) => bytes is A, expected: string): Shape<A> =>
  leaf({
    expected,
    is: (value): value is A => value instanceof Uint8Array && is(value),
    read: (reader) => reader.readBytes(),
    size: (value) => sizeOfBytes(value.length),
    write: (writer, value) => writer.writeBytes(value)
  })

const bytesOf = (is: (bytes: Uint8Array) => boolean, expected: string): Shape<Uint8Array> =>
  bytesThat((bytes): bytes is Uint8Array => is(bytes), expected)

/** A byte string of exactly `length` bytes. */
export const bytes = (length: number): Shape<Uint8Array> =>
  bytesOf((value) => value.length === length, `a byte string of ${length} bytes`)

/** A byte string of `minimum` to `maximum` bytes. */
export const bytesBetween = (minimum: number, maximum: number): Shape<Uint8Array> =>
  bytesOf(
    (value) => value.length >= minimum && value.length <= maximum,
    `a byte string of ${minimum} to ${maximum} bytes`
  )

/** A byte string of any length. */
export const anyBytes: Shape<Uint8Array> = bytesOf(() => true, "a byte string")

/** A byte string of 1 to `maximum` units of `unit` bytes. */
export const units = (unit: number, maximum: number): Shape<Uint8Array> =>
  bytesOf(
    (value) => value.length > 0 && value.length % unit === 0 && value.length <= unit * maximum,
    `1 to ${maximum} times ${unit} bytes`
  )

/** Text in UTF-8 that `is` holds of; `expected` names it, such as `a version`. */
export const textThat = <A extends string>(is: (text: string) => text is A, expected: string): Shape<A> =>
  leaf({
    expected,
    is: (value): value is A => typeof value === "string" && value.isWellFormed() && is(value),
    read: (reader) => reader.readText(),
    size: sizeOfText,
    write: (writer, value) => writer.writeText(value)
  })

/** Text in UTF-8 of any length. */
export const anyText: Shape<string> = textThat(Predicate.isString, "text in UTF-8")

/** Text of `minimum` to `maximum` bytes in UTF-8. */
export const textBetween = (minimum: number, maximum: number): Shape<string> =>
  textThat((text): text is string => {
    const { length } = Utf8.encode(text)
    return length >= minimum && length <= maximum
  }, `text of ${minimum} to ${maximum} bytes in UTF-8`)

/** Any one value, as the canonical bencode that spells it. */
export const raw: Shape<Uint8Array> = {
  read: readRaw,
  measure: (value) => (value instanceof Uint8Array ? value.length : " is not bencode in bytes"),
  write: (writer, value) => writer.writeRaw(value)
}

export const publicKey: Shape<PublicKey.PublicKey> = bytesThat(
  (value): value is PublicKey.PublicKey => PublicKey.isStrongPoint(value),
  "a public key that is neither weak nor malformed"
)

export const infohash: Shape<Infohash.Infohash> = bytesThat(
  (value): value is Infohash.Infohash => value.length === Infohash.INFOHASH_BYTES,
  `an infohash of ${Infohash.INFOHASH_BYTES} bytes`
)

export const version: Shape<Version.Version> = textThat(
  Version.isVersion,
  "a version such as 1.2.3 or 1.2.3-beta.1 (semver 2.0)"
)

export const packageName: Shape<PackageName.PackageName> = textThat(
  (text): text is PackageName.PackageName => PackageName.problem(text) === undefined,
  "a package name"
)
