import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as TestClock from "effect/testing/TestClock"
import * as Deadline from "../../../src/protocol/core/Deadline.ts"
import { ExitCode, explain } from "../../../src/protocol/core/Errors.ts"

const remainingMs = Effect.map(Deadline.remaining, Option.map(Duration.toMillis))

/** How the work ended, and when. The clock runs as far as it takes. */
const ended = <A, E>(work: Effect.Effect<A, E>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(Effect.result(work).pipe(Effect.zip(Clock.currentTimeMillis)))
    yield* TestClock.adjust("1 hour")
    return yield* Fiber.join(fiber)
  })

describe("Deadline", () => {
  it.effect("is none unless somebody set one", () =>
    Effect.gen(function* () {
      assert.isTrue(Option.isNone(yield* Deadline.remaining))
      assert.isTrue(Option.isNone(yield* Deadline.within(Duration.infinity)(Deadline.remaining)))
    })
  )

  it.effect("says how much time is left", () =>
    Effect.gen(function* () {
      const look = Effect.gen(function* () {
        const first = yield* remainingMs
        yield* Effect.sleep("4 seconds")
        return [first, yield* remainingMs]
      })
      const [result] = yield* ended(Deadline.within("10 seconds")(look))
      assert.deepStrictEqual(
        Option.getOrThrow(Option.fromNullishOr(result._tag === "Success" ? result.success : null)),
        [Option.some(10_000), Option.some(6_000)]
      )
    })
  )

  it.effect("leaves work alone that is done in time", () =>
    Effect.gen(function* () {
      const [result, at] = yield* ended(Deadline.within("10 seconds")(Effect.as(Effect.sleep("9 seconds"), "done")))
      assert.strictEqual(result._tag === "Success" && result.success, "done")
      assert.strictEqual(at, 9_000)
    })
  )

  it.effect("ends work that is not done in time, with what a command can show", () =>
    Effect.gen(function* () {
      let interrupted = false
      const work = Effect.onInterrupt(Effect.never, () => Effect.sync(() => (interrupted = true)))
      const [result, at] = yield* ended(Deadline.within("1500 millis")(work))
      assert.strictEqual(at, 1_500)
      assert.isTrue(interrupted)
      const failure = explain(result._tag === "Failure" ? result.failure : undefined)
      assert.strictEqual(failure?._tag, "DeadlineExceeded")
      assert.strictEqual(failure?.exitCode, ExitCode.network)
      assert.include(failure?.message, "1.5 s")
    })
  )

  it.effect("keeps to the earlier one of two, whichever is inside", () =>
    Effect.gen(function* () {
      for (const [outer, inner] of [
        [2_000, 9_000],
        [9_000, 2_000],
        [2_000, 2_000]
      ] as const) {
        const seen: Array<unknown> = []
        const work = Effect.andThen(
          Effect.tap(remainingMs, (left) => Effect.sync(() => seen.push(left))),
          Effect.never
        )
        const nested = Deadline.within(outer)(Deadline.within(inner)(work))
        const start = yield* Clock.currentTimeMillis
        const [result, at] = yield* ended(nested)
        assert.strictEqual(at - start, 2_000)
        assert.deepStrictEqual(seen, [Option.some(2_000)])
        assert.strictEqual(result._tag === "Failure" && result.failure.limitMs, 2_000)
      }
    })
  )

  it.effect("of a part does not outlast the part", () =>
    Effect.gen(function* () {
      const outer = Deadline.within("9 seconds")(
        Effect.andThen(Effect.ignore(Deadline.within("1 second")(Effect.never)), remainingMs)
      )
      const [result] = yield* ended(outer)
      assert.deepStrictEqual(result._tag === "Success" && result.success, Option.some(8_000))
    })
  )

  it.effect("that has passed starts nothing", () =>
    Effect.gen(function* () {
      let started = false
      yield* TestClock.adjust("1 minute")
      const work = Effect.sync(() => (started = true))
      for (const deadline of [Deadline.within(0), Deadline.until(59_999, 5_000)]) {
        const error = yield* Effect.flip(deadline(work))
        assert.strictEqual(error._tag, "DeadlineExceeded")
      }
      assert.isFalse(started)
    })
  )

  it.effect("names the whole time that was given where it ran from an earlier start", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust("3 seconds")
      const [result, at] = yield* ended(Deadline.until(5_000, 5_000)(Effect.never))
      assert.strictEqual(at, 5_000)
      assert.strictEqual(result._tag === "Failure" && result.failure.limitMs, 5_000)
    })
  )
})
