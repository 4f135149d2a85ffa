import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as References from "effect/References"
import { TestClock } from "effect/testing"
import { sha256 } from "../../../src/protocol/core/Digest.ts"
import * as KeyPair from "../../../src/protocol/core/KeyPair.ts"
import { Dht } from "../../../src/protocol/dht/Dht.ts"
import { DhtError, NoNodes } from "../../../src/protocol/dht/DhtError.ts"
import * as KeyString from "../../../src/protocol/dht/KeyString.ts"
import * as Record from "../../../src/protocol/dht/Record.ts"
import { RecordStore, RecordStoreError } from "../../../src/protocol/dht/RecordStore.ts"
import * as Republish from "../../../src/protocol/registry/Republish.ts"
import * as DhtMemory from "../../../src/protocol/testing/DhtMemory.ts"
import { layer as ed25519 } from "../../../src/runtime/crypto/NodeEd25519.ts"

const record = (label: string, seq: number) =>
  Effect.map(KeyPair.fromSeed(sha256(new TextEncoder().encode(label))), (pair) =>
    Record.sign(pair, { salt: KeyString.saltOf(label), seq, value: new Uint8Array([seq]) })
  )

const layer = (network: DhtMemory.Network) =>
  Layer.mergeAll(DhtMemory.layerOn(network), Layer.fresh(RecordStore.layerMemory)).pipe(Layer.provideMerge(ed25519))

describe("Republish", () => {
  it.effect("puts every remembered record again, and tells what came of each", () => {
    const network = DhtMemory.make()
    return Effect.gen(function* () {
      const store = yield* RecordStore
      const dht = yield* Dht
      const [lost, held, stale] = [yield* record("lost", 1), yield* record("held", 1), yield* record("stale", 1)]
      for (const each of [lost, held, stale]) yield* store.remember(each)
      yield* dht.put(held)
      yield* dht.put(yield* record("stale", 2))
      assert.deepStrictEqual(yield* Republish.once, { stored: 2, superseded: 1, failed: 0 })
      assert.strictEqual(network.items.size, 3)
    }).pipe(Effect.provide(layer(network)))
  })

  it.effect("goes on with the others when one fails", () => {
    const network = DhtMemory.make()
    return Effect.gen(function* () {
      const store = yield* RecordStore
      const dht = yield* Dht
      const [first, second] = [yield* record("first", 1), yield* record("second", 1)]
      yield* store.remember(first)
      yield* store.remember(second)
      const round = yield* Effect.provideService(Republish.once, Dht, {
        ...dht,
        put: (each) =>
          each === first ? Effect.fail(new DhtError({ reason: new NoNodes({ bootstrap: [] }) })) : dht.put(each)
      })
      assert.deepStrictEqual(round, { stored: 1, superseded: 0, failed: 1 })
    }).pipe(Effect.provide(layer(network)))
  })

  it.effect("remembers the newer record that it meets", () => {
    const network = DhtMemory.make()
    return Effect.gen(function* () {
      const store = yield* RecordStore
      const dht = yield* Dht
      const old = yield* record("a", 1)
      yield* store.remember(old)
      yield* dht.put(yield* record("a", 2))
      yield* Republish.once
      assert.strictEqual(Option.getOrThrow(yield* store.find(old.publicKey, old.salt)).seq, 2)
      network.items.clear()
      yield* Republish.once
      assert.deepStrictEqual(
        [...network.items.values()].map(({ seq }) => seq),
        [2]
      )
    }).pipe(Effect.provide(layer(network)))
  })

  it.effect(
    "leaves a record missing at no hour of a month, in a network that forgets each a day after it was put",
    () => {
      const network = DhtMemory.make()
      return Effect.gen(function* () {
        const store = yield* RecordStore
        const dht = yield* Dht
        yield* store.remember(yield* record("kept", 1))
        let puts = 0
        let lastPutMs = Number.NEGATIVE_INFINITY
        const forgetful = {
          ...dht,
          put: (each: Record.Record) =>
            Effect.tap(dht.put(each), () =>
              Effect.map(Clock.currentTimeMillis, (now) => {
                puts += 1
                lastPutMs = now
              })
            )
        }
        const fiber = yield* Effect.forkChild(Effect.provideService(Republish.forever, Dht, forgetful))
        for (let hour = 0; hour < 30 * 24; hour++) {
          yield* TestClock.adjust("1 hour")
          const now = yield* Clock.currentTimeMillis
          assert.isBelow(now - lastPutMs, 24 * 60 * 60 * 1000, `hour ${hour}`)
        }
        assert.isAtMost(puts, 42, "and writes no more than it needs to")
        yield* Fiber.interrupt(fiber)
      }).pipe(Effect.provide(layer(network)))
    }
  )

  it.effect("tries again within the hour what failed", () => {
    const network = DhtMemory.make()
    return Effect.gen(function* () {
      const store = yield* RecordStore
      const dht = yield* Dht
      yield* store.remember(yield* record("kept", 1))
      let isDown = true
      const flaky = {
        ...dht,
        put: (each: Record.Record) =>
          isDown ? Effect.fail(new DhtError({ reason: new NoNodes({ bootstrap: [] }) })) : dht.put(each)
      }
      const fiber = yield* Effect.forkChild(Effect.provideService(Republish.forever, Dht, flaky))
      yield* TestClock.adjust("1 minute")
      isDown = false
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(network.items.size, 1)
      yield* Fiber.interrupt(fiber)
    }).pipe(Effect.provide(layer(network)))
  })

  it.effect("goes on after a round in which the store could not be read", () => {
    const network = DhtMemory.make()
    return Effect.gen(function* () {
      const store = yield* RecordStore
      yield* store.remember(yield* record("kept", 1))
      let isBroken = true
      const moody = {
        ...store,
        all: Effect.suspend(() =>
          isBroken ? Effect.fail(new RecordStoreError({ location: "disk", problem: "EIO" })) : store.all
        )
      }
      const fiber = yield* Effect.forkChild(Effect.provideService(Republish.forever, RecordStore, moody))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(network.items.size, 0)
      isBroken = false
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(network.items.size, 1)
      yield* Fiber.interrupt(fiber)
    }).pipe(Effect.provide(layer(network)), Effect.provideService(References.MinimumLogLevel, "None"))
  })
})
