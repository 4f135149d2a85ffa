import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as References from "effect/References"
import { TestClock } from "effect/testing"
import { SAVE_AT_END_MAX } from "../../../src/protocol/registry/RePutLedger.ts"
import { RePutState, RePutStateError } from "../../../src/protocol/registry/RePutState.ts"
import * as World from "./RePutWorld.ts"

const { DAY, HOUR, mainline, still } = World

const SILENT = Effect.provideService(References.MinimumLogLevel, "None")

/** A test on a world, with a host whose state outlasts its loop. */
const on =
  (world: World.World) =>
  <A, E, R>(test: Effect.Effect<A, E, R>) =>
    test.pipe(Effect.provide(Layer.merge(World.host(world), RePutState.layerMemory)), Random.withSeed("restart"))

/** A state that a killed process writes to no more. */
const mortal = Effect.map(RePutState, (state) => {
  let isAlive = true
  const mortal = RePutState.of({
    load: state.load,
    save: (...args) => (isAlive ? state.save(...args) : Effect.void)
  })
  return { state: mortal, kill: () => void (isAlive = false) }
})

/** By a clock that is ahead of the test's. */
const aheadBy = (aheadMs: number) =>
  Effect.updateService(Clock.Clock, (clock): Clock.Clock => ({
    ...clock,
    currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe() + aheadMs,
    currentTimeMillis: Effect.map(clock.currentTimeMillis, (now) => now + aheadMs)
  }))

/** The greatest pause between two neighbours. */
const widest = (times: ReadonlyArray<number>): number => Math.max(...times.slice(1).map((at, i) => at - times[i]!))

