/**
 * From a packed package to a published release: manifest → torrent → store → seed → records.
 *
 * Nothing is announced before it is stored and seeded. Everything is derived from the tarball, the
 * key and the release's date, so that publishing the same package again gives the same release, also
 * after it was cut off: its date is noted before anything else is done.
 */
import * as Bytes from "effect/Bytes"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import * as Hex from "effect/encoding/Hex"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { sha256 } from "../core/Digest.ts"
import { ExitCode } from "../core/Errors.ts"
import { Hasher } from "../core/Hasher.ts"
import * as Infohash from "../core/Infohash.ts"
import type { KeyPair } from "../core/KeyPair.ts"
import type { PackageName } from "../core/PackageName.ts"
import * as PublicKey from "../core/PublicKey.ts"
import type { Version } from "../core/Version.ts"
import * as Manifest from "../registry/Manifest.ts"
import * as PublicationLog from "../registry/PublicationLog.ts"
import * as Publish from "../registry/Publish.ts"
import * as Rehearsal from "../registry/Rehearsal.ts"
import { MANIFEST_MAX_BYTES, type Release, TARBALL_MAX_BYTES } from "../registry/Release.ts"
import { RegistryError } from "../registry/RegistryError.ts"
import * as Revocation from "../trust/Revocation.ts"
import { verifyContent } from "./FetchRelease.ts"
import { PackageStore, type StoredRelease } from "./PackageStore.ts"
import * as PieceHasher from "./PieceHasher.ts"
import { Swarm } from "./Swarm.ts"
import * as Torrent from "./Torrent.ts"

/** A package as it lies in its tarball. */
export interface PackedPackage {
  readonly name: PackageName
  readonly version: Version
  /** The tarball's bytes, never re-packed. */
  readonly tarball: Uint8Array
  readonly files: Manifest.Manifest["files"]
  readonly metadata: Partial<Pick<Manifest.Manifest, keyof typeof Manifest.Metadata>>
}

/** The package passes a limit of the protocol. */
export class PackageTooLarge extends Schema.TaggedError<PackageTooLarge>()("PackageTooLarge", {
  package: Schema.String,
  problem: Schema.String
}) {
  readonly exitCode = ExitCode.usage
  readonly hint = "Nothing was published. Leave out what users do not need, or split the package."
  override get message() {
    return `${this.package} is too large to be published: ${this.problem}`
  }
}

const digest = Effect.fnUntraced(function* (algorithm: "sha256" | "sha512", bytes: Uint8Array) {
  const hash = (yield* Hasher).start(algorithm)
  hash.update(bytes)
  return hash.digest()
})

const manifestOf = Effect.fnUntraced(function* (
  packed: PackedPackage,
  publisher: PublicKey.PublicKey,
  tarballHash: Uint8Array,
  timestamp: number
) {
  const manifest: Manifest.Manifest = {
    ...packed.metadata,
    protocol: Manifest.PROTOCOL,
    name: packed.name,
    version: packed.version,
    publisher: PublicKey.toBase64(publisher),
    tarball: {
      sha256: Hex.encode(tarballHash),
      sha512: `sha512-${Base64.encode(yield* digest("sha512", packed.tarball))}`,
      size: packed.tarball.length
    },
    files: packed.files,
    contentHash: Manifest.contentHash(packed.files),
    createdAt: DateTime.formatIso(DateTime.makeUnsafe(timestamp))
  }
  return yield* Manifest.toBytes(manifest)
})

const torrentOf = Effect.fnUntraced(function* (packed: PackedPackage, manifest: Uint8Array) {
  const hasher = yield* Hasher
  const pieceLength = Torrent.pieceLengthFor(manifest.length + packed.tarball.length)
  const pieces = PieceHasher.make(pieceLength, () => hasher.start("sha1"))
  pieces.update(manifest)
  pieces.update(packed.tarball)
  return Torrent.make({
    name: packed.name,
    version: packed.version,
    manifestLength: manifest.length,
    tarballLength: packed.tarball.length,
    pieces: pieces.digest()
  })
})

/** A release with these lengths could be published, but nobody would accept it. */
const refuseTooLarge = (packed: PackedPackage, manifest: Uint8Array): Effect.Effect<void, PackageTooLarge> => {
  const problem =
    manifest.length > MANIFEST_MAX_BYTES
      ? `its manifest has ${manifest.length} bytes, over ${MANIFEST_MAX_BYTES}`
      : packed.tarball.length > TARBALL_MAX_BYTES
        ? `its tarball has ${packed.tarball.length} bytes, over ${TARBALL_MAX_BYTES}`
        : undefined
  if (problem === undefined) return Effect.void
  return Effect.fail(new PackageTooLarge({ package: `${packed.name}@${packed.version}`, problem }))
}

/**
 * When the release is dated. Its manifest carries the date, so a version that is out, stored or noted
 * already must keep it: another date would be other content.
 */
const dateOf = Effect.fnUntraced(function* (
  publisher: PublicKey.PublicKey,
  { name, version }: PackedPackage,
  tarballHash: Uint8Array,
  earlier: Publish.Earlier
) {
  if (earlier.release !== undefined) return earlier.release.t
  const isSame = (release: Release) => Bytes.Equivalence(release.h, tarballHash)
  const log = yield* PublicationLog.current
  const noted = yield* log
    .find(publisher, name, version)
    .pipe(Effect.mapError((reason) => new RegistryError({ reason })))
  if (Option.isSome(noted) && isSame(noted.value.release)) return noted.value.release.t
  const stored = yield* (yield* PackageStore).find(publisher, name, version)
  if (Option.isSome(stored) && isSame(stored.value.release)) return stored.value.release.t
  return yield* Clock.currentTimeMillis
})

