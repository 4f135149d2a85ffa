/**
 * Puts that count only when enough nodes acknowledged them. One node of twenty may be gone in an
 * hour, so what only one node took was not published.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Retry from "../core/Retry.ts"
import { Dht, type PutReceipt } from "./Dht.ts"
import { count, countHosts, NETWORKS_MIN } from "./client/Networks.ts"
import { DhtError, TooFewAcks, TooFewNetworks } from "./DhtError.ts"
import type { Record } from "./Record.ts"

/** Of the about 20 nodes closest to a target, 8 leave several after a day of churn. */
export const MIN_ACKS_DEFAULT = 8

/** Puts of one item, the first one included, before too few acknowledgements are an error. */
export const PUT_TRIES = 3

/** Pauses between puts: a lost packet is made good at once, a crowded node gets some time. */
export const PUT_PAUSES: Retry.Pauses = { base: "200 millis", factor: 2, maxPause: "2 seconds" }

/** How many nodes must hold an item; all there are, where there are fewer. */
export const MinAcks = Context.Reference<number>("@libreseed/protocol/dht/Quorum/MinAcks", {
  defaultValue: () => MIN_ACKS_DEFAULT
})

/** Acknowledgements that a put needs on the network as it is known now: at least 1. */
export const needed: Effect.Effect<number, never, Dht> = Effect.gen(function* () {
  const dht = yield* Dht
  return Math.max(1, Math.min(yield* MinAcks, yield* dht.nodeCount))
})

/** Other nodes may take the item, or the same ones answer, the next time. */
const TRANSIENT: ReadonlySet<DhtError["reason"]["_tag"]> = new Set(["TooFewAcks", "TooFewNetworks", "PutRefused"])

const isTransient = ({ reason }: DhtError): boolean => TRANSIENT.has(reason._tag)

/** Nodes that took it in an earlier try and are silent in this one have it all the same. */
const counted = (
  put: (minAcks: number) => Effect.Effect<PutReceipt, DhtError>
): Effect.Effect<PutReceipt, DhtError, Dht> =>
  Effect.suspend(() => {
    const held = new Set<string>()
    const attempt = Effect.gen(function* () {
      const latest = yield* put(yield* MinAcks)
      for (const node of latest.stored) held.add(node)
      const receipt = {
        ...latest,
        stored: [...held],
        acks: Math.max(latest.acks, countHosts(held)),
        networks: Math.max(latest.networks, count(held))
      }
      // Only now: a put begins with a look-up, and that is what fills the routing table.
      const least = yield* needed
      const subject = `the item at ${Hex.encode(receipt.target)}`
      if (receipt.acks < least) {
        return yield* new DhtError({ reason: new TooFewAcks({ subject, acks: receipt.acks, needed: least }) })
      }
      const networks = Math.min(NETWORKS_MIN, least)
      if (receipt.networks >= networks) return receipt
      return yield* new DhtError({
        reason: new TooFewNetworks({ subject, networks: receipt.networks, needed: networks })
      })
    })
    return Retry.transient(attempt, { ...PUT_PAUSES, isTransient, maxTries: PUT_TRIES })
  })

/**
 * As `Dht.put`; fails with `TooFewAcks`, or `TooFewNetworks` where those who acknowledged may have one owner, when
 * {@link PUT_TRIES} tries were not enough or the deadline leaves no time for another. What some nodes took still
 * stands: putting it again goes on from there.
 */
export const put = (record: Record, options?: { readonly cas?: number }) =>
  Effect.flatMap(Dht, (dht) => counted((minAcks) => dht.put(record, { ...options, minAcks })))

/** As `Dht.putImmutable`, and as {@link put} in what counts. */
export const putImmutable = (value: Uint8Array) =>
  Effect.flatMap(Dht, (dht) => counted((minAcks) => dht.putImmutable(value, { minAcks })))