describe("RePut after a restart", () => {
  it.effect("asks and puts nothing before it is due, and then goes on as planned", () => {
    const world = World.make(still)
    return Effect.gen(function* () {
      const [record] = yield* World.remembered("kept", 1)
      const first = yield* World.started()
      yield* TestClock.adjust("5 hours")
      const [planned] = yield* first.rePut.health
      yield* first.stop
      const looks = world.looks
      const again = yield* World.started()
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual((yield* again.rePut.health)[0], planned)
      assert.deepStrictEqual(again.of("Begun"), [
        {
          _tag: "Begun",
          items: 1,
          resumed: 1,
          due: 0,
          nextDue: planned!.nextDue,
          savedAt: planned!.lastLook! + 3_000
        }
      ])
      yield* TestClock.adjust(planned!.nextDue - 1 - (yield* Clock.currentTimeMillis))
      assert.strictEqual(world.looks, looks)
      assert.deepStrictEqual(again.of("Put", "Held"), [])
      yield* TestClock.adjust(1)
      assert.isAbove(world.looks, looks)
      yield* TestClock.adjust("3 days")
      assert.isAtMost(widest(world.puts.get(World.targetOf(record!))!), 22 * HOUR)
    }).pipe(on(world))
  })

  it.effect("leaves no gap above the interval and no record missing, stopped every few hours for a month", () => {
    const world = World.make(mainline)
    return Effect.gen(function* () {
      const records = yield* World.remembered("kept", 3)
      for (let hours = 0; hours < 30 * 24; hours += 5) {
        const { stop } = yield* World.started()
        yield* TestClock.adjust("5 hours")
        yield* stop
      }
      assert.deepStrictEqual(world.lost(30 * DAY), [])
      for (const each of records) {
        const puts = world.puts.get(World.targetOf(each))!
        assert.isAtMost(widest(puts), 22 * HOUR)
        assert.isAtMost(puts.length, (1.5 * 30 * 24) / 22, "no restart costs a put")
      }
    }).pipe(on(world))
  })

  it.effect("knows how fast holders are lost, and what survived of the last put", () => {
    const world = World.make({ ...mainline, leavePerHour: 0.08 })
    return Effect.gen(function* () {
      yield* World.remembered("kept", 1)
      const first = yield* World.started()
      yield* TestClock.adjust("2 days")
      const [before] = yield* first.rePut.health
      assert.isAbove(before!.survival.lost, 0)
      yield* first.stop
      const again = yield* World.started()
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual((yield* again.rePut.health)[0]!.survival, before!.survival)
      assert.deepStrictEqual((yield* again.rePut.health)[0]!.keepers, before!.keepers)
      const { stop, of } = again
      yield* TestClock.adjust("1 day")
      yield* stop
      const told = of("Held").flatMap(({ survivors }) => survivors ?? [])
      assert.isTrue(told.some(({ kept, of }) => kept < of))
    }).pipe(on(world))
  })

  it.effect("knows what it did a moment before it was stopped", () => {
    const world = World.make(still)
    return Effect.gen(function* () {
      yield* World.remembered("kept", 5)
      const first = yield* World.started()
      yield* TestClock.adjust("1 second")
      yield* first.stop
      const looks = world.looks
      const { of } = yield* World.started()
      yield* TestClock.adjust("1 minute")
      assert.include(of("Begun")[0], { items: 5, resumed: 5, due: 0 })
      assert.strictEqual(world.looks, looks)
    }).pipe(on(world))
  })

  it.effect("loses seconds of what it knew when it was killed", () => {
    const world = World.make(still)
    return Effect.gen(function* () {
      yield* World.remembered("early", 20)
      const { kill, state } = yield* mortal
      const first = yield* Effect.provideService(World.started(), RePutState, state)
      yield* TestClock.adjust("29 minutes")
      yield* World.remembered("late", 20)
      yield* TestClock.adjust("1 minute")
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(world.puts.size, 40)
      kill()
      yield* first.stop
      const looks = world.looks
      const { of } = yield* World.started()
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(of("Begun")[0]?.resumed, 20)
      assert.strictEqual(world.looks - looks, 20, "those that were not saved are asked about")
      assert.strictEqual(of("Put").length, 0)
    }).pipe(on(world))
  })

  it.effect("does at once what became due meanwhile, and spreads it from then on", () => {
    const world = World.make(still)
    return Effect.gen(function* () {
      yield* World.remembered("many", 300)
      const first = yield* World.started({ adaptive: false })
      yield* TestClock.adjust("2 days")
      yield* first.stop
      yield* TestClock.adjust("6 days")
      const before = [...world.puts.values()].flat().length
      const { of } = yield* World.started({ adaptive: false })
      yield* TestClock.adjust("10 minutes")
      assert.include(of("Begun")[0], { items: 300, resumed: 300, due: 300 })
      assert.strictEqual([...world.puts.values()].flat().length - before, 300)
      yield* TestClock.adjust("22 hours")
      const later = [...world.puts.values()].map((times) => times.filter((at) => at > 8 * DAY + HOUR))
      const hours = new Map<number, number>()
      for (const at of later.flat()) hours.set(Math.floor(at / HOUR), (hours.get(Math.floor(at / HOUR)) ?? 0) + 1)
      assert.isTrue(later.every(({ length }) => length > 0))
      assert.isAtMost(Math.max(...hours.values()), 45)
    }).pipe(on(world))
  })

  it.effect("keeps to a schedule with shorter pauses than the earlier one had", () => {
    const world = World.make(still)
    return Effect.gen(function* () {
      yield* World.remembered("kept", 1)
      const first = yield* World.started()
      yield* TestClock.adjust("3 hours")
      yield* first.stop
      const { of } = yield* World.started({ interval: Duration.hours(4) })
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(of("Put").length, 1)
    }).pipe(on(world))
  })

  it.effect("goes on as planned where the clock was set back in between", () => {
    const world = World.make(still)
    return Effect.gen(function* () {
      const [record] = yield* World.remembered("kept", 1)
      const first = yield* World.started().pipe(aheadBy(30 * DAY))
      yield* TestClock.adjust("20 hours")
      yield* first.stop
      const { of } = yield* World.started()
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(of("Begun").length, 1)
      yield* TestClock.adjust("2 days")
      const puts = world.puts.get(World.targetOf(record!))!.map((at) => (at >= 30 * DAY ? at - 30 * DAY : at))
      assert.isAbove(puts.length, 2)
      // What was planned at the last look is a little later by then.
      assert.isAtMost(widest(puts), 24 * HOUR)
      yield* TestClock.adjust("1 minute")
      const { healths, savedAt } = yield* Effect.flatMap(RePutState, ({ load }) => load)
      assert.isBelow(savedAt!, 4 * DAY)
      assert.isTrue(healths.every(({ nextDue }) => nextDue < 4 * DAY))
    }).pipe(on(world))
  })

  it.effect("knows all of it after a second restart, too, where the clock was set back before the first", () => {
    const world = World.make(still)
    return Effect.gen(function* () {
      yield* World.remembered("kept", 5)
      const first = yield* World.started().pipe(aheadBy(30 * DAY))
      yield* TestClock.adjust("1 hour")
      yield* first.stop
      const second = yield* World.started()
      yield* World.remembered("later", 1)
      yield* TestClock.adjust("31 minutes")
      yield* second.stop
      const { of } = yield* World.started()
      yield* TestClock.adjust("1 minute")
      assert.include(of("Begun")[0], { items: 6, resumed: 6 })
    }).pipe(on(world))
  })

  it.effect("ends although its state can be written no more, and gives up what it was writing", () => {
    const world = World.make(still)
    return Effect.gen(function* () {
      yield* World.remembered("kept", 1)
      const state = yield* RePutState
      let [begun, givenUp] = [0, 0]
      const stuck = RePutState.of({
        load: state.load,
        save: () =>
          Effect.onInterrupt(
            Effect.suspend(() =>
              Effect.andThen(
                Effect.sync(() => begun++),
                Effect.never
              )
            ),
            () => Effect.sync(() => givenUp++)
          )
      })
      const loop = yield* Effect.provideService(World.started(), RePutState, stuck)
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual([begun, givenUp], [1, 0])
      const stopping = yield* Effect.forkChild(loop.stop)
      yield* TestClock.adjust(SAVE_AT_END_MAX)
      yield* Fiber.join(stopping)
      assert.deepStrictEqual([begun, givenUp], [2, 2], "what was given up is tried once more at the end")
    }).pipe(on(world))
  })

  it.effect("works on without a state that can be read or written, says so once, and writes it when it can", () => {
    const world = World.make(still)
    return Effect.gen(function* () {
      yield* World.remembered("kept", 1)
      const state = yield* RePutState
      const error = new RePutStateError({ location: "state.db", problem: "EIO" })
      let isBroken = true
      const moody = RePutState.of({
        load: Effect.suspend(() => (isBroken ? Effect.fail(error) : state.load)),
        save: (...args) => Effect.suspend(() => (isBroken ? Effect.fail(error) : state.save(...args)))
      })
      const { of } = yield* Effect.provideService(World.started(), RePutState, moody)
      yield* TestClock.adjust("5 minutes")
      assert.strictEqual(of("Put").length, 1)
      assert.deepStrictEqual(
        of("StoreFailed").map(({ problem }) => problem),
        [error.message, error.message],
        "once of reading and once of writing"
      )
      isBroken = false
      yield* TestClock.adjust("2 minutes")
      assert.strictEqual((yield* state.load).healths.length, 1)
    }).pipe(on(world), SILENT)
  })
})
