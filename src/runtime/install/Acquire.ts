/**
 * Gets the files of locked packages unpacked: as they lie in the store, from the tarball in the store, or
 * from the network. What the lock says has to hold in every case; where the store suffices nobody is asked.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { PackageName } from "../../protocol/core/PackageName.ts"
import * as PublicKey from "../../protocol/core/PublicKey.ts"
import type { Version } from "../../protocol/core/Version.ts"
import type { Choice } from "../../protocol/registry/DependencyGraph.ts"
import * as LockFile from "../../protocol/registry/LockFile.ts"
import * as Manifest from "../../protocol/registry/Manifest.ts"
import { type Fetched, verifyContent } from "../../protocol/swarm/FetchRelease.ts"
import { PackageStore, type StoredRelease } from "../../protocol/swarm/PackageStore.ts"
import * as UnpackedIndex from "../store/UnpackedIndex.ts"
import { UnpackedReleases } from "../store/UnpackedReleases.ts"
import type { TreePackage } from "./ApplyTree.ts"
import * as Install from "./Install.ts"
import { NeedsNetwork } from "./InstallError.ts"

/** A package's files, and what is known of them. */
export type Files = Pick<TreePackage, "contentHash" | "source" | "index">

/** The ways into the network, for what does not lie here. */
export interface Remote<E, R> {
  /** Downloads into the store and verifies. Pins nothing. */
  readonly fetch: (choice: Choice) => Effect.Effect<Fetched, E, R>
  /** One look-up, that of a release record. */
  readonly releaseOf: LockFile.ReleaseOf<E, R>
}

/** The stored release, where it is stored; the disk failing is as if it were not. */
export const stored = Effect.fnUntraced(function* (
  publisher: PublicKey.PublicKey,
  name: PackageName,
  version: Version
) {
  const store = yield* PackageStore
  return Option.getOrUndefined(yield* store.find(publisher, name, version).pipe(Effect.orElseSucceed(Option.none)))
})

/** The stored release with its manifest, where every byte is as it was signed. */
export const intact = Effect.fnUntraced(function* (release: StoredRelease) {
  const store = yield* PackageStore
  return yield* Effect.flatMap(store.open(release), (content) => verifyContent(content, release)).pipe(
    Effect.scoped,
    Effect.map((manifest): Fetched => ({ ...release, manifest })),
    Effect.orElseSucceed(() => undefined)
  )
})

/** The manifest of a stored release, without a look at its tarball; `undefined` where it cannot be read. */
export const manifestOf = Effect.fnUntraced(function* ({ publisher, release, torrent }: StoredRelease) {
  const store = yield* PackageStore
  return yield* Effect.flatMap(store.open({ publisher, release, torrent }), (content) =>
    content.read(torrent.manifest.offset, torrent.manifest.length)
  ).pipe(
    Effect.scoped,
    Effect.flatMap((bytes) => Manifest.verify(bytes, release, publisher)),
    Effect.orElseSucceed(() => undefined)
  )
})

/** What lies unpacked, by the quick check; `undefined` where it has to be made. */
export const unpacked = Effect.fnUntraced(function* (
  contentHash: string,
  release: Parameters<typeof UnpackedIndex.vouchOf>[0]
) {
  const { directoryOf, root } = yield* UnpackedReleases
  const index = UnpackedIndex.intact(root, contentHash)
  if (index?.vouched.includes(UnpackedIndex.vouchOf(release)) !== true) return undefined
  return { contentHash, source: directoryOf(contentHash), index } satisfies Files
})

/** The files of one locked package. Without a `remote` what does not lie here is `NeedsNetwork`. */
export const acquire = Effect.fn("Acquire.acquire")(function* <E, R>(
  locked: LockFile.LockedPackage,
  remote: Remote<E, R> | undefined
) {
  const { contentHash, name, version } = locked
  const there = contentHash === undefined ? undefined : yield* unpacked(contentHash, locked)
  if (there !== undefined) return there
  const publisher = Option.getOrThrow(PublicKey.parse(locked.publisher))
  const known = yield* stored(publisher, name, version)
  if (known !== undefined) {
    yield* LockFile.verify(locked, known)
    const fetched = yield* intact(known)
    if (fetched !== undefined) {
      yield* LockFile.verify(locked, fetched, fetched.manifest)
      return yield* Install.packageOf(fetched)
    }
  }
  if (remote === undefined) return yield* new NeedsNetwork({ needed: `${name}@${version}` })
  const choice = known ?? (yield* LockFile.releaseOfLocked(locked, remote.releaseOf))
  const fetched = yield* remote.fetch(choice)
  yield* LockFile.verify(locked, fetched, fetched.manifest)
  return yield* Install.packageOf(fetched)
})
