/**
 * The tokens of canonical bencode (BEP 3): a cursor that reads integers, byte strings and keys, and
 * that both {@link decode} (any value) and the shapes (known dictionaries) are built on.
 *
 * It meets datagrams from strangers. Nothing is allocated by a stated length, and a refusal is a
 * value: exceptions would be slow under a flood of bad input.
 */
import * as Latin1 from "./Latin1.ts"
import * as Utf8 from "./Utf8.ts"

/** Digits of 2^63 − 1: BEP 3 sets no bound, but libtorrent and most of the network read int64. */
export const MAX_INTEGER_DIGITS = 19

export const MAX_INT64 = 2n ** 63n - 1n
export const MIN_INT64 = -(2n ** 63n)

/** Character codes of the grammar. */
export const END = 0x65
export const INTEGER = 0x69
export const LIST = 0x6c
export const DICTIONARY = 0x64
const ZERO = 0x30
const NINE = 0x39
const COLON = 0x3a
const MINUS = 0x2d

const ASCII_MAX = 0x7f

/** Up to this many bytes ASCII is quicker read char by char than by a `TextDecoder`. */
const SHORT_TEXT = 32

/** Integers of at most this many digits are exact as doubles at every step. */
const EXACT_DIGITS = 15

export const isDigit = (byte: number): boolean => byte >= ZERO && byte <= NINE

/** Methods give `undefined` after they set `problem`, and leave `offset` where it was found. */
export class Reader {
  readonly bytes: Uint8Array
  offset = 0
  problem: string | undefined = undefined

  constructor(bytes: Uint8Array) {
    // Subclasses (Node's Buffer) override `slice` to share memory: see through them.
    this.bytes =
      bytes.constructor === Uint8Array ? bytes : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  refuse(problem: string, offset = this.offset): undefined {
    this.problem = problem
    this.offset = offset
    return undefined
  }

  /** Moves behind `byte` where it stands next. */
  takesByte(byte: number): boolean {
    if (this.bytes[this.offset] !== byte) return false
    this.offset++
    return true
  }

  /** Moves behind `token` where it stands next. */
  takes(token: Uint8Array): boolean {
    const { bytes, offset } = this
    for (let i = 0; i < token.length; i++) if (bytes[offset + i] !== token[i]) return false
    this.offset = offset + token.length
    return true
  }

  /** Reads `<digits>:`, a length that the input covers, and moves behind it. */
  readLength(): number | undefined {
    const bytes = this.bytes
    let length = 0
    const start = this.offset
    let at = start
    let byte = bytes[at]
    while (byte !== undefined && byte >= ZERO && byte <= NINE) {
      length = length * 10 + (byte - ZERO)
      byte = bytes[++at]
      if (length > bytes.length) return this.refuse("a byte string is longer than the input")
    }
    if (at === start) return this.refuse("a byte string's length should begin here")
    if (at > start + 1 && bytes[start] === ZERO) return this.refuse("a length has a leading zero")
    if (byte !== COLON) return this.refuse("a length is not followed by a colon", at)
    if (length > bytes.length - at - 1) return this.refuse("a byte string is longer than the input")
    this.offset = at + 1
    return length
  }

  /** A byte string, copied. */
  readBytes(): Uint8Array | undefined {
    const length = this.readLength()
    if (length === undefined) return undefined
    const start = this.offset
    this.offset += length
    return this.bytes.slice(start, this.offset)
  }

  /** A byte string of well-formed UTF-8, as text. */
  readText(): string | undefined {
    const length = this.readLength()
    if (length === undefined) return undefined
    const start = this.offset
    this.offset += length
    let text = ""
    if (length <= SHORT_TEXT) {
      let at = start
      for (; at < this.offset && this.bytes[at]! <= ASCII_MAX; at++) text += String.fromCharCode(this.bytes[at]!)
      if (at === this.offset) return text
    }
    return Utf8.decode(this.bytes.subarray(start, this.offset)) ?? this.refuse("a text is not in UTF-8", start)
  }

  /** A byte string as text of one char a byte. */
  readKey(): string | undefined {
    const length = this.readLength()
    if (length === undefined) return undefined
    const start = this.offset
    this.offset += length
    return Latin1.fromBytes(this.bytes, start, this.offset)
  }

  /** A `number` within ±(2^53 − 1), else a `bigint` within int64. */
  readInteger(): number | bigint | undefined {
    const bytes = this.bytes
    const start = this.offset
    if (bytes[start] !== INTEGER) return this.refuse("an integer should begin here")
    let at = start + 1
    const negative = bytes[at] === MINUS
    if (negative) at++
    const first = at
    let n = 0
    let byte = bytes[at]
    while (byte !== undefined && byte >= ZERO && byte <= NINE) {
      if (at - first === MAX_INTEGER_DIGITS) return this.refuse(`an integer has over ${MAX_INTEGER_DIGITS} digits`)
      n = n * 10 + (byte - ZERO)
      byte = bytes[++at]
    }
    const digits = at - first
    if (byte !== END || digits === 0) return this.refuse("an integer is not digits up to an e", at)
    if (bytes[first] === ZERO && (digits > 1 || negative)) return this.refuse("an integer has a leading zero")
    if (digits <= EXACT_DIGITS) {
      this.offset = at + 1
      return negative ? -n : n
    }
    const exact = BigInt(Latin1.fromBytes(bytes, start + 1, at))
    if (exact > MAX_INT64 || exact < MIN_INT64) return this.refuse("an integer does not fit 64 bits")
    this.offset = at + 1
    return isSafe(exact) ? Number(exact) : exact
  }
}

const isSafe = (n: bigint): boolean => n <= Number.MAX_SAFE_INTEGER && n >= -Number.MAX_SAFE_INTEGER
