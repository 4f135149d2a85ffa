import * as NodeFs from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FileSystem from "effect/FileSystem"
import type * as Layer from "effect/Layer"
import type { Scope } from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as FileLock from "../../../src/runtime/store/FileLock.ts"
import * as FaultyFileSystem from "../FaultyFileSystem.ts"
import { platform } from "../TemporaryHome.ts"
import { run } from "./Run.ts"

/** A number that no process has: above the largest that systems give out. */
const NOBODY = 0x7fff_fff0

const directory = Effect.flatMap(FileSystem.FileSystem, (fs) =>
  fs.makeTempDirectoryScoped({ prefix: "libreseed-lock-" })
)

/** What is in the folder. */
const names = (folder: string) => Effect.sync(() => NodeFs.readdirSync(folder).toSorted())

const ownedBy = (pid: number, started = "") => JSON.stringify({ pid, started, token: "00" })

/** Lets virtual time pass while files are really read: a turn of the event loop after every step. */
const step = (duration: Duration.Input) =>
  TestClock.adjust(duration).pipe(Effect.andThen(Effect.promise(() => NodeFs.promises.stat("."))))

const advance = (steps: number, duration: Duration.Input = "1 minutes") =>
  Effect.forEach(Array.from({ length: steps }), () => step(duration), { discard: true })

const until = <A, E>(fiber: Fiber.Fiber<A, E>) =>
  Effect.repeat(step("1 seconds"), { until: () => fiber.pollUnsafe() !== undefined })

describe("FileLock", () => {
  const test = <A>(title: string, body: Effect.Effect<A, unknown, Layer.Success<typeof platform> | Scope>) =>
    it.live(title, () => Effect.scoped(body).pipe(Effect.provide(platform, { local: true })))

  test(
    "lets many fibers in one after the other, and leaves nothing behind",
    Effect.gen(function* () {
      const folder = yield* directory
      let inside = 0
      let most = 0
      const visit = FileLock.withLock(
        `${folder}/lock`,
        Effect.gen(function* () {
          most = Math.max(most, ++inside)
          yield* Effect.yieldNow
          yield* names(folder)
          inside--
        })
      )
      yield* Effect.forEach(Array.from({ length: 10 }), () => visit, { concurrency: "unbounded" })
      assert.strictEqual(most, 1)
      assert.deepStrictEqual(yield* names(folder), [])
    })
  )

  test(
    "lets processes in one after the other, though some are killed while they hold it",
    Effect.gen(function* () {
      const folder = yield* directory
      const rounds = 25
      const fatal = [0, 3, 0, 7, 12]
      const ends = yield* Effect.forEach(
        fatal,
        (round) => run("LockProgram.ts", `${folder}/lock`, `${folder}/journal`, String(rounds), String(round)),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(
        ends.map(({ end, stderr }) => [end, stderr]),
        fatal.map((round) => [round === 0 ? "0" : "SIGKILL", ""])
      )
      const lines = NodeFs.readFileSync(`${folder}/journal`, "utf8").trimEnd().split("\n")
      const visits = fatal.reduce((sum, round) => sum + (round === 0 ? rounds : round), 0)
      assert.strictEqual(lines.length, 2 * visits)
      for (let i = 0; i < lines.length; i += 2) {
        assert.match(lines[i]!, /^in /)
        assert.strictEqual(lines[i + 1], lines[i]!.replace("in", "out"))
      }
      yield* FileLock.withLock(`${folder}/lock`, Effect.void)
      assert.deepStrictEqual(yield* names(folder), ["journal"])
    })
  )

  test(
    "takes over from a process that is gone, from one that had the same number, and from one killed while taking over",
    Effect.gen(function* () {
      const folder = yield* directory
      const lock = `${folder}/lock`
      const before = process.platform === "linux" ? [ownedBy(NOBODY), ownedBy(process.pid, "1")] : [ownedBy(NOBODY)]
      for (const content of before) {
        NodeFs.writeFileSync(lock, content)
        NodeFs.writeFileSync(`${lock}.break`, content)
        NodeFs.writeFileSync(`${lock}.break.break`, content)
        yield* Effect.forEach([1, 2, 3], () => FileLock.withLock(lock, Effect.void), { concurrency: "unbounded" })
        assert.deepStrictEqual(yield* names(folder), [])
      }
    })
  )

  it.effect("waits for a running process, however long it takes", () =>
    Effect.gen(function* () {
      const folder = yield* directory
      const lock = `${folder}/lock`
      NodeFs.writeFileSync(lock, ownedBy(process.pid))
      const waiting = yield* Effect.forkChild(FileLock.withLock(lock, Effect.succeed("in")))
      yield* advance(20)
      assert.isUndefined(waiting.pollUnsafe())
      NodeFs.rmSync(lock)
      yield* until(waiting)
      assert.strictEqual(yield* Fiber.join(waiting), "in")
    }).pipe(Effect.provide(platform, { local: true }))
  )

  it.effect("waits a moment before it takes an illegible lock for stale", () =>
    Effect.gen(function* () {
      const folder = yield* directory
      const lock = `${folder}/lock`
      NodeFs.writeFileSync(lock, "")
      const waiting = yield* Effect.forkChild(FileLock.withLock(lock, Effect.succeed("in")))
      yield* advance(10, "100 millis")
      assert.isUndefined(waiting.pollUnsafe())
      yield* until(waiting)
      assert.strictEqual(yield* Fiber.join(waiting), "in")
      assert.deepStrictEqual(yield* names(folder), [])
    }).pipe(Effect.provide(platform, { local: true }))
  )

  test(
    "is released when its holder is interrupted, and forgets a waiter that is",
    Effect.gen(function* () {
      const folder = yield* directory
      const lock = `${folder}/lock`
      const holder = yield* Effect.forkChild(FileLock.withLock(lock, Effect.never))
      const only = (expected: ReadonlyArray<string>) =>
        Effect.repeat(names(folder), { until: (present) => present.join() === expected.join() })
      yield* only(["lock"])
      const waiter = yield* Effect.forkChild(FileLock.withLock(lock, Effect.void))
      yield* Effect.yieldNow
      yield* Fiber.interrupt(waiter)
      yield* only(["lock"])
      yield* Fiber.interrupt(holder)
      assert.deepStrictEqual(yield* names(folder), [])
    })
  )

  test(
    "fails, and leaves nothing behind, whichever write of the lock fails",
    Effect.gen(function* () {
      const folder = yield* directory
      let tried = 0
      const outcomes = yield* Effect.forEach([0, 1, 2, 3, 4, 5], (writes) =>
        Effect.gen(function* () {
          const faulty = FaultyFileSystem.layer({
            failAfterWrites: writes,
            code: "ENOSPC",
            onWrite: () => Effect.sync(() => void tried++)
          })
          const outcome = yield* Effect.result(
            FileLock.withLock(`${folder}/lock`, Effect.void).pipe(Effect.provide(faulty, { local: true }))
          )
          if (outcome._tag === "Failure") assert.include(String(outcome.failure.cause), "ENOSPC")
          assert.deepStrictEqual(yield* names(folder), [])
          return outcome._tag
        })
      )
      assert.isAbove(tried, 0)
      assert.strictEqual(outcomes[0], "Failure")
      assert.strictEqual(outcomes.at(-1), "Success")
    })
  )
})
