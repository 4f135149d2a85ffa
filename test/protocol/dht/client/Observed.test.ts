import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Tracer from "effect/Tracer"
import { sha256 } from "../../../../src/protocol/core/Digest.ts"
import { Ed25519 } from "../../../../src/protocol/core/Ed25519.ts"
import * as KeyPair from "../../../../src/protocol/core/KeyPair.ts"
import * as DhtMetrics from "../../../../src/protocol/dht/DhtMetrics.ts"
import * as KeyString from "../../../../src/protocol/dht/KeyString.ts"
import * as Record from "../../../../src/protocol/dht/Record.ts"
import { layer as nodeEd25519 } from "../../../../src/runtime/crypto/NodeEd25519.ts"
import { FakeNetwork } from "./FakeNetwork.ts"

const SALT = KeyString.saltOf("libreseed:test:observed")

const setUp = Effect.gen(function* () {
  const ed25519 = yield* Ed25519
  const pair = yield* KeyPair.fromSeed(sha256(new Uint8Array(1)))
  const record = Record.sign(pair, { salt: SALT, seq: 1, value: new Uint8Array(10) })
  const network = new FakeNetwork(60)
  const { dht } = network.join(ed25519)
  return { dht, network, pair, record }
})

const registry: Metric.MetricRegistry = new Map()

describe("DHT metrics and spans", () => {
  it.effect("counts queries by method and outcome, and what puts and gets came to", () =>
    Effect.gen(function* () {
      const { dht, network, pair, record } = yield* setUp
      network.nodes[0]!.delay = () => Infinity
      network.nodes[1]!.answer = () => ({ _tag: "Refused", code: 202, text: "busy" })
      const observed = <A, E>(work: Effect.Effect<A, E>) =>
        network.play(Effect.provideService(work, Metric.MetricRegistry, registry))
      const value = <I, S>(metric: Metric.Metric<I, S>) =>
        Effect.provideService(Metric.value(metric), Metric.MetricRegistry, registry)
      yield* observed(dht.put(record))
      yield* observed(dht.get(pair.publicKey, SALT))
      const gets = (yield* value(DhtMetrics.queries.get)).count
      const puts = (yield* value(DhtMetrics.queries.put)).count
      assert.strictEqual(puts, 20)
      assert.isAtLeast(gets, 20)
      const replies = (yield* value(DhtMetrics.outcomes.get.reply)).count
      const errors = (yield* value(DhtMetrics.outcomes.get.error)).count
      assert.isAtLeast(replies, 20)
      assert.isAtMost(replies + errors, gets)
      assert.strictEqual((yield* value(DhtMetrics.putAcks)).sum, 20)
      assert.strictEqual((yield* value(DhtMetrics.getAgreement)).sum, 20)
      assert.strictEqual((yield* value(DhtMetrics.lookupSeconds)).count, 2)
      assert.isAtLeast((yield* value(DhtMetrics.roundTrip)).count, 40)
    }).pipe(Effect.provide(nodeEd25519))
  )

  it.effect("each query is a span of its own under the operation that asked", () =>
    Effect.gen(function* () {
      const { dht, network, record } = yield* setUp
      const spans: Array<Tracer.NativeSpan> = []
      const tracer = Tracer.make({
        span: (options) => {
          const span = new Tracer.NativeSpan(options)
          spans.push(span)
          return span
        }
      })
      yield* network.play(dht.put(record).pipe(Effect.withTracer(tracer)))
      const put = spans.find(({ name }) => name === "Dht.put")
      const writes = spans.filter(({ name }) => name === "krpc.put")
      assert.isDefined(put)
      assert.strictEqual(writes.length, 20)
      assert.isAtLeast(spans.filter(({ name }) => name === "krpc.get").length, 20)
      for (const span of writes) {
        assert.strictEqual(span.kind, "client")
        assert.strictEqual(span.status._tag, "Ended")
        assert.strictEqual(span.attributes.get("dht.outcome"), "reply")
        assert.strictEqual(span.parent._tag === "Some" ? span.parent.value.spanId : undefined, put?.spanId)
      }
    }).pipe(Effect.provide(nodeEd25519))
  )
})
