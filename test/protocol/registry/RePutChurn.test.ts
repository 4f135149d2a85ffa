import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import { TestClock } from "effect/testing"
import { Dht } from "../../../src/protocol/dht/Dht.ts"
import { RecordStore } from "../../../src/protocol/dht/RecordStore.ts"
import * as World from "./RePutWorld.ts"

const { DAY, HOUR, mainline, still } = World

/** Puts that a host makes in `days` which puts every 22 hours, whatever the network holds. */
const naive = (days: number): number => Math.ceil((days * DAY) / (22 * HOUR))

const mean = (numbers: ReadonlyArray<number>): number => numbers.reduce((sum, each) => sum + each, 0) / numbers.length

/** Most of `times` that fall into one hour of the clock. */
const busiestHour = (times: ReadonlyArray<number>): number => {
  const hours = new Map<number, number>()
  for (const at of times) hours.set(Math.floor(at / HOUR), (hours.get(Math.floor(at / HOUR)) ?? 0) + 1)
  return Math.max(0, ...hours.values())
}

const putOf = (world: World.World) => (each: Parameters<typeof World.targetOf>[0]) =>
  world.puts.get(World.targetOf(each)) ?? []

describe("RePut in a network that forgets", () => {
  it.effect("leaves no record missing in a month, and writes little more than every 22 hours", () => {
    const world = World.make(mainline)
    return Effect.gen(function* () {
      const records = yield* World.remembered("kept", 4)
      yield* World.started()
      for (let hour = 1; hour <= 30 * 24; hour++) {
        yield* TestClock.adjust("1 hour")
        for (const each of records) assert.isAbove(world.holdersOf(World.targetOf(each), hour * HOUR), 0)
      }
      assert.deepStrictEqual(world.lost(30 * DAY), [], "nor between the hours")
      const writes = records.map((each) => putOf(world)(each).length)
      assert.isAtLeast(Math.min(...writes), naive(30))
      assert.isAtMost(mean(writes), 1.5 * naive(30))
    }).pipe(World.on(world))
  })

  it.effect("writes more where nodes leave faster, and only then", () => {
    const writesIn = (leavePerHour: number) => {
      const world = World.make({ ...mainline, leavePerHour, forgetful: 0 })
      return Effect.gen(function* () {
        const records = yield* World.remembered("kept", 5)
        yield* World.started()
        yield* TestClock.adjust("10 days")
        assert.deepStrictEqual(world.lost(10 * DAY), [])
        return mean(records.map((each) => putOf(world)(each).length))
      }).pipe(World.on(world), Effect.provide(TestClock.layer()))
    }
    return Effect.gen(function* () {
      const [none, usual, fast] = [yield* writesIn(0), yield* writesIn(0.0203), yield* writesIn(0.08)]
      assert.isAtMost(none, naive(10) / 0.8)
      assert.isAtMost(usual, naive(10) / 0.8)
      assert.isAbove(fast, 1.5 * naive(10))
      assert.isBelow(fast, 10 * 24)
    })
  })

  it.effect("puts hourly what only nodes hold that forget after two hours", () => {
    const world = World.make({ ...still, forgetful: 1 })
    return Effect.gen(function* () {
      const [record] = yield* World.remembered("short-lived", 1)
      yield* World.started()
      yield* TestClock.adjust("4 hours")
      const learned = putOf(world)(record!).length
      for (let minutes = 0; minutes < 24 * 60; minutes += 10) {
        yield* TestClock.adjust("10 minutes")
        assert.strictEqual(world.holdersOf(World.targetOf(record!), yield* Clock.currentTimeMillis), 15)
      }
      const puts = putOf(world)(record!).length - learned
      assert.isAtLeast(puts, 19)
      assert.isAtMost(puts, 24)
    }).pipe(World.on(world))
  })

  it.effect("puts hourly what too few nodes take", () => {
    const world = World.make({ ...still, holders: 3 })
    return Effect.gen(function* () {
      const [record] = yield* World.remembered("weak", 1)
      yield* World.started()
      yield* TestClock.adjust("1 day")
      const puts = putOf(world)(record!)
      assert.isAtLeast(puts.length, 19)
      assert.isTrue(puts.every((at, i) => i === 0 || at - puts[i - 1]! >= HOUR))
    }).pipe(World.on(world))
  })

  it.effect("puts every 22 hours at the latest, since nodes may forget at a certain age", () => {
    const world = World.make({ ...still, memoryMs: DAY })
    return Effect.gen(function* () {
      const [record] = yield* World.remembered("aging", 1)
      yield* World.started()
      yield* TestClock.adjust("30 days")
      assert.deepStrictEqual(world.lost(30 * DAY), [])
      const puts = putOf(world)(record!)
      assert.isAtLeast(puts.length, naive(30))
      assert.isAtMost(puts.length, naive(30) / 0.8)
      assert.isTrue(puts.every((at, i) => i === 0 || at - puts[i - 1]! <= 22 * HOUR))
    }).pipe(World.on(world))
  })

  it.effect("without adapting, puts every 22 hours and asks for nothing after the start", () => {
    const world = World.make(mainline)
    return Effect.gen(function* () {
      const [record] = yield* World.remembered("plain", 1)
      yield* World.started({ adaptive: false, jitter: 0 })
      yield* TestClock.adjust("220 hours")
      assert.deepStrictEqual(
        putOf(world)(record!),
        Array.from({ length: 11 }, (_, i) => i * 22 * HOUR)
      )
      assert.strictEqual(world.looks, 1)
    }).pipe(World.on(world))
  })

  it.effect("puts every 22 hours where the layer cannot tell who holds a record", () => {
    const world = World.make({ ...mainline, tells: false })
    return Effect.gen(function* () {
      const [record] = yield* World.remembered("kept", 1)
      const dht = yield* Dht
      yield* dht.put(record!)
      yield* World.started()
      yield* TestClock.adjust("10 days")
      const puts = putOf(world)(record!)
      assert.isAtLeast(puts.length, naive(10))
      assert.isAtMost(puts.length, 2 + naive(10) / 0.8)
    }).pipe(World.on(world))
  })
})

