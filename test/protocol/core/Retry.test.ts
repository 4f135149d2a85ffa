import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import * as Deadline from "../../../src/protocol/core/Deadline.ts"
import * as Retry from "../../../src/protocol/core/Retry.ts"

const pauses: Retry.Pauses = { base: "1 second", factor: 2, maxPause: "10 seconds" }
const options = { ...pauses, isTransient: (error: string) => error !== "for good", maxTries: 5 }

/** Fails as listed, then succeeds; notes when it was tried. */
const failing = (...errors: ReadonlyArray<string>) => {
  const times: Array<number> = []
  const effect = Effect.gen(function* () {
    const error = errors[times.length]
    times.push(yield* Clock.currentTimeMillis)
    return error === undefined ? "done" : yield* Effect.fail(error)
  })
  return { effect, times }
}

/** How it ended, in virtual time: its value or its error. */
const outcome = <A, E>(work: Effect.Effect<A, E>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(Effect.match(work, { onFailure: (e) => e, onSuccess: (a) => a }))
    yield* TestClock.adjust("1 hour")
    return yield* Fiber.join(fiber)
  })

describe("Retry", () => {
  it.effect("does not repeat what succeeds", () =>
    Effect.gen(function* () {
      const { effect, times } = failing()
      assert.strictEqual(yield* Retry.transient(effect, options), "done")
      assert.strictEqual(times.length, 1)
    })
  )

  it.effect("does not repeat what fails for good", () =>
    Effect.gen(function* () {
      const { effect, times } = failing("at first", "for good", "more")
      assert.strictEqual(yield* outcome(Retry.transient(effect, options)), "for good")
      assert.strictEqual(times.length, 2)
    })
  )

  it.effect("ends with the last error when it was tried often enough", () =>
    Effect.gen(function* () {
      const { effect, times } = failing("1", "2", "3", "4", "5", "6")
      assert.strictEqual(yield* outcome(Retry.transient(effect, options)), "5")
      assert.strictEqual(times.length, 5)
    })
  )

  it.effect("pauses longer each time, up to the longest pause", () =>
    Effect.gen(function* () {
      const { effect, times } = failing("1", "2", "3", "4", "5", "6")
      assert.strictEqual(yield* outcome(Retry.transient(effect, { ...options, maxTries: 7 })), "done")
      const bounds = [
        [500, 1_000],
        [1_000, 2_000],
        [2_000, 4_000],
        [4_000, 8_000],
        [5_000, 10_000],
        [5_000, 10_000]
      ] as const
      for (const [i, [least, most]] of bounds.entries()) {
        assert.deepStrictEqual(Retry.boundsOf(pauses, i + 1), [least, most])
        const pause = times[i + 1]! - times[i]!
        assert.isTrue(pause >= Math.floor(least) && pause <= most, `pause ${i + 1} was ${pause} ms`)
      }
    })
  )

  it.effect("ends at once with the last error where the next pause would not end before the deadline", () =>
    Effect.gen(function* () {
      const { effect, times } = failing("1", "2", "3", "4", "5")
      const steady = { ...options, factor: 1 }
      const work = Retry.transient(effect, steady).pipe(Effect.zip(Clock.currentTimeMillis), Deadline.within(2_000))
      assert.strictEqual(yield* outcome(work), times.length.toString())
      assert.isAtLeast(times.length, 2)
      assert.isBelow(times.at(-1)!, 2_000)
    })
  )

  it.effect("does not pause at all where no time is left", () =>
    Effect.gen(function* () {
      const { effect, times } = failing("1", "2")
      const late = Effect.andThen(TestClock.adjust(999), effect)
      assert.strictEqual(yield* Effect.flip(Deadline.within(1_000)(Retry.transient(late, options))), "1")
      assert.strictEqual(times.length, 1)
    })
  )

  it.effect("can be interrupted in a pause", () =>
    Effect.gen(function* () {
      const { effect, times } = failing("1", "2")
      const fiber = yield* Effect.forkChild(Retry.transient(effect, options), { startImmediately: true })
      yield* Fiber.interrupt(fiber)
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(times.length, 1)
    })
  )
})
