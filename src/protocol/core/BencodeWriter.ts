/**
 * The tokens of canonical bencode (BEP 3), written into a buffer of exactly the right size: whoever
 * writes measures first. Allocating more than 64 bytes is what costs most in writing a record, so it
 * is done once.
 */
import { END, INTEGER } from "./BencodeReader.ts"
import * as Utf8 from "./Utf8.ts"

const ZERO = 0x30
const COLON = 0x3a
const MINUS = 0x2d

const ASCII_MAX = 0x7f

/** The letters around a list or dictionary. */
export const BRACKET_BYTES = 2

/** Decimal digits of a whole number from 0 to 2^53 − 1. */
const digitsOf = (n: number): number => {
  let digits = 1
  for (let power = 10; n >= power; power *= 10) digits++
  return digits
}

/** Bytes that a byte string of `length` bytes takes with its prefix. */
export const sizeOfBytes = (length: number): number => digitsOf(length) + 1 + length

/** Bytes that a safe integer takes. */
export const sizeOfInteger = (n: number): number => (n < 0 ? digitsOf(-n) + 3 : digitsOf(n) + 2)

const isAscii = (text: string): boolean => {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > ASCII_MAX) return false
  return true
}

/** Bytes that an integer of int64 takes. */
export const sizeOfBigInt = (n: bigint): number => String(n).length + 2

/** Bytes that well-formed `text` takes as a byte string of UTF-8. */
export const sizeOfText = (text: string): number => sizeOfBytes(isAscii(text) ? text.length : Utf8.encode(text).length)

export class Writer {
  readonly #bytes: Uint8Array
  #at = 0

  /** `size` is the number of bytes that will be written. */
  constructor(size: number) {
    this.#bytes = new Uint8Array(size)
  }

  /** What was written. Throws `RangeError` where it was measured wrongly. */
  finish(): Uint8Array {
    if (this.#at !== this.#bytes.length) throw new RangeError("bencode was measured wrongly")
    return this.#bytes
  }

  writeByte(byte: number): void {
    this.#bytes[this.#at++] = byte
  }

  /** Bytes as they are. */
  writeRaw(bytes: Uint8Array): void {
    this.#bytes.set(bytes, this.#at)
    this.#at += bytes.length
  }

  writeBytes(bytes: Uint8Array): void {
    this.#writeDigits(bytes.length)
    this.writeByte(COLON)
    this.writeRaw(bytes)
  }

  /** Well-formed text in UTF-8. */
  writeText(text: string): void {
    if (!isAscii(text)) return this.writeBytes(Utf8.encode(text))
    this.writeChars(text)
  }

  /** Text of chars U+0000–U+00FF, one byte each. */
  writeChars(text: string): void {
    this.#writeDigits(text.length)
    this.writeByte(COLON)
    this.#writeCodes(text)
  }

  /** A safe integer. */
  writeInteger(n: number): void {
    this.writeByte(INTEGER)
    if (n < 0) this.writeByte(MINUS)
    this.#writeDigits(Math.abs(n))
    this.writeByte(END)
  }

  writeBigInt(n: bigint): void {
    this.writeByte(INTEGER)
    this.#writeCodes(String(n))
    this.writeByte(END)
  }

  #writeCodes(text: string): void {
    const bytes = this.#bytes
    let at = this.#at
    for (let i = 0; i < text.length; i++) bytes[at++] = text.charCodeAt(i)
    this.#at = at
  }

  #writeDigits(n: number): void {
    const end = this.#at + digitsOf(n)
    let rest = n
    for (let at = end - 1; at >= this.#at; at--) {
      const digit = rest % 10
      this.#bytes[at] = ZERO + digit
      rest = (rest - digit) / 10
    }
    this.#at = end
  }
}
