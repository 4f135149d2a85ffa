/**
 * The torrent of a release: `manifest.json` and the tarball, in this order, under one directory.
 *
 * The info dictionary (BEP 3) is deterministic — canonical bencode, no dates, piece length chosen
 * from the size — so that every publisher of the same bytes makes the same infohash, and a release
 * record with at most 16 piece hashes is enough to rebuild it without asking a peer.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Bencode from "../core/Bencode.ts"
import { sha1 } from "../core/Digest.ts"
import { ExitCode } from "../core/Errors.ts"
import * as Infohash from "../core/Infohash.ts"
import * as PackageName from "../core/PackageName.ts"
import type { Version } from "../core/Version.ts"
import { MANIFEST_MAX_BYTES, type Release, TARBALL_MAX_BYTES } from "../registry/Release.ts"

export const MANIFEST_FILE = "manifest.json"
export const PIECE_HASH_BYTES = 20

/** BEP 3 asks for a power of two; 16 KiB is the block size of the wire, so nothing smaller pays. */
export const PIECE_LENGTH_MIN = 16 * 1024
/** Larger pieces make a corrupt peer costlier: what is lost with one bad block is a piece. */
export const PIECE_LENGTH_MAX = 1024 * 1024
/** Up to so many piece hashes fit in a release record. */
export const PIECES_INLINE_MAX = 16
export const TORRENT_MAX_BYTES = MANIFEST_MAX_BYTES + TARBALL_MAX_BYTES
/** Piece hashes of the largest torrent, with room for names: what a metadata exchange (BEP 9) may bring. */
export const INFO_MAX_BYTES = 32 * 1024

export interface TorrentFile {
  readonly path: string
  readonly length: number
  /** Bytes from the start of the torrent. */
  readonly offset: number
}

export interface Torrent {
  readonly infohash: Infohash.Infohash
  /** Name of the directory, `<name>-<version>` with `@a/b` written `a__b`. */
  readonly name: string
  readonly pieceLength: number
  /** SHA-1 of every piece, 20 bytes each, end to end. */
  readonly pieces: Uint8Array
  readonly manifest: TorrentFile
  readonly tarball: TorrentFile
  readonly totalLength: number
  /** The info dictionary whose SHA-1 is the infohash. */
  readonly info: Uint8Array
}

/** The info dictionary is not that of a release: other files, unsafe names, wrong lengths. */
export class InvalidTorrent extends Schema.TaggedError<InvalidTorrent>()("InvalidTorrent", {
  infohash: Schema.String,
  problem: Schema.String
}) {
  readonly exitCode = ExitCode.untrusted
  readonly hint = "The publisher announced something that is not a package; nothing was downloaded."
  override get message() {
    return `The torrent ${this.infohash} is not one of a release: ${this.problem}`
  }
}

/** Smallest power of two that keeps the torrent within 16 pieces, between 16 KiB and 1 MiB. */
export const pieceLengthFor = (totalLength: number): number => {
  let length = PIECE_LENGTH_MIN
  while (length < PIECE_LENGTH_MAX && Math.ceil(totalLength / length) > PIECES_INLINE_MAX) length *= 2
  return length
}

export const directoryName = (name: PackageName.PackageName, version: Version): string =>
  `${PackageName.directory(name)}-${version}`

export const pieceCount = (torrent: Pick<Torrent, "totalLength" | "pieceLength">): number =>
  Math.ceil(torrent.totalLength / torrent.pieceLength)

/** Length of piece `index` in bytes; only the last one may be shorter. */
export const lengthOfPiece = (torrent: Torrent, index: number): number =>
  Math.min(torrent.pieceLength, torrent.totalLength - index * torrent.pieceLength)

export const hashOfPiece = (torrent: Torrent, index: number): Uint8Array =>
  torrent.pieces.subarray(index * PIECE_HASH_BYTES, (index + 1) * PIECE_HASH_BYTES)

const Info = Bencode.fromBytes(
  Schema.Struct({
    files: Schema.Array(Schema.Struct({ length: Bencode.Integer, path: Schema.Array(Bencode.Utf8) })),
    name: Bencode.Utf8,
    "piece length": Bencode.Integer,
    pieces: Schema.Uint8Array
  })
)
const encodeInfo = Schema.encodeSync(Info)
const decodeInfo = Schema.decodeUnknownEffect(Info)

