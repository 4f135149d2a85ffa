/**
 * Extended headers of pax (POSIX.1-2001): records "<length> <keyword>=<value>\n". Only those that
 * change which bytes a file has or what it is called are kept; the rest (dates, owners, attributes,
 * comments) say nothing that is unpacked.
 */
import * as Result from "effect/Result"

export interface PaxRecords {
  readonly path: string | undefined
  readonly size: number | undefined
  readonly isLink: boolean
}

/** The only character set that a name may claim (POSIX.1 pax, `hdrcharset`). */
const UTF8_CHARSET = "ISO-IR 10646 2000 UTF-8"

/** Sparse files and star's private types: records that give the data another meaning. */
const CHANGES_MEANING = /^(?:GNU\.|SCHILY\.(?:realsize|filetype|dir|ino|nlink|dev|offset|volume))/

const EQUALS = 0x3d
const SPACE = 0x20
const NEWLINE = 0x0a
/** Digits of 2^53, the largest number that is exact. */
const MAX_DIGITS = 16

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** Reads all records; the failure says what is wrong with them. */
export const decode = (bytes: Uint8Array): Result.Result<PaxRecords, string> =>
  Result.gen(function* () {
    const records = new Map<string, Uint8Array>()
    for (let at = 0; at < bytes.length;) {
      const space = bytes.indexOf(SPACE, at)
      const length = space < 0 ? undefined : decimal(bytes.subarray(at, space))
      const end = at + (length ?? 0)
      if (length === undefined || end > bytes.length || end <= space + 1 || bytes[end - 1] !== NEWLINE) {
        return yield* Result.fail("an extended header has a record of wrong length")
      }
      const equals = bytes.subarray(0, end).indexOf(EQUALS, space + 1)
      if (equals <= space + 1) return yield* Result.fail("an extended header has a record without a keyword")
      const keyword = yield* text(bytes.subarray(space + 1, equals))
      if (records.has(keyword)) return yield* Result.fail("an extended header repeats a record")
      records.set(keyword, bytes.subarray(equals + 1, end - 1))
      at = end
    }
    return yield* keep(records)
  })

const keep = (records: ReadonlyMap<string, Uint8Array>): Result.Result<PaxRecords, string> =>
  Result.gen(function* () {
    for (const keyword of records.keys()) {
      if (CHANGES_MEANING.test(keyword))
        return yield* Result.fail("an extended header describes a sparse or special file")
    }
    const charset = records.get("hdrcharset")
    if (charset !== undefined && (yield* text(charset)) !== UTF8_CHARSET) {
      return yield* Result.fail("an extended header is not in UTF-8")
    }
    const path = records.get("path")
    const size = records.get("size")
    const bytes = size === undefined ? undefined : decimal(size)
    if (size !== undefined && bytes === undefined)
      return yield* Result.fail("an extended header has an impossible size")
    return {
      path: path === undefined ? undefined : yield* text(path),
      size: bytes,
      isLink: records.has("linkpath")
    }
  })

const text = (bytes: Uint8Array): Result.Result<string, string> => {
  try {
    return Result.succeed(decoder.decode(bytes))
  } catch {
    return Result.fail("an extended header is not in UTF-8")
  }
}

/** Plain decimal digits without a sign; a number that is not exact is none. */
const decimal = (bytes: Uint8Array): number | undefined => {
  if (bytes.length === 0 || bytes.length > MAX_DIGITS) return undefined
  let number = 0
  for (const byte of bytes) {
    if (byte < 0x30 || byte > 0x39) return undefined
    number = number * 10 + byte - 0x30
  }
  return Number.isSafeInteger(number) ? number : undefined
}
