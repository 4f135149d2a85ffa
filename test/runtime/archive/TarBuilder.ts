/**
 * Builds tar archives that no honest tool would build: raw names, wrong sizes, any type flag, any
 * extended header. Knows no rules of its own beyond the layout of a header block, and shares no code
 * with what it tests.
 */
import * as Zlib from "node:zlib"

/** One entry as the attack vectors describe it; unknown fields are ignored. */
export interface Entry {
  readonly path?: string
  readonly path_hex?: string
  /** Pieces of a path; a pair is a piece and how often it comes. */
  readonly path_repeat?: ReadonlyArray<string | readonly [string, number]>
  readonly type?: string
  readonly typeflag?: string
  readonly content?: string
  readonly data?: string
  readonly link?: string
  /** Octal digits. */
  readonly mode?: string
  readonly uid?: number
  readonly gid?: number
  readonly mtime?: number
  readonly pax?: Readonly<Record<string, string>>
  /** Size in the header; of `declared`, where `actual` does not say otherwise, that many bytes follow. */
  readonly size?: number
  readonly declared?: number
  readonly actual?: number
  readonly generate?: string
}

const BLOCK = 512
const TYPES: Readonly<Record<string, string>> = { file: "0", dir: "5", symlink: "2", hardlink: "1" }

/** Two blocks of zeros. */
export const END = Buffer.alloc(2 * BLOCK)

/** Header fields as bytes or text, put as they are. */
export interface RawHeader {
  readonly name: Uint8Array
  readonly typeflag: string
  readonly size: number | Uint8Array
  readonly mode?: string
  readonly uid?: number
  readonly gid?: number
  readonly mtime?: number
  readonly link?: string
  readonly magic?: string
  readonly prefix?: Uint8Array
}

/** A header block with a right checksum. */
export const header = (raw: RawHeader): Buffer => {
  const block = Buffer.alloc(BLOCK)
  block.set(raw.name.subarray(0, 100), 0)
  block.write(`${(raw.mode ?? "644").padStart(7, "0")}\0`, 100, "latin1")
  number(block, 108, 8, raw.uid ?? 1000)
  number(block, 116, 8, raw.gid ?? 1000)
  if (typeof raw.size === "number") number(block, 124, 12, raw.size)
  else block.set(raw.size, 124)
  number(block, 136, 12, raw.mtime ?? 499_162_500)
  block.write(raw.typeflag, 156, "latin1")
  block.write((raw.link ?? "").slice(0, 100), 157, "utf8")
  block.write(raw.magic ?? "ustar\u{0}00", 257, "latin1")
  if (raw.prefix !== undefined) block.set(raw.prefix, 345)
  return checksummed(block)
}

/** Puts the right checksum into a block that was changed. */
export const checksummed = (block: Buffer): Buffer => {
  block.fill(0x20, 148, 156)
  let sum = 0
  for (const byte of block) sum += byte
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1")
  return block
}

/** Octal where it fits, else base-256, which also holds negative numbers. */
const number = (block: Buffer, offset: number, length: number, value: number): void => {
  const octal = value.toString(8)
  if (value >= 0 && octal.length < length) {
    block.write(`${octal.padStart(length - 1, "0")}\0`, offset, "latin1")
    return
  }
  base256(BigInt(value), length).copy(block, offset)
}

export const base256 = (value: bigint, length: number): Buffer => {
  const bytes = Buffer.alloc(length)
  let rest = BigInt.asUintN(length * 8, value)
  for (let i = length - 1; i >= 0; i--, rest >>= 8n) bytes[i] = Number(rest & 0xffn)
  bytes[0]! |= 0x80
  return bytes
}

export const padded = (bytes: Uint8Array): Buffer =>
  Buffer.concat([bytes, Buffer.alloc((BLOCK - (bytes.length % BLOCK)) % BLOCK)])

/** A pax header with these records, in order. */
export const paxHeader = (records: Readonly<Record<string, string>>, typeflag = "x"): Buffer => {
  const body = Buffer.concat(Object.entries(records).map(([key, value]) => paxRecord(key, value)))
  return Buffer.concat([header({ name: Buffer.from("PaxHeader/x"), typeflag, size: body.length }), padded(body)])
}

const paxRecord = (key: string, value: string): Buffer => {
  const rest = Buffer.from(` ${key}=${value}\n`)
  let length = rest.length
  for (let i = 0; i < 3; i++) length = rest.length + String(length).length
  return Buffer.concat([Buffer.from(String(length)), rest])
}

/** One described entry with whatever extended headers it needs. */
export const entry = (described: Entry): Buffer => {
  const typeflag = described.typeflag ?? TYPES[described.type ?? "file"] ?? "0"
  const name = nameOf(described, typeflag === "5")
  const data = dataOf(described)
  const parts: Array<Buffer> = []
  const ownPax = typeflag === "x" || typeflag === "g"
  if (described.pax !== undefined && !ownPax) parts.push(paxHeader(described.pax))
  else if (name.length > 100) parts.push(paxHeader({ path: name.toString("utf8") }))
  const body = ownPax && described.pax !== undefined ? paxHeader(described.pax).subarray(BLOCK) : padded(data)
  const size =
    described.declared ??
    described.size ??
    (ownPax && described.pax !== undefined ? trimmed(described.pax) : data.length)
  const { mode, uid, gid, mtime, link } = described
  parts.push(
    header({
      name,
      typeflag,
      size,
      ...(mode === undefined ? {} : { mode }),
      ...(uid === undefined ? {} : { uid }),
      ...(gid === undefined ? {} : { gid }),
      ...(mtime === undefined ? {} : { mtime }),
      ...(link === undefined ? {} : { link })
    }),
    body
  )
  return Buffer.concat(parts)
}

const trimmed = (pax: Readonly<Record<string, string>>): number =>
  Object.entries(pax).reduce((sum, [key, value]) => sum + paxRecord(key, value).length, 0)

const nameOf = (described: Entry, isDirectory: boolean): Buffer => {
  if (described.path_hex !== undefined) return Buffer.from(described.path_hex, "hex")
  const path =
    described.path_repeat?.map((piece) => (typeof piece === "string" ? piece : piece[0].repeat(piece[1]))).join("") ??
    described.path ??
    "././@Extended"
  return Buffer.from(isDirectory && !path.endsWith("/") ? `${path}/` : path)
}

/** A directory with a size gets that many bytes; a raw meta entry with a size promises bytes that never come. */
const dataOf = (described: Entry): Buffer => {
  if (described.data !== undefined) return Buffer.from(described.data)
  if (described.content !== undefined) return Buffer.from(described.content)
  if (described.actual !== undefined) return Buffer.alloc(described.actual, "x")
  if (described.declared !== undefined) return Buffer.alloc(described.declared, "x")
  if (described.type === "dir" && described.size !== undefined) return Buffer.alloc(described.size, "x")
  return described.type === "file" ? Buffer.from("data of a file\n") : Buffer.alloc(0)
}

/** The smallest package.json. */
export const packageJson: Entry = {
  path: "package/package.json",
  type: "file",
  content: '{"name":"a","version":"1.0.0"}'
}

/** An uncompressed archive of these entries, with its end. */
export const tar = (entries: ReadonlyArray<Entry>): Buffer => Buffer.concat([...entries.map(entry), END])

export const gzip = (bytes: Uint8Array): Buffer => Zlib.gzipSync(bytes)

/** A gzipped archive of these entries. */
export const tgz = (entries: ReadonlyArray<Entry>): Buffer => gzip(tar(entries))
