/**
 * The reading half of {@link Bencode}: canonical bencode (BEP 3) and nothing else, as values.
 *
 * It meets datagrams from strangers. Work and memory are proportional to the input's length,
 * nothing is allocated by a stated length, and nesting is capped before the stack ends.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { DICTIONARY, END, INTEGER, isDigit, LIST, Reader } from "./BencodeReader.ts"
import { ExitCode } from "./Errors.ts"
import * as SparseRecord from "./SparseRecord.ts"

/** Integers within ±(2^53 − 1) are `number`, the rest of the int64 range is `bigint`. Byte strings are `Uint8Array`. */
export type Value = number | bigint | Uint8Array | ReadonlyArray<Value> | Dictionary

/**
 * Keys are byte strings: one char U+0000–U+00FF a byte. Decoded dictionaries have no prototype, so
 * `__proto__` is a key like any other; their property order is not significant.
 */
export interface Dictionary {
  readonly [key: string]: Value
}

export interface Limits {
  /** Longest input, in bytes. */
  readonly maxBytes: number
  /** How many lists and dictionaries may stand inside each other. Never more than {@link DEPTH_CEILING}. */
  readonly maxDepth: number
}

/** 1 MiB: far above a record (1,000 bytes, BEP 44) or a datagram, enough for the info dictionary of any release. */
export const MAX_BYTES = 1_048_576

/** The deepest message that BitTorrent defines nests six levels (BEP 52 file trees: as deep as their paths). */
export const MAX_DEPTH = 128

/** Past this depth recursion could exhaust the stack, whatever limits a caller sets. */
export const DEPTH_CEILING = 512

export const defaultLimits: Limits = { maxBytes: MAX_BYTES, maxDepth: MAX_DEPTH }

export interface Options extends Partial<Limits> {
  /**
   * `false` also accepts dictionaries whose keys are not sorted, as some nodes in the wild send in
   * KRPC messages. Duplicate keys are refused all the same. Default `true`.
   */
  readonly canonicalKeys?: boolean | undefined
}

/** Bytes that are not canonical bencode. `offset` counts bytes from the start of the input. */
export class BencodeError extends Schema.TaggedError<BencodeError>()("BencodeError", {
  offset: Schema.Int,
  problem: Schema.String
}) {
  readonly exitCode = ExitCode.untrusted
  readonly hint = "The sender's software is broken or hostile; get the data from another source."
  override get message(): string {
    return `Not canonical bencode at byte ${this.offset}: ${this.problem}`
  }
}

/** Reads one value that fills `bytes` completely. Byte strings in it are copies: the input may be reused. */
export const decode = (bytes: Uint8Array, options?: Options): Result.Result<Value, BencodeError> => {
  const maxBytes = options?.maxBytes ?? MAX_BYTES
  if (bytes.length > maxBytes) {
    return Result.fail(new BencodeError({ offset: maxBytes, problem: `longer than ${maxBytes} bytes` }))
  }
  const reader = new Reader(bytes)
  const value = readValue(reader, 0, rulesOf(options))
  if (value !== undefined && reader.offset === bytes.length) return Result.succeed(value)
  return Result.fail(
    new BencodeError({ offset: reader.offset, problem: reader.problem ?? "more bytes after the end of the value" })
  )
}

/** {@link decode} without an error to explain itself: making one costs ten times the reading, and junk comes in floods. */
export const decodeOrNothing = (bytes: Uint8Array, options?: Options): Value | undefined => {
  if (bytes.length > (options?.maxBytes ?? MAX_BYTES)) return undefined
  const reader = new Reader(bytes)
  const value = readValue(reader, 0, rulesOf(options))
  return reader.offset === bytes.length ? value : undefined
}

const rulesOf = (options: Options | undefined): Rules => ({
  maxDepth: Math.min(options?.maxDepth ?? MAX_DEPTH, DEPTH_CEILING),
  canonicalKeys: options?.canonicalKeys ?? true
})

interface Rules {
  readonly maxDepth: number
  readonly canonicalKeys: boolean
}

const readValue = (reader: Reader, depth: number, rules: Rules): Value | undefined => {
  const byte = reader.bytes[reader.offset]
  if (byte === undefined) return reader.refuse("the input ends where a value should begin")
  if (isDigit(byte)) return reader.readBytes()
  if (byte === INTEGER) return reader.readInteger()
  if (byte !== LIST && byte !== DICTIONARY) return reader.refuse("no value begins with this byte")
  if (depth >= rules.maxDepth) return reader.refuse(`nested deeper than ${rules.maxDepth} levels`)
  reader.offset++
  return byte === LIST ? readList(reader, depth + 1, rules) : readDictionary(reader, depth + 1, rules)
}

const readList = (reader: Reader, depth: number, rules: Rules): ReadonlyArray<Value> | undefined => {
  const list: Array<Value> = []
  while (!reader.takesByte(END)) {
    const value = readValue(reader, depth, rules)
    if (value === undefined) return undefined
    list.push(value)
  }
  return list
}

const readDictionary = (reader: Reader, depth: number, rules: Rules): Dictionary | undefined => {
  const dictionary = SparseRecord.make<Value>()
  let previous: string | undefined
  let hasIndex = false
  while (!reader.takesByte(END)) {
    const start = reader.offset
    const key = reader.readKey()
    if (key === undefined) return undefined
    if (previous !== undefined && key <= previous) {
      if (key in dictionary) return reader.refuse("a key stands twice in one dictionary", start)
      if (rules.canonicalKeys) return reader.refuse("dictionary keys are not sorted", start)
    }
    if (!hasIndex && SparseRecord.isIndexLike(key)) {
      hasIndex = true
      SparseRecord.keepSparse(dictionary, 0)
    }
    const value = readValue(reader, depth, rules)
    if (value === undefined) return undefined
    dictionary[key] = value
    if (previous === undefined || key > previous) previous = key
  }
  return dictionary
}

const STRICT: Rules = { maxDepth: MAX_DEPTH, canonicalKeys: true }

/** Reads one canonical value from inside others, as the bytes that spell it; copied. */
export const readRaw = (reader: Reader): Uint8Array | undefined => {
  const start = reader.offset
  if (readValue(reader, 0, STRICT) === undefined) return undefined
  return reader.bytes.slice(start, reader.offset)
}