/** A release that the package lists, that nobody can be asked about any more, and that is in the own store, is known from there. */
const withStored = Effect.fnUntraced(function* (
  publisher: PublicKey.PublicKey,
  { name, version }: PackedPackage,
  earlier: Publish.Earlier
) {
  if (!earlier.isListed || earlier.release !== undefined) return earlier
  const stored = yield* (yield* PackageStore).find(publisher, name, version)
  return Option.match(stored, {
    onNone: () => earlier,
    onSome: ({ release }): Publish.Earlier => ({ ...earlier, release })
  })
})

/**
 * What would be published: nothing is announced and nobody is told. Fails with `VersionExists` where that would be
 * refused, and with `PublisherRevoked`.
 */
export const prepare = Effect.fn("PublishPackage.prepare")(function* (keyPair: KeyPair, packed: PackedPackage) {
  const { publicKey } = keyPair
  yield* Revocation.refuse(publicKey, packed.name)
  const found = yield* Publish.earlierOf(publicKey, packed.name, packed.version)
  const earlier = yield* withStored(publicKey, packed, found)
  const tarballHash = yield* digest("sha256", packed.tarball)
  const timestamp = yield* dateOf(publicKey, packed, tarballHash, earlier)
  const manifest = yield* manifestOf(packed, publicKey, tarballHash, timestamp)
  yield* refuseTooLarge(packed, manifest)
  const torrent = yield* torrentOf(packed, manifest)
  const release: Release = {
    n: packed.name,
    v: packed.version,
    m: sha256(manifest),
    h: tarballHash,
    ih: torrent.infohash,
    s: [manifest.length, packed.tarball.length],
    ...(Torrent.pieceCount(torrent) <= Torrent.PIECES_INLINE_MAX ? { p: torrent.pieces } : {}),
    t: timestamp
  }
  yield* Publish.refuseOther(publicKey, earlier, release)
  return { manifest, torrent, release, earlier }
})

export interface Published extends StoredRelease {
  readonly publication: Publish.Publication
}

/**
 * Stores, seeds and publishes. The package is seeded until the scope closes, and its records are
 * remembered so that they can be put again.
 */
export const publishPackage = Effect.fn("PublishPackage.publishPackage")(function* (
  keyPair: KeyPair,
  packed: PackedPackage,
  options?: Pick<Publish.Options, "onStep" | "announce">
) {
  const { publicKey } = keyPair
  const { earlier, manifest, release, torrent } = yield* prepare(keyPair, packed)
  const stored: StoredRelease = { publisher: publicKey, release, torrent }
  const draft = yield* Publish.begin(publicKey, release)
  const step = yield* Publish.stepper(draft, options?.onStep)
  yield* step("prepared", Effect.void)
  const content = yield* step("stored", keep(stored, manifest, packed.tarball))
  const swarm = yield* Swarm
  yield* step("seeded", swarm.seed(torrent, content))
  const publication = yield* Publish.publish(keyPair, release, { ...options, earlier })
  return {
    ...stored,
    release: publication.release,
    publication: { ...publication, resumed: draft.done }
  } satisfies Published
})

/** What {@link publishPackage} would write into the network. Nothing is written anywhere; fails as publishing would. */
export const planPackage = Effect.fn("PublishPackage.planPackage")(function* (keyPair: KeyPair, packed: PackedPackage) {
  const rehearsed = Effect.gen(function* () {
    const { earlier, release, torrent } = yield* prepare(keyPair, packed)
    return { torrent, publication: yield* Publish.publish(keyPair, release, { earlier }) }
  })
  const { plan, result } = yield* Rehearsal.run(rehearsed)
  const { publication, torrent } = result
  const stored: StoredRelease = { publisher: keyPair.publicKey, release: publication.release, torrent }
  return { ...stored, records: Publish.describe(keyPair.publicKey, publication, plan) }
})

/** The content in the store, written anew where it is missing, differs or was damaged. */
const keep = Effect.fnUntraced(function* (stored: StoredRelease, manifest: Uint8Array, tarball: Uint8Array) {
  const store = yield* PackageStore
  const { n: name, v: version, ih } = stored.release
  const isKept = Effect.gen(function* () {
    const known = Option.getOrUndefined(yield* store.find(stored.publisher, name, version))
    if (known === undefined || !Infohash.equals(known.release.ih, ih)) return false
    return Option.isSome(
      yield* Effect.option(Effect.flatMap(store.open(known), (content) => verifyContent(content, known)))
    )
  })
  yield* Effect.scoped(
    Effect.gen(function* () {
      yield* store.reserve(ih)
      if (yield* isKept) return
      yield* store.discard(stored.torrent)
      yield* Effect.scoped(
        Effect.gen(function* () {
          const staged = yield* store.stage(stored.torrent)
          yield* staged.write(stored.torrent.manifest.offset, manifest)
          yield* staged.write(stored.torrent.tarball.offset, tarball)
        })
      )
      yield* store.commit(stored)
    })
  )
  return yield* store.open(stored)
})
