/** Archives that the attack vectors describe in words, by those words. */
import * as Zlib from "node:zlib"
import type { ArchiveLimits } from "../../../src/runtime/archive/ArchiveLimits.ts"
import { base256, checksummed, END, entry, gzip, header, packageJson, padded, tar, tgz } from "./TarBuilder.ts"

/** An archive, made anew at each reading. `limits` are the ones to unpack it under: small ones save the test's disk. */
export interface Sample {
  readonly chunks: () => Iterable<Uint8Array>
  readonly limits?: Partial<ArchiveLimits>
}

const MIB = 1024 * 1024
const whole = (bytes: Uint8Array): Sample => ({ chunks: () => [bytes] })
const file = { path: "package/x", type: "file" }
const plain = [packageJson, file]

/** One gzip member of all pieces, compressed piece by piece as it is read. */
function* gzipped(pieces: Iterable<Uint8Array>): Generator<Uint8Array> {
  yield Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255)
  let crc = 0
  let length = 0
  const zeros = deflated(ZEROS, 9)
  for (const piece of pieces) {
    crc = Zlib.crc32(piece, crc)
    length = (length + piece.length) % 2 ** 32
    yield piece === ZEROS ? zeros : deflated(piece, 1)
  }
  const end = Buffer.from([3, 0, 0, 0, 0, 0, 0, 0, 0, 0])
  end.writeUInt32LE(crc, 2)
  end.writeUInt32LE(length, 6)
  yield end
}

/** Deflated so that what follows neither needs it nor continues it. */
const deflated = (piece: Uint8Array, level: number): Uint8Array =>
  Zlib.deflateRawSync(piece, { level, finishFlush: Zlib.constants.Z_FULL_FLUSH })

const ZEROS = Buffer.alloc(MIB)

function* zeros(mebibytes: number): Generator<Uint8Array> {
  for (let i = 0; i < mebibytes; i++) yield ZEROS
}

const sized = (name: string, size: number | Uint8Array) => header({ name: Buffer.from(name), typeflag: "0", size })

/** Ten files of one GiB: the header of ustar cannot say 10 GiB at once. */
function* tenGiB(): Generator<Uint8Array> {
  yield entry(packageJson)
  for (let i = 0; i < 10; i++) {
    yield sized(`package/zeros-${i}`, 1024 * MIB)
    yield* zeros(1024)
  }
  yield END
}

function* hundredMB(): Generator<Uint8Array> {
  yield entry(packageJson)
  yield sized("package/zeros", 100 * MIB)
  yield* zeros(100)
  yield END
}

function* million(type: "file" | "dir"): Generator<Uint8Array> {
  yield entry(packageJson)
  for (let i = 0; i < 1_000_000; i += 1000) {
    yield Buffer.concat(Array.from({ length: 1000 }, (_, j) => entry({ path: `package/${i + j}`, type, content: "" })))
  }
  yield END
}

const flip = (bytes: Buffer, at: number): Buffer => {
  const flipped = Buffer.from(bytes)
  flipped[at]! ^= 1
  return flipped
}

const withSize = (size: Uint8Array) => whole(gzip(Buffer.concat([entry(packageJson), sized("package/x", size), END])))

const body = Buffer.concat(plain.map(entry))

export const generated: Readonly<Record<string, () => ReadonlyArray<Sample>>> = {
  "10 GiB of zeros in one file, gzip ~10 MB": () => [
    { chunks: () => gzipped(tenGiB()) },
    { chunks: () => gzipped(tenGiB()), limits: { ratio: Infinity, unpackedBytes: 16 * MIB } },
    withSize(base256(10n * 2n ** 30n, 12))
  ],
  "ratio over 1000:1 for 100 MB": () => [{ chunks: () => gzipped(hundredMB()) }],
  "1000000 empty files": () => [{ chunks: () => gzipped(million("file")), limits: { files: 500 } }],
  "1000000 directories": () => [{ chunks: () => gzipped(million("dir")), limits: { directories: 500 } }],
  "100000 concatenated empty gzip members": () => {
    const empty = gzip(new Uint8Array(0))
    return [
      whole(Buffer.concat(Array.from({ length: 100_000 }, () => empty))),
      whole(Buffer.concat([tgz(plain), ...Array.from({ length: 100_000 }, () => empty)]))
    ]
  },
  "cut at 300 bytes into a header": () => [
    whole(gzip(body.subarray(0, 1024 + 300))),
    whole(gzip(body.subarray(0, 300)))
  ],
  "cut the gzip trailer": () => {
    const archive = tgz(plain)
    return Array.from({ length: 12 }, (_, i) => whole(archive.subarray(0, archive.length - 1 - i)))
  },
  "flip a bit in the gzip CRC": () => {
    const archive = tgz(plain)
    return [whole(flip(archive, archive.length - 8)), whole(flip(archive, archive.length - 1))]
  },
  "flip a bit in a tar header checksum": () => [
    whole(gzip(flip(tar(plain), 149))),
    whole(gzip(flip(tar(plain), 1024 + 150)))
  ],
  "no two zero blocks at the end": () => [whole(gzip(body)), whole(gzip(Buffer.concat([body, Buffer.alloc(512)])))],
  "entries after the two zero blocks": () => [
    whole(gzip(Buffer.concat([tar(plain), tar([{ ...file, path: "package/y" }])])))
  ],
  "garbage after the gzip member": () => [
    whole(Buffer.concat([tgz(plain), Buffer.from("garbage")])),
    whole(Buffer.concat([tgz(plain), Buffer.alloc(1)]))
  ],
  "a second gzip member with more tar entries": () => [
    whole(Buffer.concat([tgz(plain), tgz([{ ...file, path: "package/y" }])])),
    whole(Buffer.concat([gzip(body), gzip(tar([{ ...file, path: "package/y" }]))]))
  ],
  "plain tar, xz, zip, or empty file named .tgz": () => [
    whole(tar(plain)),
    whole(Buffer.from("fd377a585a000004e6d6b4460200210116000000742fe5a3", "hex")),
    whole(Buffer.from("504b0304140000000800000021000000000000000000", "hex")),
    whole(Buffer.alloc(0)),
    whole(gzip(new Uint8Array(0)))
  ],
  "size field in base-256, 2^60": () => [withSize(base256(2n ** 60n, 12))],
  "base-256 negative size": () => [withSize(base256(-512n, 12)), withSize(base256(-1n, 12))],
  "size field = 'zzzz'": () => [
    withSize(Buffer.from("zzzz")),
    withSize(Buffer.from("0000000-512\0")),
    withSize(Buffer.from("00000000778\0"))
  ]
}

/** A sound package with a header whose bytes at `offset` were replaced, the checksum put right again. */
export const patched = (offset: number, bytes: Uint8Array): Buffer => {
  const block = header({ name: Buffer.from("package/x"), typeflag: "0", size: 1 })
  block.set(bytes, offset)
  return gzip(Buffer.concat([entry(packageJson), checksummed(block), padded(Buffer.from("x")), END]))
}
