/** Virtual time, the order of fibers, clocks that are wrong, and processes that are killed. */
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import { Chance } from "../../../../src/protocol/testing/simulation/Chance.ts"
import { EPOCH_MS, Kernel } from "../../../../src/protocol/testing/simulation/Kernel.ts"

const FOR_EVER = Number.MAX_SAFE_INTEGER

const make = (seed: number) => new Kernel(Chance.of(seed))

/** Runs work in a process of its own to its end. */
const play = <A, E>(kernel: Kernel, work: Effect.Effect<A, E>): Exit.Exit<A, E> | undefined => {
  let exit: Exit.Exit<A, E> | undefined
  kernel.process("test").fork(work, (ended) => {
    exit = ended
  })
  kernel.run(() => exit !== undefined, FOR_EVER)
  return exit
}

/** Three fibers that each say their name a few times. */
const talk = (said: Array<string>) =>
  Effect.forEach(
    ["a", "b", "c"],
    (name) =>
      Effect.repeat(
        Effect.andThen(
          Effect.yieldNow,
          Effect.sync(() => said.push(name))
        ),
        { times: 5 }
      ),
    { concurrency: "unbounded", discard: true }
  )

describe("Kernel", () => {
  it("lets a month pass at once", () => {
    const kernel = make(1)
    const exit = play(kernel, Effect.andThen(Effect.sleep("30 days"), Clock.currentTimeMillis))
    assert.deepStrictEqual(exit, Exit.succeed(EPOCH_MS + 30 * 24 * 3600 * 1000))
    assert.strictEqual(kernel.elapsedMs, 30 * 24 * 3600 * 1000)
  })

  it("runs fibers in an order that the seed decides", () => {
    const orderOf = (seed: number) => {
      const said: Array<string> = []
      play(make(seed), talk(said))
      assert.lengthOf(said, 18)
      return said.join("")
    }
    assert.strictEqual(orderOf(1), orderOf(1))
    assert.isAtLeast(new Set([1, 2, 3, 4, 5].map(orderOf)).size, 4)
  })

  it("wakes sleepers by the time at which they are due, and of one time in the order in which they lay down", () => {
    const woken: Array<number> = []
    const sleeper = (ms: number) =>
      Effect.andThen(
        Effect.sleep(ms),
        Effect.sync(() => woken.push(ms))
      )
    play(make(1), Effect.forEach([30, 10, 20], sleeper, { concurrency: "unbounded", discard: true }))
    assert.deepStrictEqual(woken, [10, 20, 30])
  })

  it("gives every process chance of its own from the seed", () => {
    const draw = (seed: number, name: string) => {
      const kernel = make(seed)
      let drawn: Exit.Exit<number> | undefined
      kernel.process(name).fork(Random.next, (exit) => {
        drawn = exit
      })
      kernel.run(() => drawn !== undefined, FOR_EVER)
      return JSON.stringify(drawn)
    }
    assert.strictEqual(draw(1, "alice"), draw(1, "alice"))
    assert.notStrictEqual(draw(1, "alice"), draw(1, "bob"))
    assert.notStrictEqual(draw(1, "alice"), draw(2, "alice"))
  })

  it("tells a process whose clock is wrong the wrong time, and lets it sleep as long as any other", () => {
    const kernel = make(1)
    const late = kernel.process("late", -600_000)
    let read: Exit.Exit<readonly [number, number]> | undefined
    late.fork(
      Effect.gen(function* () {
        const before = yield* Clock.currentTimeMillis
        yield* Effect.sleep("1 minute")
        return [before, yield* Clock.currentTimeMillis] as const
      }),
      (exit) => {
        read = exit
      }
    )
    kernel.run(() => read !== undefined, FOR_EVER)
    assert.deepStrictEqual(read, Exit.succeed([EPOCH_MS - 600_000, EPOCH_MS - 540_000] as const))
    assert.strictEqual(kernel.elapsedMs, 60_000)
  })

  it("finds that nothing is left to do", () => {
    const kernel = make(1)
    kernel.process("test").fork(Effect.never)
    assert.strictEqual(
      kernel.run(() => false, FOR_EVER),
      "stuck"
    )
  })

  it("finds that no time passes", () => {
    const kernel = make(1)
    kernel.process("test").fork(Effect.forever(Effect.yieldNow))
    assert.strictEqual(
      kernel.run(() => false, FOR_EVER),
      "circling"
    )
  })

  it("stops before what is planned later than it may go", () => {
    const kernel = make(1)
    kernel.process("test").fork(Effect.sleep("1 hour"))
    assert.strictEqual(
      kernel.run(() => false, EPOCH_MS + 1000),
      "overtime"
    )
    assert.strictEqual(kernel.elapsedMs, 1000)
    assert.strictEqual(
      kernel.run(() => false, FOR_EVER),
      "stuck"
    )
    assert.strictEqual(kernel.elapsedMs, 3_600_000, "what was to come is not forgotten")
  })

  it("stops a killed process where it stands, without its finalizers, and tells who waits", () => {
    const kernel = make(1)
    const process = kernel.process("alice")
    const did: Array<string> = []
    let exit: Exit.Exit<void> | undefined
    process.fork(
      Effect.ensuring(
        Effect.andThen(
          Effect.sleep("1 minute"),
          Effect.sync(() => void did.push("woke"))
        ),
        Effect.sync(() => void did.push("finalized"))
      ),
      (ended) => {
        exit = ended
      }
    )
    kernel.after(1000, () => process.kill())
    kernel.run(() => false, FOR_EVER)
    assert.deepStrictEqual(did, [])
    assert.isTrue(exit !== undefined && Exit.isFailure(exit))
    assert.include(JSON.stringify(exit), "Killed")
    assert.strictEqual(process.fibers, 0)
  })

  it("does not start work of a process that was killed", () => {
    const kernel = make(1)
    const process = kernel.process("alice")
    process.kill()
    let exit: Exit.Exit<void> | undefined
    process.fork(Effect.void, (ended) => {
      exit = ended
    })
    assert.isTrue(exit !== undefined && Exit.isFailure(exit))
  })

  it("counts the fibers that have not ended", () => {
    const kernel = make(1)
    const process = kernel.process("alice")
    process.fork(
      Effect.gen(function* () {
        const child = yield* Effect.forkChild(Effect.sleep("1 hour"))
        yield* Effect.sleep("1 minute")
        yield* Fiber.interrupt(child)
      })
    )
    kernel.run(() => kernel.elapsedMs >= 0 && process.fibers === 2, FOR_EVER)
    assert.deepStrictEqual(
      kernel.running.map(({ name }) => name),
      ["alice"]
    )
    kernel.run(() => false, FOR_EVER)
    assert.strictEqual(process.fibers, 0)
  })

  it("does not wake who was interrupted", () => {
    const kernel = make(1)
    const process = kernel.process("alice")
    let woke = false
    const interrupt = process.fork(
      Effect.andThen(
        Effect.sleep("1 hour"),
        Effect.sync(() => {
          woke = true
        })
      )
    )
    kernel.after(1000, interrupt)
    kernel.run(() => false, FOR_EVER)
    assert.isFalse(woke)
    assert.strictEqual(kernel.elapsedMs, 1000)
  })
})
