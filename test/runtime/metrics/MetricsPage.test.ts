import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as DhtMetrics from "../../../src/protocol/dht/DhtMetrics.ts"
import * as CounterMetrics from "../../../src/runtime/metrics/CounterMetrics.ts"
import * as MetricsPage from "../../../src/runtime/metrics/MetricsPage.ts"
import * as NodeMetrics from "../../../src/runtime/metrics/NodeMetrics.ts"

const LOOPBACK = "127.0.0.1"

const isolated = <A, E, R>(work: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => Effect.provideService(work, Metric.MetricRegistry, new Map()))

const fetched = (port: number, path: string) =>
  Effect.promise(async () => {
    const response = await fetch(`http://${LOOPBACK}:${port}${path}`)
    return { status: response.status, type: response.headers.get("content-type"), text: await response.text() }
  })

describe("MetricsPage", () => {
  it.live("shows counters, with reasons, and histograms as Prometheus reads them", () =>
    Effect.gen(function* () {
      const counts = new Map([["not-bencode", 3]])
      const refresh = CounterMetrics.make({
        name: "test_total",
        description: "Things",
        read: Effect.sync(() => counts)
      })
      yield* Metric.update(DhtMetrics.queries.get, 7)
      yield* Metric.update(DhtMetrics.putAcks, 18)
      const port = yield* MetricsPage.serve({ host: LOOPBACK, port: 0 }, NodeMetrics.text(refresh))
      const first = yield* fetched(port, "/metrics")
      assert.strictEqual(first.status, 200)
      assert.strictEqual(first.type, MetricsPage.CONTENT_TYPE)
      assert.include(first.text, 'libreseed_dht_queries_total{method="get"} 7\n')
      assert.include(first.text, "# TYPE libreseed_dht_put_acks histogram")
      assert.include(first.text, 'libreseed_dht_put_acks_bucket{le="16"} 0\n')
      assert.include(first.text, 'libreseed_dht_put_acks_bucket{le="20"} 1\n')
      assert.include(first.text, 'test_total{reason="not-bencode"} 3\n')
      counts.set("not-bencode", 5)
      counts.set("oversize", 1)
      const second = yield* fetched(port, "/metrics")
      assert.include(second.text, 'test_total{reason="not-bencode"} 5\n')
      assert.include(second.text, 'test_total{reason="oversize"} 1\n')
      assert.strictEqual((yield* fetched(port, "/")).status, 404)
    }).pipe(isolated, Effect.scoped)
  )

  it.live("an address that is taken is an error that says so", () =>
    Effect.gen(function* () {
      const port = yield* MetricsPage.serve({ host: LOOPBACK, port: 0 }, Effect.succeed(""))
      const error = yield* Effect.flip(MetricsPage.serve({ host: LOOPBACK, port }, Effect.succeed("")))
      assert.strictEqual(error._tag, "MetricsFailed")
      assert.include(error.message, `${LOOPBACK}:${port}`)
      assert.include(error.message, "EADDRINUSE")
    }).pipe(isolated, Effect.scoped)
  )
})
