/**
 * The BitTorrent swarm as this library needs it: offer the files of a torrent, or fetch them from
 * whoever offers them. Peers are found through the DHT (BEP 5); every piece is checked against its
 * hash before it counts, and peers that send bad ones are banned, whoever dialled whom.
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import type { Infohash } from "../core/Infohash.ts"
import type { PeerAddress } from "../core/PeerAddress.ts"
import type { Content, StorageFailed } from "./Content.ts"
import type { ContentDamaged, SwarmError } from "./SwarmError.ts"
import type { Torrent } from "./Torrent.ts"

/** How far a download is. `peers` is the number of connected peers. */
export interface Progress {
  readonly receivedBytes: number
  readonly totalBytes: number
  readonly peers: number
}

export interface DownloadRequest {
  readonly infohash: Infohash
  /** Given where the release record carries the piece hashes; otherwise asked of a peer (BEP 9). */
  readonly torrent?: Torrent | undefined
  /** Peers to dial before the DHT has answered. */
  readonly hints?: ReadonlyArray<PeerAddress> | undefined
  /** Where to put the bytes; asked once the torrent is known. What it already holds is checked and kept. */
  readonly open: (torrent: Torrent) => Effect.Effect<Content, StorageFailed, Scope.Scope>
  /** Overall limit for the whole download. */
  readonly timeout: Duration.Input
  readonly onProgress?: ((progress: Progress) => Effect.Effect<void>) | undefined
}

export interface SeedOptions {
  /**
   * `awaited`, the default: succeeds when the first announce is out, and fails with it. `scheduled`: need not wait for
   * it, since it may be one of thousands; see `onAnnounce`.
   */
  readonly announce?: "awaited" | "scheduled" | undefined
  /** Told how each announce of this torrent went, as far as the layer's `seed` has not said so itself. */
  readonly onAnnounce?: ((outcome: Result.Result<void, SwarmError>) => Effect.Effect<void>) | undefined
  /**
   * Told when a piece was asked for and cannot be served, and not again before it is done. Succeeds with whether the
   * content was mended, so that it is worth another look.
   */
  readonly onDamage?: ((damage: ContentDamaged | StorageFailed) => Effect.Effect<boolean>) | undefined
}

export class Swarm extends Context.Service<
  Swarm,
  {
    /**
     * Offers a torrent until the scope closes, and announces it in the DHT, anew every so often. Succeeds once it can
     * be fetched and, unless told otherwise, the first announce is out. Content that does not match the torrent is
     * never given to anybody: a layer finds out at once, and fails with `ContentDamaged`, or before it serves the
     * first block of a piece. Seeding what is seeded already is fine.
     */
    readonly seed: (
      torrent: Torrent,
      content: Content,
      options?: SeedOptions
    ) => Effect.Effect<void, SwarmError, Scope.Scope>
    /** Fetches every piece into the content that `open` gives. Succeeds when all of it is written. */
    readonly download: (request: DownloadRequest) => Effect.Effect<Torrent, SwarmError>
    /** Where this node listens for peers. */
    readonly address: PeerAddress
  }
>()("@libreseed/protocol/swarm/Swarm") {}
