/**
 * What is measured of this process's DHT node where it is kept outside Effect: what its socket turned away, what
 * became of the items that it holds for others, and how many nodes and items there are now.
 */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as PrometheusMetrics from "effect/observability/PrometheusMetrics"
import type { Entry } from "../dht/entry/Entry.ts"
import * as CounterMetrics from "./CounterMetrics.ts"

const nodesKnown = Metric.gauge("libreseed_dht_nodes", { description: "DHT nodes in the routing table" })
const itemsHeld = Metric.gauge("libreseed_dht_items_held", { description: "Items held for others" })
const bytesHeld = Metric.gauge("libreseed_dht_items_held_bytes", { description: "Bytes of the items held for others" })
const isServer = Metric.gauge("libreseed_dht_server", {
  description: "1 while the node serves others, 0 while it only asks (BEP 43)"
})

/** Brings these metrics up to date; to be run before they are shown. One for each node: two would count everything twice. */
export const make = (entry: Entry["Service"]): Effect.Effect<void> => {
  const guard = CounterMetrics.make({
    name: "libreseed_dht_guard_total",
    description: "What the node's socket did with datagrams, by reason",
    read: entry.counters
  })
  const items = CounterMetrics.make({
    name: "libreseed_dht_items_total",
    description: "What became of items held for others and of questions for them, by reason",
    read: Effect.map(entry.items, ({ counters }) => counters)
  })
  return Effect.gen(function* () {
    yield* guard
    yield* items
    const { nodes, role } = yield* entry.report
    const { bytes, count } = yield* entry.items
    yield* Metric.update(nodesKnown, nodes)
    yield* Metric.update(itemsHeld, count)
    yield* Metric.update(bytesHeld, bytes)
    yield* Metric.update(isServer, role === "server" ? 1 : 0)
  })
}

/** All metrics of this process in the text format of Prometheus. `refresh` is run before. */
export const text = (refresh: Effect.Effect<void>): Effect.Effect<string> =>
  Effect.andThen(refresh, PrometheusMetrics.format())
