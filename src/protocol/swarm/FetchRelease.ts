/**
 * From a resolved release to verified bytes in the package store.
 *
 * Pieces are checked as they arrive; then manifest.json and the tarball against the hashes that the
 * publisher signed. Only then is the release committed. What fails a check is thrown away.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { ExitCode } from "../core/Errors.ts"
import { Hasher } from "../core/Hasher.ts"
import { RecordStore } from "../dht/RecordStore.ts"
import * as Manifest from "../registry/Manifest.ts"
import type { Release } from "../registry/Release.ts"
import type { Resolution } from "../registry/Resolve.ts"
import type { Content } from "./Content.ts"
import { PackageStore, type StoredRelease } from "./PackageStore.ts"
import { type Progress, Swarm } from "./Swarm.ts"
import * as Torrent from "./Torrent.ts"

/** How much of a tarball is hashed at a time, in bytes. */
const HASH_CHUNK_BYTES = 1024 * 1024

/** The tarball is not the one that the publisher signed. */
export class TamperedTarball extends Schema.TaggedError<TamperedTarball>()("TamperedTarball", {
  package: Schema.String,
  expected: Schema.String,
  actual: Schema.String
}) {
  readonly exitCode = ExitCode.untrusted
  readonly hint = "It was thrown away and nothing was installed. Tell the publisher, or choose another version."
  override get message() {
    return `The tarball of ${this.package} has SHA-256 ${this.actual}, but ${this.expected} was signed`
  }
}

export interface Options {
  /** Overall limit for the download. */
  readonly timeout: Duration.Input
  readonly onProgress?: ((progress: Progress) => Effect.Effect<void>) | undefined
}

export interface Fetched extends StoredRelease {
  readonly manifest: Manifest.Manifest
}

/** The torrent as the record describes it; `undefined` where it has more pieces than a record can carry. */
const torrentOf = (release: Release): Torrent.Torrent | undefined =>
  release.p === undefined
    ? undefined
    : Torrent.make({
        name: release.n,
        version: release.v,
        manifestLength: release.s[0],
        tarballLength: release.s[1],
        pieces: release.p
      })

const readManifest = Effect.fnUntraced(function* (content: Content, { publisher, release, torrent }: StoredRelease) {
  const refuse = (problem: string) => new Manifest.InvalidManifest({ package: `${release.n}@${release.v}`, problem })
  if (torrent.manifest.length !== release.s[0] || torrent.tarball.length !== release.s[1]) {
    return yield* refuse("the torrent's files have other lengths than those signed by the publisher")
  }
  if (torrent.manifest.length > Manifest.MANIFEST_MAX_BYTES) {
    return yield* refuse(`it has ${torrent.manifest.length} bytes, over ${Manifest.MANIFEST_MAX_BYTES}`)
  }
  const bytes = yield* content.read(torrent.manifest.offset, torrent.manifest.length)
  return yield* Manifest.verify(bytes, release, publisher)
})

const verifyTarball = Effect.fnUntraced(function* (content: Content, { release, torrent }: StoredRelease) {
  const hasher = yield* Hasher
  const hash = hasher.start("sha256")
  const { length, offset } = torrent.tarball
  for (let at = 0; at < length; at += HASH_CHUNK_BYTES) {
    hash.update(yield* content.read(offset + at, Math.min(HASH_CHUNK_BYTES, length - at)))
  }
  const actual = Hex.encode(hash.digest())
  const expected = Hex.encode(release.h)
  if (actual !== expected) {
    return yield* new TamperedTarball({ package: `${release.n}@${release.v}`, expected, actual })
  }
})

/** Checks manifest and tarball of stored or staged content against what the publisher signed. */
export const verifyContent = Effect.fnUntraced(function* (content: Content, stored: StoredRelease) {
  const manifest = yield* readManifest(content, stored)
  yield* verifyTarball(content, stored)
  return manifest
})

/** The stored release, downloaded if need be. The records that led to it are remembered, so that they can be kept alive. */
export const fetchRelease = Effect.fn("FetchRelease.fetchRelease")(function* (
  resolution: Resolution,
  options: Options
) {
  const { publisher, release } = resolution
  const store = yield* PackageStore
  const swarm = yield* Swarm
  const records = yield* RecordStore
  const fetched = Effect.fnUntraced(function* (stored: StoredRelease, content: Content) {
    return { ...stored, manifest: yield* verifyContent(content, stored) } satisfies Fetched
  })

  const known = yield* store.find(publisher, release.n, release.v)
  if (Option.isSome(known) && Hex.encode(known.value.torrent.infohash) === Hex.encode(release.ih)) {
    const intact = yield* Effect.scoped(
      Effect.flatMap(store.open(known.value), (content) => fetched(known.value, content))
    ).pipe(Effect.option)
    if (Option.isSome(intact)) return intact.value
  }

  const torrent = yield* swarm.download({
    infohash: release.ih,
    torrent: torrentOf(release),
    hints: release.x,
    open: store.stage,
    timeout: options.timeout,
    onProgress: options.onProgress
  })
  const stored: StoredRelease = { publisher, release, torrent }
  const result = yield* Effect.scoped(Effect.flatMap(store.stage(torrent), (content) => fetched(stored, content))).pipe(
    Effect.tapError(() => Effect.ignore(store.discard(torrent)))
  )
  yield* store.commit(stored)
  yield* Effect.forEach(resolution.records, records.remember, { discard: true })
  return result
})
