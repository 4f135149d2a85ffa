import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as CounterMetrics from "../../../src/runtime/metrics/CounterMetrics.ts"

const NAME = "test_total"
const SOURCE = { name: NAME, description: "Things" }

const isolated = <A, E, R>(work: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => Effect.provideService(work, Metric.MetricRegistry, new Map()))

const total = (reason: string) =>
  Effect.map(
    Metric.value(Metric.withAttributes(Metric.counter(NAME, { description: "Things", incremental: true }), { reason })),
    ({ count }) => count
  )

describe("CounterMetrics", () => {
  it.effect("adds what is new since the last time", () =>
    Effect.gen(function* () {
      const counts = new Map([["a", 3]])
      const refresh = CounterMetrics.make({ ...SOURCE, read: Effect.sync(() => counts) })
      yield* refresh
      yield* refresh
      assert.strictEqual(yield* total("a"), 3)
      counts.set("a", 5).set("b", 1)
      yield* refresh
      assert.strictEqual(yield* total("a"), 5)
      assert.strictEqual(yield* total("b"), 1)
    }).pipe(isolated)
  )

  it.effect("loses nothing of what is counted from 0 again", () =>
    Effect.gen(function* () {
      let counts = new Map([
        ["a", 100],
        ["b", 7]
      ])
      const refresh = CounterMetrics.make({ ...SOURCE, read: Effect.sync(() => counts) })
      yield* refresh
      counts = new Map([["a", 40]])
      yield* refresh
      assert.strictEqual(yield* total("a"), 140)
      counts = new Map([
        ["a", 45],
        ["b", 9]
      ])
      yield* refresh
      assert.strictEqual(yield* total("a"), 145)
      assert.strictEqual(yield* total("b"), 16)
    }).pipe(isolated)
  )

  it.live("counts nothing twice when it is asked for several times at once", () =>
    Effect.gen(function* () {
      let count = 0
      // Whoever read first may be heard last.
      const read = Effect.gen(function* () {
        const counts = new Map([["a", ++count]])
        yield* Effect.yieldNow
        return counts
      })
      const refresh = CounterMetrics.make({ ...SOURCE, read })
      yield* Effect.all(
        Array.from({ length: 20 }, () => refresh),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(yield* total("a"), count)
    }).pipe(isolated)
  )
})
