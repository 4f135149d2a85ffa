/**
 * Bytes as text of one char U+0000–U+00FF each: bencode's keys, and keys of maps that go by bytes.
 * `TextDecoder("latin1")` would be windows-1252, which is something else.
 */

/** Longer texts are put together from parts: a string concatenated char by char costs 32 bytes a char until it is used. */
const SHORT_TEXT = 64

/** Characters a call of `String.fromCharCode` takes safely as arguments. */
const CHARS_PER_CALL = 4096

/** Most keys of messages are one char long. */
const SINGLE: ReadonlyArray<string> = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte))

/** The bytes from `start` to before `end`. */
export const fromBytes = (bytes: Uint8Array, start = 0, end = bytes.length): string => {
  if (end - start === 1) return SINGLE[bytes[start]!]!
  let text = ""
  if (end - start <= SHORT_TEXT) {
    // Spreading 64 bytes into arguments takes four times as long.
    for (let at = start; at < end; at++) text += String.fromCharCode(bytes[at]!)
    return text
  }
  for (let at = start; at < end; at += CHARS_PER_CALL) {
    text += String.fromCharCode(...bytes.subarray(at, Math.min(end, at + CHARS_PER_CALL)))
  }
  return text
}
