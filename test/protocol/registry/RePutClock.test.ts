import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { TestClock } from "effect/testing"
import * as World from "./RePutWorld.ts"

describe("RePut.run", () => {
  it.effect("goes on at once, as if it had just begun, where the clock was set back by days", () => {
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
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(of("Put", "Held").length, 2)
      yield* TestClock.adjust("1 day")
      assert.isAbove(of("Put").length, 1)
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
