/** What the reads and writes of one client have in common: its nodes, what it remembers of places, and its errors. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type { Ed25519 } from "../../core/Ed25519.ts"
import type { LookupOptions, PutReceipt } from "../Dht.ts"
import { DhtError, NoNodes, TooFewAnswers } from "../DhtError.ts"
import * as DhtMetrics from "../DhtMetrics.ts"
import type { Target } from "../Record.ts"
import * as LookUp from "./LookUp.ts"
import * as Networks from "./Networks.ts"
import * as NodeId from "./NodeId.ts"
import { CLOSEST_NODES } from "./NetworkSize.ts"
import { FRESH_MS, type Place } from "./Places.ts"
import * as Shared from "./Shared.ts"
import type { Transport } from "./Transport.ts"
import * as WriteRound from "./WriteRound.ts"

/** Answers that are enough to say that nothing is there: the K of BEP 5. Fewer have to be half of those asked. */
const ANSWERS_TO_DENY = 8

export const fail = (reason: DhtError["reason"]) => Effect.fail(new DhtError({ reason }))

export interface Session {
  readonly shared: Shared.Shared
  readonly ed25519: Ed25519["Service"]
}

export const make = (transport: Transport, ed25519: Ed25519["Service"]): Session => ({
  ed25519,
  shared: Shared.make(transport)
})

/** A target as the metric knows it, and as places and errors name it. */
export const idOf = (target: Target): NodeId.NodeId => NodeId.fromBytes(target)

/** Fails with `NoNodes` where nobody answered. */
export const search = Effect.fnUntraced(function* ({ shared }: Session, options: LookUp.Options) {
  const { bootstrap, now } = shared.transport
  const startedAt = now()
  const outcome = yield* LookUp.run(shared, options)
  yield* Metric.update(DhtMetrics.lookupSeconds, (now() - startedAt) / 1_000)
  if (outcome.answered > 0) return outcome
  yield* Metric.update(DhtMetrics.getUnheard, 1)
  return yield* fail(new NoNodes({ bootstrap: [...bootstrap()] }))
})

/**
 * Counts a look-up that found nothing. Fails with `TooFewAnswers` where so few answered, or so early, that nothing
 * found says nothing.
 */
export const denied = Effect.fnUntraced(function* (
  target: NodeId.NodeId,
  { answered, asked, isComplete }: Pick<Place, "asked" | "answered" | "isComplete">
) {
  if (isComplete && (answered >= ANSWERS_TO_DENY || 2 * answered >= asked)) {
    return yield* Metric.update(DhtMetrics.getMisses, 1)
  }
  yield* Metric.update(DhtMetrics.getUnheard, 1)
  return yield* fail(new TooFewAnswers({ target: target.hex, asked, answered }))
})

export const timeoutMsOf = (options: LookupOptions | undefined): number | undefined =>
  options?.timeout === undefined ? undefined : Duration.toMillis(Duration.fromInputUnsafe(options.timeout))

/** How old what is remembered may be, ms: 0 where the network is to be asked. */
export const freshMsOf = (options: LookupOptions | undefined): number =>
  options?.freshness === undefined
    ? 0
    : Math.min(FRESH_MS, Duration.toMillis(Duration.fromInputUnsafe(options.freshness)))

/** What came of writing, and who holds the item now. */
export interface Written {
  readonly round: WriteRound.Round
  readonly holders: ReadonlySet<string>
}

/**
 * Writes to the nodes that a look-up of the target ended with. Where those that hold the item then, as `holdersOf`
 * says, are on fewer hosts than `minAcks`, or of too few networks, twice as many are looked for, and written to as well.
 */
export const write = Effect.fnUntraced(function* (
  { shared }: Session,
  target: NodeId.NodeId,
  closest: Place["closest"],
  minAcks: number,
  writeFor: Parameters<typeof WriteRound.run>[2],
  holdersOf: (round: WriteRound.Round) => Effect.Effect<ReadonlySet<string>, DhtError> = ({ stored }) =>
    Effect.succeed(stored)
) {
  const first = yield* WriteRound.run(shared, closest, writeFor)
  const written: Written = { round: first, holders: yield* holdersOf(first) }
  const isEnough =
    Networks.countHosts(written.holders) >= minAcks && Networks.count(written.holders) >= Networks.NETWORKS_MIN
  // Fewer than that are the whole network.
  if (isEnough || closest.length < CLOSEST_NODES) return written
  const wider = yield* LookUp.run(shared, {
    question: { _tag: "Get", target },
    width: 2 * closest.length,
    onFound: () => "found"
  })
  const asked = new Set(closest.map(({ address }) => address))
  const others = wider.closest.filter(({ address }) => !asked.has(address))
  const round = WriteRound.join(first, yield* WriteRound.run(shared, others, writeFor))
  const further: Written = { round, holders: yield* holdersOf(round) }
  return further
})

export const receipt = (
  target: Target,
  { asked, refused, silent }: WriteRound.Round,
  holders: ReadonlySet<string>
): PutReceipt => ({
  target,
  acks: Networks.countHosts(holders),
  networks: Networks.count(holders),
  asked,
  stored: [...holders],
  refused: refused.filter(({ node }) => !holders.has(node)),
  silent: [...silent].filter((node) => !holders.has(node))
})
