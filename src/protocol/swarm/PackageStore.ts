/**
 * The releases that this host keeps. Content is staged under its infohash while it arrives, so that
 * a cut-off download goes on where it stopped, and committed in one step once it is verified: a
 * release is in the store whole or not at all.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
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

export class PackageStore extends Context.Service<
  PackageStore,
  {
    /**
     * The sole right to stage and commit a torrent, until the scope closes. Waits while somebody
     * else on this machine has it, in whatever process.
     */
    readonly reserve: (infohash: Infohash) => Effect.Effect<void, StorageFailed, Scope.Scope>
    /** A place for the torrent's bytes, with whatever an earlier try left there. */
    readonly stage: (torrent: Torrent) => Effect.Effect<Content, StorageFailed, Scope.Scope>
    /** Forgets what is staged, after it turned out to be wrong. */
    readonly discard: (torrent: Torrent) => Effect.Effect<void, StorageFailed>
    /** Makes what is staged under the torrent a stored release. Committing it twice is fine. */
    readonly commit: (stored: StoredRelease) => Effect.Effect<void, StorageFailed>
    readonly find: (
      publisher: PublicKey,
      name: PackageName,
      version: Version
    ) => Effect.Effect<Option.Option<StoredRelease>, StorageFailed>
    readonly list: Effect.Effect<ReadonlyArray<StoredRelease>, StorageFailed>
    /** The bytes of a stored release; fails where it is not stored. */
    readonly open: (stored: StoredRelease) => Effect.Effect<Content, StorageFailed, Scope.Scope>
  }
>()("@libreseed/protocol/swarm/PackageStore") {}
