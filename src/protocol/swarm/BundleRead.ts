/**
 * Reads a bundle from its first byte to its last, in bounded memory: first what proves it, which is
 * verified whole, then the contents, each against the hashes that its publisher signed. Nothing of a
 * bundle is known to be good before its last byte: whoever keeps it reads it twice.
 */
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import type * as Scope from "effect/Scope"
import { Hasher } from "../core/Hasher.ts"
import * as Infohash from "../core/Infohash.ts"
import * as Manifest from "../registry/Manifest.ts"
import { type BundleError, MalformedBundle, toBundleError, UnprovenBundle } from "./BundleError.ts"
import * as Proofs from "./BundleProofs.ts"
import * as BundleSections from "./BundleSections.ts"
import * as BundleSource from "./BundleSource.ts"
import { TamperedTarball } from "./FetchRelease.ts"
import type { StoredRelease } from "./PackageStore.ts"
import * as PieceHasher from "./PieceHasher.ts"
import * as Torrent from "./Torrent.ts"

/** Where the bytes of one release go while they are verified: manifest.json, then the tarball. */
export interface Taker {
  /** `offset` is from the start of the torrent. */
  readonly write: (offset: number, bytes: Uint8Array) => Effect.Effect<void, BundleError>
  /** All of it was written, and is what its publisher signed. */
  readonly done: Effect.Effect<void, BundleError>
}

/** Asked for each release before its bytes are read; `undefined` lets them pass by. The scope is that of the release. */
export type Take = (release: StoredRelease) => Effect.Effect<Taker | undefined, BundleError, Scope.Scope>

/** Verifies, and keeps nothing. */
export const pass: Take = () => Effect.undefined

/** Everything in a bundle but the contents, which passed by. */
export interface Contents extends Proofs.Proven {
  /** Of the releases, in their order. */
  readonly manifests: ReadonlyArray<Manifest.Manifest>
  /** Bytes of the whole bundle. */
  readonly length: number
  /** SHA-256 over all of it but its last 32 bytes, which say the same. */
  readonly digest: Uint8Array
}

/** The info dictionary, which has to be that of the signed infohash and lengths. */
const readTorrent = Effect.fnUntraced(function* (
  source: BundleSource.Source,
  { name, release, version }: Proofs.ProvenRelease
) {
  const info = yield* source.take(yield* BundleSections.expect(source, "info"))
  const infohash = Infohash.toHex(release.ih)
  const torrent = yield* Torrent.fromInfo(info, infohash).pipe(Effect.mapError(toBundleError))
  const { location } = source
  if (!Infohash.equals(torrent.infohash, release.ih)) {
    const problem = `the info dictionary of ${name}@${version} has not the infohash that was signed`
    return yield* toBundleError(new UnprovenBundle({ location, problem }))
  }
  if (torrent.manifest.length !== release.s[0] || torrent.tarball.length !== release.s[1]) {
    const problem = `the files of ${name}@${version} have other lengths than those that were signed`
    return yield* toBundleError(new UnprovenBundle({ location, problem }))
  }
  return torrent
})

const readContent = Effect.fnUntraced(function* (
  source: BundleSource.Source,
  proven: Proofs.ProvenRelease,
  take: Take
) {
  const { name, publisher, release, version } = proven
  const hasher = yield* Hasher
  const torrent = yield* readTorrent(source, proven)
  const taker = yield* take({ publisher, release, torrent })
  const pieces = PieceHasher.make(torrent.pieceLength, () => hasher.start("sha1"))
  const write = (offset: number, bytes: Uint8Array) => {
    pieces.update(bytes)
    return taker === undefined ? Effect.void : taker.write(offset, bytes)
  }

  const manifestBytes = yield* source.take(yield* BundleSections.expect(source, "manifest", torrent.manifest.length))
  const manifest = yield* Manifest.verify(manifestBytes, release, publisher).pipe(Effect.mapError(toBundleError))
  yield* write(0, manifestBytes)

  const tarball = hasher.start("sha256")
  let at = torrent.tarball.offset
  yield* source.pass(yield* BundleSections.expect(source, "tarball", torrent.tarball.length), (chunk) => {
    tarball.update(chunk)
    const writing = write(at, chunk)
    at += chunk.length
    return writing
  })
  const actual = Hex.encode(tarball.digest())
  const expected = Hex.encode(release.h)
  if (actual !== expected) {
    return yield* toBundleError(new TamperedTarball({ package: `${name}@${version}`, expected, actual }))
  }
  if (!Bytes.Equivalence(pieces.digest(), torrent.pieces)) {
    const problem = `the content of ${name}@${version} is not that of its torrent`
    return yield* toBundleError(new UnprovenBundle({ location: source.location, problem }))
  }
  if (taker !== undefined) yield* taker.done
  return manifest
}, Effect.scoped)

/** The checksum, and nothing behind it. */
const readEnd = Effect.fnUntraced(function* (source: BundleSource.Source) {
  const { location, offset } = source
  const length = yield* BundleSections.expect(source, "end")
  const digest = source.digest()
  const at = offset()
  if (!Bytes.Equivalence(yield* source.take(length), digest)) {
    return yield* toBundleError(new MalformedBundle({ location, offset: at, problem: "its checksum does not hold" }))
  }
  if ((yield* source.peek) !== undefined) {
    return yield* toBundleError(
      new MalformedBundle({ location, offset: offset(), problem: "something stands behind its end" })
    )
  }
  return digest
})

/**
 * Reads and verifies a whole bundle; `take` is asked where the bytes of each release are to go. `judge`
 * is told what is proven before the first of the contents is read, and may refuse it.
 */
export const read = Effect.fn("BundleRead.read")(function* <R = never>(
  bytes: BundleSource.BundleBytes,
  location: string,
  take: Take = pass,
  judge: (proven: Proofs.Proven) => Effect.Effect<void, BundleError, R> = () => Effect.void
) {
  const source = yield* BundleSource.make(bytes, location)
  const proven = yield* Proofs.verify(yield* BundleSections.readProofs(source))
  yield* judge(proven)
  const manifests = yield* Effect.forEach(proven.releases, (release) => readContent(source, release, take))
  const digest = yield* readEnd(source)
  return { ...proven, manifests, digest, length: source.offset() } satisfies Contents
}, Effect.scoped)
