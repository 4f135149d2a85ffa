/**
 * Whether stored content is what its publisher signed, and if not, which pieces of it are wrong: one pass
 * over all bytes, piece by piece, in the memory of one piece and the manifest.
 */
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { Hasher } from "../core/Hasher.ts"
import * as Manifest from "../registry/Manifest.ts"
import type { Content } from "./Content.ts"
import type { StoredRelease } from "./PackageStore.ts"
import { hashOfPiece, lengthOfPiece, pieceCount } from "./Torrent.ts"

export interface Inspection {
  /** Pieces that cannot be read, or have another hash; in order. */
  readonly damagedPieces: ReadonlyArray<number>
  /** Why it is not sound, for people; `undefined` where it is. */
  readonly problem: string | undefined
  /** Where it could be read, whatever is wrong with the rest. */
  readonly manifest: Manifest.Manifest | undefined
}

export const isSound = ({ problem }: Inspection): boolean => problem === undefined

/** Never fails: what cannot be read is damaged. */
export const inspect = Effect.fn("ContentInspection.inspect")(function* (content: Content, stored: StoredRelease) {
  const { publisher, release, torrent } = stored
  const hasher = yield* Hasher
  const tarball = hasher.start("sha256")
  const manifestBytes = new Uint8Array(torrent.manifest.length)
  const damagedPieces: Array<number> = []
  let unreadable: string | undefined

  for (let piece = 0; piece < pieceCount(torrent); piece++) {
    const at = piece * torrent.pieceLength
    const read = yield* Effect.result(content.read(at, lengthOfPiece(torrent, piece)))
    if (Result.isFailure(read)) {
      unreadable ??= read.failure.message
      damagedPieces.push(piece)
      continue
    }
    const bytes = read.success
    const hash = hasher.start("sha1")
    hash.update(bytes)
    if (!Bytes.Equivalence(hash.digest(), hashOfPiece(torrent, piece))) damagedPieces.push(piece)
    const ofManifest = Math.max(0, Math.min(bytes.length, torrent.manifest.length - at))
    if (ofManifest > 0) manifestBytes.set(bytes.subarray(0, ofManifest), at)
    tarball.update(bytes.subarray(ofManifest))
    yield* Effect.yieldNow
  }

  const manifest = yield* Effect.result(Manifest.verify(manifestBytes, release, publisher))
  const problemOf = () => {
    if (unreadable !== undefined) return unreadable
    if (damagedPieces.length > 0) {
      return `${damagedPieces.length} of ${pieceCount(torrent)} pieces are not as the torrent says`
    }
    if (Result.isFailure(manifest)) return manifest.failure.message
    return Bytes.Equivalence(tarball.digest(), release.h) ? undefined : "the tarball is not the one that was signed"
  }
  return {
    damagedPieces,
    problem: problemOf(),
    manifest: Result.isSuccess(manifest) ? manifest.success : undefined
  } satisfies Inspection as Inspection
})
