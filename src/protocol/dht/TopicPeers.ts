/**
 * The second carrier: peers that announced themselves under a topic (BEP 5), asked directly for what
 * they hold of it. It reaches the same signed claims and records when somebody keeps overwriting the
 * shared item of a name. Nothing in an answer is verified yet.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { Infohash } from "../core/Infohash.ts"
import type { DhtError } from "./DhtError.ts"

/** Items that one peer may give to one question, claims before records; more are cut off. */
export const ANSWER_ITEMS_MAX = 1_000

/** Bytes of one item; longer ones are dropped. A record in its envelope has at most 1.2 KB. */
export const ANSWER_ITEM_MAX_BYTES = 1_400

/** Peers asked for one question, at most: anybody may announce any number of addresses. */
export const PEERS_ASKED_MAX = 32

/** A question ends by then with the answers that have come. Finding peers takes about as long as a look-up, asking them two round trips. */
export const ASK_DEADLINE: Duration.Duration = Duration.millis(1_800)

/** What a peer holds of a topic: bencoded claims and records in their envelopes, as they were signed. */
export interface TopicAnswer {
  readonly claims: ReadonlyArray<Uint8Array>
  readonly records: ReadonlyArray<Uint8Array>
}

export const noAnswer: TopicAnswer = { claims: [], records: [] }

/** The part of an answer that is within the limits of this module. The side that asks applies it: the other may be anybody. */
export const limited = ({ claims, records }: TopicAnswer): TopicAnswer => {
  const fitting = (items: ReadonlyArray<Uint8Array>, most: number) =>
    items.slice(0, most).filter(({ length }) => length <= ANSWER_ITEM_MAX_BYTES)
  return {
    claims: fitting(claims, ANSWER_ITEMS_MAX),
    records: fitting(records, Math.max(0, ANSWER_ITEMS_MAX - claims.length))
  }
}

export class TopicPeers extends Context.Service<
  TopicPeers,
  {
    /** Announces this host under the topic and answers questions about it with what `answer` gives, until the scope closes. */
    readonly serve: (topic: Infohash, answer: Effect.Effect<TopicAnswer>) => Effect.Effect<void, DhtError, Scope.Scope>
    /**
     * One answer for each peer that gave one within {@link ASK_DEADLINE}, {@link limited}; of at most
     * {@link PEERS_ASKED_MAX} peers. A peer that fails, lies or keeps silent does not keep out the others.
     * Where there is nobody to wait for, the effect may be an `Exit`: who sees that starts nothing beside it.
     */
    readonly ask: (topic: Infohash) => Effect.Effect<ReadonlyArray<TopicAnswer>, DhtError>
  }
>()("@libreseed/protocol/dht/TopicPeers") {
  /** Knows no peers and serves none: for hosts without a way to reach peers. */
  static readonly layerNone: Layer.Layer<TopicPeers> = Layer.succeed(
    TopicPeers,
    TopicPeers.of({ serve: () => Effect.void, ask: () => Effect.succeed([]) })
  )
}