describe("RePut of many", () => {
  it.effect("puts nothing of what is well held, and spreads 500 records over the interval after a restart", () => {
    const world = World.make(still)
    return Effect.gen(function* () {
      const dht = yield* Dht
      const records = yield* World.remembered("many", 500)
      for (const each of records) yield* dht.put(each)
      world.puts.clear()
      yield* World.started()
      yield* TestClock.adjust("30 minutes")
      assert.strictEqual(world.puts.size, 0)
      yield* TestClock.adjust("22 hours")
      const times = records.flatMap(putOf(world))
      assert.isAtLeast(times.length, 500)
      assert.isAtMost(times.length, 700)
      assert.isAtMost(busiestHour(times), 60, "five hundred in 22 hours are 23 an hour")
    }).pipe(World.on(world))
  })

  it.effect("puts 500 new records at once, and never again in step", () => {
    const world = World.make(still)
    return Effect.gen(function* () {
      const records = yield* World.remembered("new", 500)
      yield* World.started({ adaptive: false })
      yield* TestClock.adjust("44 hours")
      const times = records.flatMap(putOf(world))
      assert.strictEqual(times.filter((at) => at < HOUR).length, 500)
      assert.isAtMost(busiestHour(times.filter((at) => at >= HOUR)), 65)
    }).pipe(World.on(world))
  })

  it.effect("moves two hosts that began together apart, and each does no more for it", () => {
    const world = World.make(mainline)
    const begin = (seed: string) =>
      Effect.gen(function* () {
        const [record] = yield* World.remembered("shared", 1)
        yield* World.started()
        return record!
      }).pipe(Effect.provide(World.host(world)), Random.withSeed(seed))
    return Effect.gen(function* () {
      const record = yield* begin("one")
      yield* begin("two")
      yield* TestClock.adjust("30 days")
      const puts = putOf(world)(record)
      assert.isTrue(puts.every((at, i) => i < 2 || at - puts[i - 1]! > 60_000))
      assert.isAtMost(puts.length, (2 * naive(30)) / 0.8)
      assert.deepStrictEqual(world.lost(30 * DAY), [])
    })
  })

  it.effect("asks first after a restart, and puts only what is lacking", () => {
    const world = World.make(still)
    return Effect.gen(function* () {
      const store = yield* RecordStore
      const [held] = yield* World.remembered("held", 1)
      const { of } = yield* World.started()
      yield* TestClock.adjust("1 second")
      assert.strictEqual(of("Put").length, 1)
      const lacking = yield* World.record("lacking")
      yield* store.remember(lacking)
      const again = yield* World.started()
      yield* TestClock.adjust("30 minutes")
      assert.deepStrictEqual(
        again
          .of("Put", "Held")
          .map(({ _tag, target }) => [_tag, target])
          .toSorted(),
        [
          ["Held", World.targetOf(held!)],
          ["Put", World.targetOf(lacking)]
        ]
      )
    }).pipe(World.on(world))
  })
})
