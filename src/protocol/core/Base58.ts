/**
 * Base58 in Bitcoin's alphabet: the spelling of keys in the overlay (`key_…`). No checksum, no
 * white space, no look-alikes; every byte string has exactly one spelling.
 *
 * Conversion between bases is quadratic, so `decode` bounds its input before it does any work.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { ExitCode } from "./Errors.ts"

/** Digits 0–57, without `0`, `O`, `I` and `l` (Bitcoin, `src/base58.cpp`). */
const ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

/** Longest text that `decode` reads, in chars: ten times a key and three times the longest published vector. */
export const MAX_CHARS = 1024

/** Value of each ASCII character; −1 where it is not in the alphabet. */
const VALUES: ReadonlyArray<number> = Array.from({ length: 128 }, (_, code) =>
  ALPHABET.indexOf(String.fromCharCode(code))
)

/** Text that is not base58. `offset` counts chars. */
export class Base58Error extends Schema.TaggedError<Base58Error>()("Base58Error", {
  offset: Schema.Int,
  problem: Schema.String
}) {
  readonly exitCode = ExitCode.usage
  readonly hint = "Copy the text again, whole and without white space. Base58 has no 0, O, I or l."
  override get message(): string {
    return `Not base58 at character ${this.offset}: ${this.problem}`
  }
}

/** A leading zero byte becomes a leading `1`. Work grows with the square of the length: meant for keys and hashes. */
export const encode = (bytes: Uint8Array): string => {
  const digits: Array<number> = []
  let zeros = 0
  while (zeros < bytes.length && bytes[zeros] === 0) zeros++
  for (let i = zeros; i < bytes.length; i++) {
    let carry = bytes[i]!
    for (let j = 0; j < digits.length; j++) {
      carry += digits[j]! << 8
      digits[j] = carry % 58
      carry = (carry / 58) | 0
    }
    for (; carry > 0; carry = (carry / 58) | 0) digits.push(carry % 58)
  }
  let text = ALPHABET[0]!.repeat(zeros)
  for (let j = digits.length - 1; j >= 0; j--) text += ALPHABET[digits[j]!]!
  return text
}

/** The bytes of at most {@link MAX_CHARS} characters of base58. */
export const decode = (text: string): Result.Result<Uint8Array, Base58Error> => {
  if (text.length > MAX_CHARS) {
    return Result.fail(new Base58Error({ offset: MAX_CHARS, problem: `longer than ${MAX_CHARS} characters` }))
  }
  /** Least significant byte first. */
  const reversed: Array<number> = []
  let zeros = 0
  while (zeros < text.length && text[zeros] === ALPHABET[0]) zeros++
  for (let i = zeros; i < text.length; i++) {
    let carry = VALUES[text.charCodeAt(i)] ?? -1
    if (carry < 0) return Result.fail(new Base58Error({ offset: i, problem: "not a character of the alphabet" }))
    for (let j = 0; j < reversed.length; j++) {
      carry += reversed[j]! * 58
      reversed[j] = carry & 0xff
      carry >>= 8
    }
    for (; carry > 0; carry >>= 8) reversed.push(carry & 0xff)
  }
  const bytes = new Uint8Array(zeros + reversed.length)
  bytes.set(reversed.toReversed(), zeros)
  return Result.succeed(bytes)
}
