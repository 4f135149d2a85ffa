/** What every `RePutState` must do. Run against the in-memory layer and against SQLite alike. */
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as RePutHealth from "../../../src/protocol/registry/RePutHealth.ts"
import { KEPT_FOR, RePutState, SET_BACK } from "../../../src/protocol/registry/RePutState.ts"

const kept = Duration.toMillis(KEPT_FOR)
const setBack = Duration.toMillis(SET_BACK)

/** Of the page whose target ends in `digit`. */
export const healthOf = (digit: number, changes: Partial<RePutHealth.Health> = {}): RePutHealth.Health => ({
  kind: "page",
  target: digit.toString(16).padStart(40, "0"),
  keyString: undefined,
  acks: 15,
  holders: undefined,
  keepers: ["203.0.113.1:6881", "198.51.100.7:51413"],
  kept: undefined,
  puts: 3,
  lastPut: 1_000,
  lastLook: undefined,
  putBy: 80_000_000,
  isInStep: false,
  nextDue: 10_000,
  failures: 0,
  isMissing: false,
  survival: { lost: 1.44, nodeMs: 123_456.789, longestMs: 3_600_000 },
  shortLives: 0,
  hourlyUntil: undefined,
  ...changes
})

const byTarget = (healths: ReadonlyArray<RePutHealth.Health>) =>
  healths.toSorted((a, b) => (a.kind + a.target < b.kind + b.target ? -1 : 1))

const loaded = Effect.flatMap(RePutState, ({ load }) =>
  Effect.map(load, ({ healths, savedAt }) => ({ healths: byTarget(healths), savedAt }))
)

export const suite = <E>(name: string, layer: Layer.Layer<RePutState, E>) => {
  const test = (title: string, body: Effect.Effect<void, unknown, RePutState>) =>
    it.effect(title, () => Effect.provide(body, layer, { local: true }))

  describe(`RePutState in ${name}`, () => {
    test(
      "knows nothing at first",
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* loaded, { healths: [], savedAt: undefined })
      })
    )

    test(
      "gives back what was saved last of each item, and when",
      Effect.gen(function* () {
        const { save } = yield* RePutState
        yield* save([healthOf(1), healthOf(2)], 5_000)
        const changed = healthOf(2, {
          holders: 7,
          kept: 6,
          lastLook: 6_000,
          hourlyUntil: 9_000,
          keyString: "libreseed:x"
        })
        yield* save([changed], 6_000)
        assert.deepStrictEqual(yield* loaded, { healths: [healthOf(1), changed], savedAt: 6_000 })
      })
    )

    test(
      "tells items of one target and several kinds apart",
      Effect.gen(function* () {
        const { save } = yield* RePutState
        yield* save([healthOf(1), healthOf(1, { kind: "record" })], 5_000)
        assert.strictEqual((yield* loaded).healths.length, 2)
      })
    )

    test(
      "forgets what was not saved for a week",
      Effect.gen(function* () {
        const { save } = yield* RePutState
        yield* save([healthOf(1), healthOf(2)], 5_000)
        yield* save([healthOf(2)], 6_000)
        yield* save([], 5_000 + kept)
        assert.lengthOf((yield* loaded).healths, 2)
        yield* save([], 5_001 + kept)
        assert.deepStrictEqual(yield* loaded, { healths: [healthOf(2)], savedAt: 5_001 + kept })
      })
    )

    test(
      "forgets what a clock saved that ran ahead, once it is known to have done so",
      Effect.gen(function* () {
        const { save } = yield* RePutState
        const ahead = 10 * kept
        yield* save([healthOf(1)], ahead)
        yield* save([healthOf(2)], ahead + setBack)
        yield* save([healthOf(3)], ahead)
        assert.deepStrictEqual(yield* loaded, { healths: [1, 2, 3].map((n) => healthOf(n)), savedAt: ahead })
        yield* save([healthOf(3)], 5_000)
        assert.deepStrictEqual(yield* loaded, { healths: [healthOf(3)], savedAt: 5_000 })
      })
    )
  })
}
