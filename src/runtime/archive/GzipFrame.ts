/** What stands around the deflate data of a gzip member (RFC 1952 §2.3): its header and its trailer. */
import * as Zlib from "node:zlib"

/** CRC-32 and length modulo 2^32, little-endian (RFC 1952 §2.3.1). */
export const TRAILER_BYTES = 8
/** A gzip header with its optional file name and comment; npm's has 10 bytes. */
export const MAX_HEADER_BYTES = 4096

const FLAG_HEADER_CRC = 0x02
const FLAG_EXTRA = 0x04
const FLAG_NAME = 0x08
const FLAG_COMMENT = 0x10
const FLAGS_RESERVED = 0xe0

/** Where the deflate data begins (RFC 1952 §2.3). */
export const headerEnd = (bytes: Uint8Array): number | "incomplete" | "invalid" => {
  const fixed = [0x1f, 0x8b, 0x08]
  if (fixed.some((byte, i) => i < bytes.length && bytes[i] !== byte)) return "invalid"
  if (bytes.length < 10) return "incomplete"
  const flags = bytes[3]!
  if ((flags & FLAGS_RESERVED) !== 0) return "invalid"
  let at = 10
  if ((flags & FLAG_EXTRA) !== 0) {
    if (bytes.length < at + 2) return "incomplete"
    at += 2 + (bytes[at]! | (bytes[at + 1]! << 8))
  }
  for (const flag of [FLAG_NAME, FLAG_COMMENT]) {
    if ((flags & flag) === 0) continue
    const nul = at > bytes.length ? -1 : bytes.indexOf(0, at)
    if (nul < 0) return "incomplete"
    at = nul + 1
  }
  if ((flags & FLAG_HEADER_CRC) === 0) return at <= bytes.length ? at : "incomplete"
  if (bytes.length < at + 2) return "incomplete"
  return (Zlib.crc32(bytes.subarray(0, at)) & 0xffff) === (bytes[at]! | (bytes[at + 1]! << 8)) ? at + 2 : "invalid"
}

/** Whether the trailer that `bytes` begin with is that of data with this CRC-32 and length. */
export const isTrailerOf = (bytes: Uint8Array, crc: number, unpackedBytes: number): boolean => {
  const trailer = new DataView(bytes.buffer, bytes.byteOffset, TRAILER_BYTES)
  return trailer.getUint32(0, true) === crc && trailer.getUint32(4, true) === unpackedBytes % 2 ** 32
}
