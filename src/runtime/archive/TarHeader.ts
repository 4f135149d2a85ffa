/**
 * The 512-byte header block of a tar entry: POSIX.1-1988 (ustar), GNU and V7 forms, read strictly.
 * Owner and dates are not even parsed: nothing of an archive's owners or clocks reaches the disk.
 */
import * as Result from "effect/Result"

export const BLOCK_BYTES = 512

/** What a header says of its entry. Names are raw bytes: an extended header may replace them. */
export interface TarHeader {
  readonly name: Uint8Array
  /** One character; NUL is the regular file of V7. */
  readonly typeflag: string
  /** Bytes of data that follow. */
  readonly size: number
  /** Permission bits as they stand there, setuid and all. */
  readonly mode: number
}

/** Field offsets and lengths in bytes (POSIX.1 "ustar Interchange Format"). */
const NAME = [0, 100] as const
const MODE = [100, 8] as const
const SIZE = [124, 12] as const
const CHECKSUM = [148, 8] as const
const TYPEFLAG = 156
const MAGIC = [257, 8] as const
const PREFIX = [345, 155] as const
/** node-tar keeps a NUL here and two dates behind it when it shortens the prefix to 130 bytes. */
const SHORT_PREFIX_END = 475

const USTAR_MAGIC = "ustar\u{0}00"
const GNU_MAGIC = "ustar  \0"

const SLASH = 0x2f

/** Whether the block is all zeros: two of these end an archive. */
export const isZero = (block: Uint8Array): boolean => {
  for (let i = 0; i < block.length; i++) if (block[i] !== 0) return false
  return true
}

/** Reads one header block; the failure says what is wrong with it. */
export const decode = (block: Uint8Array): Result.Result<TarHeader, string> =>
  Result.gen(function* () {
    const checksum = yield* octal(field(block, CHECKSUM), "checksum")
    if (checksum !== checksumOf(block)) return yield* Result.fail("the checksum of a header is wrong")
    const size = yield* octal(field(block, SIZE), "size")
    const mode = isBlank(field(block, MODE)) ? 0 : yield* octal(field(block, MODE), "mode")
    const name = yield* untilNul(field(block, NAME))
    const prefix = yield* prefixOf(block)
    return {
      name: prefix.length === 0 ? name : Buffer.concat([prefix, Uint8Array.of(SLASH), name]),
      typeflag: String.fromCharCode(block[TYPEFLAG]!),
      size,
      mode
    }
  })

/** Sum of all bytes with the checksum field as spaces; signed sums of some old tars are not accepted. */
export const checksumOf = (block: Uint8Array): number => {
  let sum = 0x20 * CHECKSUM[1]
  for (let i = 0; i < BLOCK_BYTES; i++) {
    if (i < CHECKSUM[0] || i >= CHECKSUM[0] + CHECKSUM[1]) sum += block[i]!
  }
  return sum
}

const field = (block: Uint8Array, [offset, length]: readonly [number, number]): Uint8Array =>
  block.subarray(offset, offset + length)

const isBlank = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0 || byte === 0x20)

/** Octal digits, padded by spaces or NULs. The base-256 form is for sizes of 8 GiB and more: refused. */
const octal = (bytes: Uint8Array, what: string): Result.Result<number, string> => {
  const digits = /^ *([0-7]+)[ \0]*$/.exec(latin1(bytes))?.[1]
  return digits === undefined
    ? Result.fail(`the ${what} in a header is not an octal number`)
    : Result.succeed(Number.parseInt(digits, 8))
}

const latin1 = ({ buffer, byteLength, byteOffset }: Uint8Array): string =>
  Buffer.from(buffer, byteOffset, byteLength).toString("latin1")

/** A name ends at its first NUL; bytes behind it would be a second name for another reader. */
const untilNul = (bytes: Uint8Array): Result.Result<Uint8Array, string> => {
  const nul = bytes.indexOf(0)
  if (nul < 0) return Result.succeed(bytes.slice())
  return isZero(bytes.subarray(nul)) ? Result.succeed(bytes.slice(0, nul)) : Result.fail("a name has a NUL inside")
}

const prefixOf = (block: Uint8Array): Result.Result<Uint8Array, string> => {
  const magic = latin1(field(block, MAGIC))
  const prefix = field(block, PREFIX)
  if (magic === USTAR_MAGIC) {
    return untilNul(block[SHORT_PREFIX_END] === 0 ? block.subarray(PREFIX[0], SHORT_PREFIX_END) : prefix)
  }
  if (magic !== GNU_MAGIC && !isZero(field(block, MAGIC))) return Result.fail("a header is of no known tar format")
  // GNU keeps dates and sparse maps here, V7 nothing; a reader that takes them for ustar would see a prefix.
  return isZero(prefix) ? Result.succeed(prefix.subarray(0, 0)) : Result.fail("a header mixes two tar formats")
}
