/** Counters that something outside Effect keeps by reason (the guard, the store of items), as one metric with a label for each reason. */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Semaphore from "effect/Semaphore"

export interface Source {
  /** As Prometheus names counters, such as `libreseed_dht_guard_total`. */
  readonly name: string
  readonly description: string
  /** How often each thing has happened so far. */
  readonly read: Effect.Effect<ReadonlyMap<string, number>>
}

/**
 * Gives an effect that brings the metric up to date; to be run before metrics are shown. One for each source: two would
 * count everything twice.
 */
export const make = ({ description, name, read }: Source): Effect.Effect<void> => {
  const total = Metric.counter(name, { description, incremental: true })
  let told: ReadonlyMap<string, number> = new Map()
  // An older reading that comes after a newer one would look like a count that was begun anew.
  const inTurn = Semaphore.makeUnsafe(1).withPermits(1)
  return inTurn(
    Effect.gen(function* () {
      const counts = yield* read
      const before = told
      told = new Map(counts)
      for (const [reason, count] of counts) {
        const known = before.get(reason) ?? 0
        // A node that is built again under another id counts from 0: what it has counted is news.
        const news = count < known ? count : count - known
        if (news > 0) yield* Metric.update(Metric.withAttributes(total, { reason }), news)
      }
    })
  )
}
