/**
 * The releases that this host keeps. Content is staged under its infohash while it arrives, so that
 * a cut-off download goes on where it stopped, and committed in one step once it is verified: a
 * release is in the store whole or not at all. A store may keep what is staged of a small torrent in
 * memory for as long as it is reserved: one that is cut off is fetched again.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import type * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Bencode from "../core/Bencode.ts"
import { sha256 } from "../core/Digest.ts"
import type { Infohash } from "../core/Infohash.ts"
import type { PackageName } from "../core/PackageName.ts"
import type { PublicKey } from "../core/PublicKey.ts"
import type { Version } from "../core/Version.ts"
import type { Release } from "../registry/Release.ts"
import type { Content, StorageFailed } from "./Content.ts"
import type { Torrent } from "./Torrent.ts"

export interface StoredRelease {
  readonly publisher: PublicKey
  readonly release: Release
  readonly torrent: Torrent
}

/** What tells stored releases apart: hex SHA-256 of publisher, name and version, each with its length before it. */
export const keyOf = (publisher: PublicKey, name: PackageName, version: Version): string =>
  Hex.encode(sha256(Bencode.encode([publisher, Bencode.utf8(name), Bencode.utf8(version)])))

export const keyOfStored = ({ publisher, release }: StoredRelease): string => keyOf(publisher, release.n, release.v)

export class PackageStore extends Context.Service<
  PackageStore,
  {
    /**
     * The sole right to stage and commit a torrent, until the scope closes. Waits while somebody
     * else on this machine has it, in whatever process.
     */
    readonly reserve: (infohash: Infohash) => Effect.Effect<void, StorageFailed, Scope.Scope>
    /**
     * A place for the torrent's bytes, with whatever an earlier try left there: the same bytes each time until they
     * are committed or discarded, or a reservation under which they were kept in memory ends.
     */
    readonly stage: (torrent: Torrent) => Effect.Effect<Content, StorageFailed, Scope.Scope>
    /** Forgets what is staged, after it turned out to be wrong. */
    readonly discard: (torrent: Torrent) => Effect.Effect<void, StorageFailed>
    /** Stages a copy of what is stored, where nothing is staged: what is right of it need not be fetched again. */
    readonly restage: (stored: StoredRelease) => Effect.Effect<void, StorageFailed>
    /** Makes what is staged under the torrent a stored release. Committing it twice is fine. */
    readonly commit: (stored: StoredRelease) => Effect.Effect<void, StorageFailed>
    readonly find: (
      publisher: PublicKey,
      name: PackageName,
      version: Version
    ) => Effect.Effect<Option.Option<StoredRelease>, StorageFailed>
    readonly list: Effect.Effect<ReadonlyArray<StoredRelease>, StorageFailed>
    /**
     * The keys ({@link keyOf}) of all that is stored, by whatever process. Cheap enough to be asked every few seconds:
     * while nothing was added or removed it gives the very same array.
     */
    readonly keys: Effect.Effect<ReadonlyArray<string>, StorageFailed>
    /** By its key; `None` where nothing legible is stored under it. */
    readonly get: (key: string) => Effect.Effect<Option.Option<StoredRelease>, StorageFailed>
    /** Notes that it was of use just now, so that it is not among the first to go when room is made. */
    readonly touch: (stored: StoredRelease) => Effect.Effect<void, StorageFailed>
    /** Removes it; fine where it is not stored. Whoever has it open cannot read on. */
    readonly remove: (stored: StoredRelease) => Effect.Effect<void, StorageFailed>
    /**
     * The bytes of a stored release, as they are on the disk; fails where it is not stored. Costs nothing while
     * nothing is read.
     */
    readonly open: (stored: StoredRelease) => Effect.Effect<Content, StorageFailed, Scope.Scope>
  }
>()("@libreseed/protocol/swarm/PackageStore") {}
