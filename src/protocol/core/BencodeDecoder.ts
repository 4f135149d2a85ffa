/**
 * The reading half of {@link Bencode}: canonical bencode (BEP 3) and nothing else.
 *
 * It meets datagrams from strangers. Work and memory are proportional to the input's length,
 * nothing is allocated by a stated length, and nesting is capped before the stack ends.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
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

/** Digits of 2^63 − 1: BEP 3 sets no bound, but libtorrent and most of the network read int64. */
export const MAX_INTEGER_DIGITS = 19

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
  const maxDepth = Math.min(options?.maxDepth ?? MAX_DEPTH, DEPTH_CEILING)
  if (bytes.length > maxBytes) {
    return Result.fail(new BencodeError({ offset: maxBytes, problem: `longer than ${maxBytes} bytes` }))
  }
  const reader = new Reader(bytes, maxDepth, options?.canonicalKeys ?? true)
  const value = reader.readValue(0)
  if (value !== undefined && reader.offset === bytes.length) return Result.succeed(value)
  return Result.fail(
    new BencodeError({ offset: reader.offset, problem: reader.problem ?? "more bytes after the end of the value" })
  )
}

/** Character codes of the grammar. */
const ZERO = 0x30
const NINE = 0x39
const COLON = 0x3a
const MINUS = 0x2d
const END = 0x65
const INTEGER = 0x69
const LIST = 0x6c
const DICTIONARY = 0x64

/** Integers of at most this many digits are exact as doubles at every step. */
const EXACT_DIGITS = 15

export const MAX_INT64 = 2n ** 63n - 1n
export const MIN_INT64 = -(2n ** 63n)

/** A cursor. Methods give `undefined` after they set `problem`: exceptions would be slow under a flood of bad input. */
class Reader {
  offset = 0
  problem: string | undefined = undefined
  readonly #bytes: Uint8Array
  readonly #maxDepth: number
  readonly #canonicalKeys: boolean

  constructor(bytes: Uint8Array, maxDepth: number, canonicalKeys: boolean) {
    // Subclasses (Node's Buffer) override `slice` to share memory: see through them.
    this.#bytes =
      bytes.constructor === Uint8Array ? bytes : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#maxDepth = maxDepth
    this.#canonicalKeys = canonicalKeys
  }

  #fail(problem: string, offset = this.offset): undefined {
    this.problem = problem
    this.offset = offset
    return undefined
  }

  readValue(depth: number): Value | undefined {
    const byte = this.#bytes[this.offset]
    if (byte === undefined) return this.#fail("the input ends where a value should begin")
    if (byte >= ZERO && byte <= NINE) return this.#readString()
    if (byte === INTEGER) return this.#readInteger()
    if (byte !== LIST && byte !== DICTIONARY) return this.#fail("no value begins with this byte")
    if (depth >= this.#maxDepth) return this.#fail(`nested deeper than ${this.#maxDepth} levels`)
    this.offset++
    return byte === LIST ? this.#readList(depth + 1) : this.#readDictionary(depth + 1)
  }

  #readList(depth: number): ReadonlyArray<Value> | undefined {
    const list: Array<Value> = []
    while (this.#bytes[this.offset] !== END) {
      const value = this.readValue(depth)
      if (value === undefined) return undefined
      list.push(value)
    }
    this.offset++
    return list
  }

  #readDictionary(depth: number): Dictionary | undefined {
    const dictionary = SparseRecord.make<Value>()
    let previous: string | undefined
    let hasIndex = false
    while (this.#bytes[this.offset] !== END) {
      const start = this.offset
      const key = this.#readKey()
      if (key === undefined) return undefined
      if (previous !== undefined && key <= previous) {
        if (key in dictionary) return this.#fail("a key stands twice in one dictionary", start)
        if (this.#canonicalKeys) return this.#fail("dictionary keys are not sorted", start)
      }
      if (!hasIndex && SparseRecord.isIndexLike(key)) {
        hasIndex = true
        SparseRecord.keepSparse(dictionary, 0)
      }
      const value = this.readValue(depth)
      if (value === undefined) return undefined
      dictionary[key] = value
      if (previous === undefined || key > previous) previous = key
    }
    this.offset++
    return dictionary
  }

  /** Reads `<digits>:` and moves behind it. The length is not yet checked against the input. */
  #readLength(): number | undefined {
    const bytes = this.#bytes
    let length = 0
    const start = this.offset
    let at = start
    let byte = bytes[at]
    while (byte !== undefined && byte >= ZERO && byte <= NINE) {
      length = length * 10 + (byte - ZERO)
      byte = bytes[++at]
      if (length > bytes.length) return this.#fail("a byte string is longer than the input")
    }
    if (at === start) return this.#fail("a byte string's length should begin here")
    if (at > start + 1 && bytes[start] === ZERO) return this.#fail("a length has a leading zero")
    if (byte !== COLON) return this.#fail("a length is not followed by a colon", at)
    if (length > bytes.length - at - 1) return this.#fail("a byte string is longer than the input")
    this.offset = at + 1
    return length
  }

  #readString(): Uint8Array | undefined {
    const length = this.#readLength()
    if (length === undefined) return undefined
    const start = this.offset
    this.offset += length
    return this.#bytes.slice(start, this.offset)
  }

  #readKey(): string | undefined {
    const length = this.#readLength()
    if (length === undefined) return undefined
    const start = this.offset
    this.offset += length
    return latin1(this.#bytes, start, this.offset)
  }

  #readInteger(): number | bigint | undefined {
    const bytes = this.#bytes
    const start = this.offset
    let at = start + 1
    const negative = bytes[at] === MINUS
    if (negative) at++
    const first = at
    let n = 0
    let byte = bytes[at]
    while (byte !== undefined && byte >= ZERO && byte <= NINE) {
      if (at - first === MAX_INTEGER_DIGITS) return this.#fail(`an integer has over ${MAX_INTEGER_DIGITS} digits`)
      n = n * 10 + (byte - ZERO)
      byte = bytes[++at]
    }
    const digits = at - first
    if (byte !== END || digits === 0) return this.#fail("an integer is not digits up to an e", at)
    if (bytes[first] === ZERO && (digits > 1 || negative)) return this.#fail("an integer has a leading zero")
    if (digits <= EXACT_DIGITS) {
      this.offset = at + 1
      return negative ? -n : n
    }
    const exact = BigInt(latin1(bytes, start + 1, at))
    if (exact > MAX_INT64 || exact < MIN_INT64) return this.#fail("an integer does not fit 64 bits")
    this.offset = at + 1
    return isSafe(exact) ? Number(exact) : exact
  }
}

const isSafe = (n: bigint): boolean => n <= Number.MAX_SAFE_INTEGER && n >= -Number.MAX_SAFE_INTEGER

/** Longer texts are put together from parts: a string concatenated char by char costs 32 bytes a char until it is used. */
const SHORT_TEXT = 32

/** Characters a call of `String.fromCharCode` takes safely as arguments. */
const CHARS_PER_CALL = 4096

/** One char a byte. `TextDecoder("latin1")` would be windows-1252, which is something else. */
const latin1 = (bytes: Uint8Array, start: number, end: number): string => {
  let text = ""
  if (end - start <= SHORT_TEXT) {
    for (let at = start; at < end; at++) text += String.fromCharCode(bytes[at]!)
    return text
  }
  for (let at = start; at < end; at += CHARS_PER_CALL) {
    text += String.fromCharCode(...bytes.subarray(at, Math.min(end, at + CHARS_PER_CALL)))
  }
  return text
}
