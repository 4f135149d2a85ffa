import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { TestClock } from "effect/testing"
import * as World from "./RePutWorld.ts"

describe("RePut.run", () => {
  it.effect("goes on as planned, by the clock as it is now, where that was set back by days", () => {
    const world = World.make(World.still)
    let aheadMs = 30 * World.DAY
    return Effect.gen(function* () {
      yield* World.remembered("kept", 1)
      const clock = yield* Clock.Clock
      const wrong: Clock.Clock = {
        ...clock,
        currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe() + aheadMs,
        currentTimeMillis: Effect.map(clock.currentTimeMillis, (now) => now + aheadMs)
      }
      const { of } = yield* World.started().pipe(Effect.provideService(Clock.Clock, wrong))
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(of("Put").length, 1)
      aheadMs = 0
      yield* TestClock.adjust("3 hours")
      assert.strictEqual(of("Put", "Held").length, 2)
      yield* TestClock.adjust("1 day")
      assert.isAbove(of("Put").length, 1)
    }).pipe(World.on(world))
  })

  it.effect("does not put a thousand items at once because the clock was set back", () => {
    const world = World.make(World.still)
    let aheadMs = 30 * World.DAY
    return Effect.gen(function* () {
      yield* World.remembered("kept", 1_000)
      const clock = yield* Clock.Clock
      const wrong: Clock.Clock = {
        ...clock,
        currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe() + aheadMs,
        currentTimeMillis: Effect.map(clock.currentTimeMillis, (now) => now + aheadMs)
      }
      const { rePut } = yield* World.started({ adaptive: false }).pipe(Effect.provideService(Clock.Clock, wrong))
      yield* TestClock.adjust("1 hour")
      const puts = Effect.map(rePut.health, (items) => items.reduce((sum, item) => sum + item.puts, 0))
      const before = yield* puts
      assert.isAtLeast(before, 1_000)
      aheadMs = 0
      yield* TestClock.adjust("2 hours")
      assert.isBelow((yield* puts) - before, 300, "they keep their places")
      yield* TestClock.adjust("1 day")
      assert.isTrue(
        (yield* rePut.health).every(({ puts }) => puts > 1),
        "and none is left out"
      )
    }).pipe(World.on(world))
  })

  it.effect("takes a clock that was set back by minutes for one", () => {
    const world = World.make(World.still)
    let aheadMs = 9 * 60_000
    return Effect.gen(function* () {
      yield* World.remembered("kept", 1)
      const clock = yield* Clock.Clock
      const wrong: Clock.Clock = {
        ...clock,
        currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe() + aheadMs,
        currentTimeMillis: Effect.map(clock.currentTimeMillis, (now) => now + aheadMs)
      }
      const { of } = yield* World.started().pipe(Effect.provideService(Clock.Clock, wrong))
      yield* TestClock.adjust("31 minutes")
      aheadMs = 0
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(of("Put", "Held").length, 1)
    }).pipe(World.on(world))
  })
})
