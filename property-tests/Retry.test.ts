/** Laws of trying again: bounded in number and in time, and never longer than it takes. */
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import * as TestClock from "effect/testing/TestClock"
import * as fc from "fast-check"
import * as Deadline from "../src/protocol/core/Deadline.ts"
import * as Retry from "../src/protocol/core/Retry.ts"
import { runs } from "./Runs.ts"

const scenario = fc.record({
  base: fc.integer({ min: 1, max: 2_000 }),
  factor: fc.double({ min: 1, max: 4, noNaN: true }),
  maxPause: fc.integer({ min: 1, max: 10_000 }),
  maxTries: fc.integer({ min: 1, max: 8 }),
  /** How long each try takes. */
  work: fc.integer({ min: 0, max: 500 }),
  /** Tries that fail before one succeeds; an odd one out of them fails for good. */
  failures: fc.integer({ min: 0, max: 12 }),
  permanentAt: fc.option(fc.integer({ min: 1, max: 12 })),
  deadline: fc.option(fc.integer({ min: 1, max: 20_000 })),
  seed: fc.string()
})

type Scenario = typeof scenario extends fc.Arbitrary<infer A> ? A : never

interface Trace {
  /** Start and end of each try, in ms. */
  readonly tries: ReadonlyArray<readonly [number, number]>
  readonly end: string
  readonly endedAt: number
}

const play = ({ deadline, failures, permanentAt, seed, work, ...options }: Scenario): Promise<Trace> =>
  Effect.gen(function* () {
    const tries: Array<readonly [number, number]> = []
    const attempt = Effect.gen(function* () {
      const start = yield* Clock.currentTimeMillis
      const number = tries.length + 1
      if (work > 0) yield* Effect.sleep(work)
      tries.push([start, yield* Clock.currentTimeMillis])
      if (number === permanentAt) return yield* Effect.fail("permanent")
      return number > failures ? "done" : yield* Effect.fail(`failed ${number}`)
    })
    const all = Retry.transient(attempt, { ...options, isTransient: (error) => error !== "permanent" })
    const bounded = deadline === null ? all : Deadline.within(deadline)(all)
    const ended = bounded.pipe(
      Effect.match({ onFailure: (error) => (typeof error === "string" ? error : error._tag), onSuccess: (a) => a }),
      Effect.zip(Clock.currentTimeMillis),
      Random.withSeed(seed)
    )
    const fiber = yield* Effect.forkChild(ended)
    yield* TestClock.adjust("1 hour")
    const [end, endedAt] = yield* Fiber.join(fiber)
    return { tries, end, endedAt }
  }).pipe(Effect.scoped, Effect.provide(TestClock.layer()), Effect.runPromise)

const law = (title: string, holds: (given: Scenario, trace: Trace) => void) =>
  it(title, () =>
    fc.assert(
      fc.asyncProperty(scenario, async (given) => holds(given, await play(given))),
      runs
    )
  )

describe("Retry", () => {
  law("never makes more tries than it may, and none after a success or a failure for good", (given, { end, tries }) => {
    const stop = Math.min(given.failures + 1, given.permanentAt ?? Number.POSITIVE_INFINITY, given.maxTries)
    assert.isAtMost(tries.length, stop)
    if (given.deadline === null) assert.strictEqual(tries.length, stop)
    if (end === "done") assert.strictEqual(tries.length, given.failures + 1)
    if (end === "permanent") assert.strictEqual(tries.length, given.permanentAt)
  })

  law(
    "pauses within the bounds that it states, which never fall and never pass the longest pause",
    (given, { tries }) => {
      for (let i = 1; i < tries.length; i++) {
        const pause = tries[i]![0] - tries[i - 1]![1]
        const [least, most] = Retry.boundsOf(given, i)
        // The virtual clock counts whole milliseconds.
        assert.isTrue(pause >= Math.floor(least) && pause <= Math.ceil(most), `${pause} not in ${least}–${most}`)
        assert.isAtMost(most, given.maxPause)
        assert.isAtLeast(Retry.boundsOf(given, i + 1)[0], least)
        assert.isAtLeast(Retry.boundsOf(given, i + 1)[1], most)
      }
    }
  )

  law("never pauses past the deadline: it ends with its last error while there is time left", (given, trace) => {
    const { end, endedAt, tries } = trace
    if (given.deadline === null) return
    assert.isAtMost(endedAt, given.deadline)
    const last = tries.at(-1)
    // Only a try can be cut off by the deadline, never a pause.
    if (end === "DeadlineExceeded") assert.isAbove(given.work, 0)
    else assert.strictEqual(endedAt, last?.[1])
  })

  law("ends as its last try did", (given, { end, tries }) => {
    const number = tries.length
    if (end === "DeadlineExceeded") return
    const expected = number === given.permanentAt ? "permanent" : number > given.failures ? "done" : `failed ${number}`
    assert.strictEqual(end, expected)
  })
})
