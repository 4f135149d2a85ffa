/**
 * Writes package archives that are the same bytes wherever they are made: ustar headers with npm's
 * fixed date, no owners, modes 0644 and 0755, and a pax header only for names that ustar cannot hold.
 */
import { BLOCK_BYTES, checksumOf } from "./TarHeader.ts"

/** One file of an archive, named with its root. `mode` is 0o644 or 0o755. */
export interface TarFile {
  readonly path: string
  readonly mode: number
  readonly bytes: Uint8Array
}

/** 1985-10-26T08:15:00Z in Unix seconds: npm's date for every packed file, which survives zip's 1980 epoch. */
const MTIME_SECONDS = 499_162_500
const NAME_BYTES = 100
const PREFIX_BYTES = 155

const ASCII = /^\p{ASCII}*$/u

const utf8 = new TextEncoder()

/** The uncompressed archive, in the order given, as pieces to be written one after the other. */
export const encode = (files: Iterable<TarFile>): ReadonlyArray<Uint8Array> => {
  const pieces: Array<Uint8Array> = []
  for (const { path, mode, bytes } of files) {
    const split = splitPath(path)
    if (split === undefined) {
      const records = paxRecord("path", path)
      pieces.push(headerBlock("PaxHeader", "", 0o644, records.length, "x"), ...padded(records))
    }
    const [prefix, name] = split ?? ["", "long-name"]
    pieces.push(headerBlock(name, prefix, mode, bytes.length, "0"), ...padded(bytes))
  }
  pieces.push(new Uint8Array(2 * BLOCK_BYTES))
  return pieces
}

/** Prefix and name of ustar, or `undefined` for what needs a pax header. */
const splitPath = (path: string): readonly [prefix: string, name: string] | undefined => {
  if (!ASCII.test(path)) return undefined
  if (path.length <= NAME_BYTES) return ["", path]
  const slash = path.indexOf("/", path.length - NAME_BYTES - 1)
  return slash > 0 && slash <= PREFIX_BYTES && slash < path.length - 1
    ? [path.slice(0, slash), path.slice(slash + 1)]
    : undefined
}

const headerBlock = (name: string, prefix: string, mode: number, size: number, typeflag: string): Uint8Array => {
  const block = new Uint8Array(BLOCK_BYTES)
  const put = (offset: number, text: string) => utf8.encodeInto(text, block.subarray(offset))
  const octal = (offset: number, length: number, value: number) =>
    put(offset, `${value.toString(8).padStart(length - 1, "0")}\0`)
  put(0, name)
  octal(100, 8, mode)
  octal(108, 8, 0)
  octal(116, 8, 0)
  octal(124, 12, size)
  octal(136, 12, MTIME_SECONDS)
  put(156, typeflag)
  put(257, "ustar\u{0}00")
  put(345, prefix)
  octal(148, 7, checksumOf(block))
  put(155, " ")
  return block
}

/** A record counts its own length, whose digits are part of it. */
const paxRecord = (keyword: string, value: string): Uint8Array => {
  const rest = ` ${keyword}=${value}\n`
  const restBytes = utf8.encode(rest).length
  let length = restBytes + 1
  while (length !== restBytes + String(length).length) length = restBytes + String(length).length
  return utf8.encode(`${length}${rest}`)
}

const padded = (bytes: Uint8Array): ReadonlyArray<Uint8Array> => {
  const rest = bytes.length % BLOCK_BYTES
  return rest === 0 ? [bytes] : [bytes, new Uint8Array(BLOCK_BYTES - rest)]
}
