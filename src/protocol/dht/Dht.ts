/**
 * The BitTorrent Mainline DHT as this library needs it: signed records and immutable items
 * (BEP 44), and peers under an infohash (BEP 5). Whatever stands behind it, only verified records
 * come out.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type { Infohash } from "../core/Infohash.ts"
import type { PeerAddress } from "../core/PeerAddress.ts"
import type { PublicKey } from "../core/PublicKey.ts"
import type { DhtError } from "./DhtError.ts"
import type { Salt } from "./KeyString.ts"
import type { Record, Target } from "./Record.ts"

/** What came of a put. `acks` is the number of nodes that hold the item now, as far as they said so. */
export interface PutReceipt {
  readonly target: Target
  readonly acks: number
}

/** Rivals of a value that are handed on: one is enough for a proof. */
export const RIVALS_MAX = 4

/** What a look-up brought. `responders` are the nodes (`host:port`) that hold exactly this value, as far as the layer can tell. */
export interface Answer<A> {
  readonly value: Option.Option<A>
  readonly responders: ReadonlyArray<string>
  /**
   * Other values that the key signed under the same sequence number, at most {@link RIVALS_MAX}: whoever signs two
   * things as one is not to be believed about either. Empty where there are none.
   */
  readonly rivals?: ReadonlyArray<A>
  /**
   * Records under lower numbers that other nodes still gave, newest first, at most {@link RIVALS_MAX}: mostly what
   * some nodes have not been told of yet, but also what a write has buried that did not know of it.
   */
  readonly older?: ReadonlyArray<A>
  /**
   * Whether a node gave something that the key did sign for this place and that is no record of ours: a value
   * that is no byte string, or a longer one. Other implementations store such items.
   */
  readonly isForeign?: boolean
}

export class Dht extends Context.Service<
  Dht,
  {
    /** The valid record with the highest seq that the network gives, and who gave it; the own store is not asked. */
    readonly lookup: (publicKey: PublicKey, salt: Salt) => Effect.Effect<Answer<Record>, DhtError>
    /** The value of {@link lookup} alone. */
    readonly get: (publicKey: PublicKey, salt: Salt) => Effect.Effect<Option.Option<Record>, DhtError>
    /**
     * Stores a record on the nodes closest to its target. Putting the record that is already there
     * counts as stored. With `cas`, fails with `CasConflict` where the stored seq is another one;
     * an older seq fails with `StaleSeq`.
     */
    readonly put: (record: Record, options?: { readonly cas?: number }) => Effect.Effect<PutReceipt, DhtError>
    /** An immutable item whose SHA-1 is its target, and who gave it. */
    readonly lookupImmutable: (target: Target) => Effect.Effect<Answer<Uint8Array>, DhtError>
    /** The value of {@link lookupImmutable} alone. */
    readonly getImmutable: (target: Target) => Effect.Effect<Option.Option<Uint8Array>, DhtError>
    /** `value` has at most 996 bytes; its target is SHA-1 of its bencoded form. */
    readonly putImmutable: (value: Uint8Array) => Effect.Effect<PutReceipt, DhtError>
    /** Tells the network that this host serves `infohash` on a TCP port. Succeeds with the number of acknowledgements. */
    readonly announcePeer: (infohash: Infohash, port: number) => Effect.Effect<number, DhtError>
    /** Peers that announced themselves under `infohash`, without duplicates; empty when there are none. */
    readonly findPeers: (infohash: Infohash) => Effect.Effect<ReadonlyArray<PeerAddress>, DhtError>
    /** Nodes in the routing table. */
    readonly nodeCount: Effect.Effect<number>
  }
>()("@libreseed/protocol/dht/Dht") {}
