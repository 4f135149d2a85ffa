import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import { Fibers } from "../../../src/runtime/swarm/Fibers.ts"
import * as ProgressReports from "../../../src/runtime/swarm/ProgressReports.ts"

const fibers = Effect.map(Effect.context<never>(), (context) => new Fibers(context))

const turns = Effect.repeat(Effect.yieldNow, { times: 10 })

describe("ProgressReports", () => {
  it.effect("tells the newest state, one report at a time, and all of a burst at once", () =>
    Effect.gen(function* () {
      const { end, run } = yield* fibers
      const slow = Deferred.makeUnsafe<void>()
      const told: Array<number> = []
      let state = 0
      const report = Effect.suspend(() => {
        told.push(state)
        return told.length === 1 ? Deferred.await(slow) : Effect.void
      })
      const onMoved = ProgressReports.make(run, report)
      const move = (to: number) => {
        state = to
        onMoved()
      }
      for (const to of [1, 2, 3]) move(to)
      yield* turns
      for (const to of [4, 5]) move(to)
      yield* turns
      assert.deepStrictEqual(told, [3])
      yield* Deferred.succeed(slow, undefined)
      yield* turns
      assert.deepStrictEqual(told, [3, 5])
      move(6)
      yield* turns
      assert.deepStrictEqual(told, [3, 5, 6])
      yield* end
    })
  )
})

describe("Fibers", () => {
  it.effect("end all that run, wait for them, and begin nothing any more", () =>
    Effect.gen(function* () {
      const { end, run } = yield* fibers
      const ended: Array<string> = []
      const forever = (name: string) =>
        Effect.never.pipe(
          Effect.ensuring(
            Effect.andThen(
              Effect.yieldNow,
              Effect.sync(() => void ended.push(name))
            )
          )
        )
      run(forever("one"))
      run(forever("other"))
      run(Effect.void)
      yield* end
      assert.sameMembers(ended, ["one", "other"])
      run(Effect.sync(() => void ended.push("late")))
      yield* turns
      assert.notInclude(ended, "late")
    })
  )
})