/** What a release fixes about its torrent. */
export interface Shape {
  readonly name: PackageName.PackageName
  readonly version: Version
  readonly manifestLength: number
  readonly tarballLength: number
  readonly pieces: Uint8Array
}

/** The torrent of a release. `pieces` must have one hash for every piece of the length that the size gives. */
export const make = (shape: Shape): Torrent => {
  const name = directoryName(shape.name, shape.version)
  const totalLength = shape.manifestLength + shape.tarballLength
  const pieceLength = pieceLengthFor(totalLength)
  const tarballPath = `${name}.tgz`
  const info = encodeInfo({
    files: [
      { length: shape.manifestLength, path: [MANIFEST_FILE] },
      { length: shape.tarballLength, path: [tarballPath] }
    ],
    name,
    "piece length": pieceLength,
    pieces: shape.pieces
  })
  return {
    infohash: sha1(info) as Uint8Array as Infohash.Infohash,
    name,
    pieceLength,
    pieces: shape.pieces,
    manifest: { path: MANIFEST_FILE, length: shape.manifestLength, offset: 0 },
    tarball: { path: tarballPath, length: shape.tarballLength, offset: shape.manifestLength },
    totalLength,
    info
  }
}

/** A directory name that `directoryName` can have made: no separators, no dots in front, no control characters. */
const safeName = /^[A-Za-z0-9_~-][A-Za-z0-9._~+!'()*-]*$/

/** Reads an info dictionary from a peer. Anything but the exact shape that {@link make} gives is refused. */
export const fromInfo = Effect.fnUntraced(function* (info: Uint8Array, infohashHex: string) {
  const refuse = (problem: string) => new InvalidTorrent({ infohash: infohashHex, problem })
  if (info.length > INFO_MAX_BYTES) return yield* refuse(`its info dictionary has ${info.length} bytes`)
  const decoded = yield* decodeInfo(info).pipe(Effect.mapError((error) => refuse(error.message.split("\n")[0]!)))
  const [manifest, tarball, ...others] = decoded.files
  if (manifest === undefined || tarball === undefined || others.length > 0) return yield* refuse("it has not two files")
  if (!safeName.test(decoded.name)) return yield* refuse("its directory has an unsafe name")
  if (manifest.path.length !== 1 || manifest.path[0] !== MANIFEST_FILE) return yield* refuse("it has no manifest.json")
  const tarballPath = `${decoded.name}.tgz`
  if (tarball.path.length !== 1 || tarball.path[0] !== tarballPath) return yield* refuse(`it has no ${tarballPath}`)
  const totalLength = manifest.length + tarball.length
  if (totalLength === 0 || totalLength > TORRENT_MAX_BYTES) return yield* refuse(`it has ${totalLength} bytes`)
  const pieceLength = decoded["piece length"]
  if (pieceLength !== pieceLengthFor(totalLength)) return yield* refuse(`its pieces have ${pieceLength} bytes`)
  if (decoded.pieces.length !== Math.ceil(totalLength / pieceLength) * PIECE_HASH_BYTES) {
    return yield* refuse("the number of its piece hashes does not fit its length")
  }
  return {
    infohash: sha1(info) as Uint8Array as Infohash.Infohash,
    name: decoded.name,
    pieceLength,
    pieces: decoded.pieces,
    manifest: { path: MANIFEST_FILE, length: manifest.length, offset: 0 },
    tarball: { path: tarballPath, length: tarball.length, offset: manifest.length },
    totalLength,
    info
  } satisfies Torrent
})

/**
 * The torrent as a release record describes it; `undefined` where it has more pieces than a record
 * carries. Refuses piece hashes that do not fit the lengths or do not give the signed infohash.
 */
export const fromRelease = Effect.fnUntraced(function* (release: Release) {
  if (release.p === undefined) return undefined
  const refuse = (problem: string) => new InvalidTorrent({ infohash: Infohash.toHex(release.ih), problem })
  const [manifestLength, tarballLength] = release.s
  const totalLength = manifestLength + tarballLength
  const pieces = pieceCount({ totalLength, pieceLength: pieceLengthFor(totalLength) })
  if (release.p.length !== pieces * PIECE_HASH_BYTES) {
    return yield* refuse("the number of its piece hashes does not fit its length")
  }
  const torrent = make({ name: release.n, version: release.v, manifestLength, tarballLength, pieces: release.p })
  if (!Infohash.equals(torrent.infohash, release.ih)) {
    return yield* refuse("its piece hashes do not give the infohash that was signed")
  }
  return torrent
})
