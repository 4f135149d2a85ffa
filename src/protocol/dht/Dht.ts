/**
 * The BitTorrent Mainline DHT as this library needs it: signed records and immutable items
 * (BEP 44), and peers under an infohash (BEP 5). Whatever stands behind it, only verified records
 * come out.
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type { Infohash } from "../core/Infohash.ts"
import type { PeerAddress } from "../core/PeerAddress.ts"
import type { PublicKey } from "../core/PublicKey.ts"
import type { DhtError } from "./DhtError.ts"
import type { Salt } from "./KeyString.ts"
import type { Record, Target } from "./Record.ts"

/** Why a node did not take a write (BEP 44 "Errors"). */
export type RefusalReason =
  /** 301: it holds another seq than `cas`. */
  | "cas-mismatch"
  /** 302: it holds this seq with another value, or a later one. */
  | "seq-too-low"
  /** 205. */
  | "value-too-big"
  /** 206. */
  | "invalid-signature"
  /** 207. */
  | "salt-too-big"
  /** 203: mostly a token that it no longer honours. */
  | "protocol"
  | "other"

export interface Refusal {
  /** `host:port`. */
  readonly node: string
  readonly reason: RefusalReason
  /** KRPC error code. */
  readonly code: number
  readonly text: string
}

/** What came of a put. Nodes are named `host:port`. */
export interface PutReceipt {
  readonly target: Target
  /** Nodes that hold the item now, as far as they said so. */
  readonly acks: number
  /** Address prefixes among those nodes: nodes of one prefix may be one owner. */
  readonly networks: number
  /** Nodes that were written to. */
  readonly asked: number
  /** The {@link acks} nodes. */
  readonly stored: ReadonlyArray<string>
  readonly refused: ReadonlyArray<Refusal>
  readonly silent: ReadonlyArray<string>
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
  /** Nodes that were asked, and those of them that answered; absent where the layer asks no nodes. */
  readonly asked?: number
  readonly answered?: number
}

/** How a look-up is made. */
export interface LookupOptions {
  /** The look-up ends by then with what was heard; that nobody was heard is `NoNodes`. No limit of its own by default. */
  readonly timeout?: Duration.Input
  /** What was heard in a look-up or put of this client at most so long ago will do; by default the network is asked. */
  readonly freshness?: Duration.Input
  /** The look-up ends as soon as so many nodes gave the same newest valid record. By default all of the closest are asked. */
  readonly enough?: number
}

export interface PutOptions {
  /** Fails with `CasConflict` where the stored seq is another one. */
  readonly cas?: number
  /** Where the closest nodes leave it below, the next closest ones are written to as well. The receipt says what came of it. */
  readonly minAcks?: number
}

/** Who holds an item, and which version of it. */
export interface Holder {
  /** `host:port`. */
  readonly node: string
  /** 0 for an immutable item. */
  readonly seq: number
}

/** What a look-up found about who holds an item. */
export interface Holders {
  readonly holders: ReadonlyArray<Holder>
  readonly asked: number
  readonly answered: number
}

export class Dht extends Context.Service<
  Dht,
  {
    /**
     * The valid record with the highest seq that the network gives, and who gave it; the own store is not asked.
     * Nothing found while hardly anybody answered is `TooFewAnswers`, not an absent record.
     */
    readonly lookup: (
      publicKey: PublicKey,
      salt: Salt,
      options?: LookupOptions
    ) => Effect.Effect<Answer<Record>, DhtError>
    /** The value of {@link lookup} alone. */
    readonly get: (
      publicKey: PublicKey,
      salt: Salt,
      options?: LookupOptions
    ) => Effect.Effect<Option.Option<Record>, DhtError>
    /** Which of the closest nodes hold a valid record, and under which seq each. */
    readonly holders: (publicKey: PublicKey, salt: Salt) => Effect.Effect<Holders, DhtError>
    /**
     * Stores a record on the nodes closest to its target. Putting the record that is already there
     * counts as stored. With `cas`, fails with `CasConflict` where the stored seq is another one;
     * an older seq fails with `StaleSeq`.
     */
    readonly put: (record: Record, options?: PutOptions) => Effect.Effect<PutReceipt, DhtError>
    /** An immutable item whose SHA-1 is its target, and who gave it. */
    readonly lookupImmutable: (target: Target, options?: LookupOptions) => Effect.Effect<Answer<Uint8Array>, DhtError>
    /** The value of {@link lookupImmutable} alone; ends with the first node that gives it. */
    readonly getImmutable: (
      target: Target,
      options?: LookupOptions
    ) => Effect.Effect<Option.Option<Uint8Array>, DhtError>
    /** As {@link holders}, of an immutable item. */
    readonly holdersImmutable: (target: Target) => Effect.Effect<Holders, DhtError>
    /** `value` has at most 996 bytes; its target is SHA-1 of its bencoded form. */
    readonly putImmutable: (
      value: Uint8Array,
      options?: Pick<PutOptions, "minAcks">
    ) => Effect.Effect<PutReceipt, DhtError>
    /** Tells the network that this host serves `infohash` on a TCP port. Succeeds with the number of acknowledgements. */
    readonly announcePeer: (infohash: Infohash, port: number) => Effect.Effect<number, DhtError>
    /**
     * Peers that announced themselves under `infohash`, without duplicates, those first that most nodes named;
     * empty when there are none.
     */
    readonly findPeers: (infohash: Infohash) => Effect.Effect<ReadonlyArray<PeerAddress>, DhtError>
    /** Nodes known: in the routing table, or silent only lately. */
    readonly nodeCount: Effect.Effect<number>
    /** Whether nobody is ever asked, so that what is not found says nothing about what there is. */
    readonly isOffline?: boolean
  }
>()("@libreseed/protocol/dht/Dht") {}
