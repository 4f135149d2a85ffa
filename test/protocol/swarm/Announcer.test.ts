/** One fiber that announces any number of torrents, on a clock of its own. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { sha1 } from "../../../src/protocol/core/Digest.ts"
import * as Infohash from "../../../src/protocol/core/Infohash.ts"
import * as Announcer from "../../../src/protocol/swarm/Announcer.ts"

const infohash = (i: number): Infohash.Infohash => Infohash.Infohash.make(sha1(Uint8Array.of(i, i >> 8)))

interface Refused {
  readonly message: string
}

const recording = (fails: (i: number) => boolean = () => false) => {
  const told: Array<string> = []
  const announce = (key: Infohash.Infohash) =>
    Effect.suspend(() => {
      told.push(Infohash.toHex(key))
      return fails(told.length) ? Effect.fail<Refused>({ message: "nobody listens" }) : Effect.void
    })
  return { told, announce }
}

const test = (title: string, body: Effect.Effect<void, unknown, Scope.Scope>) =>
  it.effect(title, () => Effect.scoped(body))

describe("Announcer", () => {
  test(
    "announces what is added, again and again, until its scope closes",
    Effect.gen(function* () {
      const { announce, told } = recording()
      const announcer = yield* Announcer.make(announce)
      const scope = yield* Scope.make()
      yield* Scope.provide(announcer.add(infohash(1)), scope)
      yield* announcer.announced(infohash(1))
      assert.strictEqual(told.length, 1)
      yield* TestClock.adjust("65 minutes")
      assert.isTrue(told.length >= 4 && told.length <= 5, `${told.length} times`)
      yield* Scope.close(scope, Exit.void)
      const before = told.length
      yield* TestClock.adjust("2 hours")
      assert.strictEqual(told.length, before)
    })
  )

  test(
    "goes on while one of those who added a torrent is left",
    Effect.gen(function* () {
      const { announce, told } = recording()
      const announcer = yield* Announcer.make(announce)
      const scope = yield* Scope.make()
      yield* Scope.provide(announcer.add(infohash(1)), scope)
      yield* announcer.add(infohash(1))
      yield* announcer.announced(infohash(1))
      yield* Scope.close(scope, Exit.void)
      yield* TestClock.adjust("21 minutes")
      assert.strictEqual(told.length, 2)
    })
  )

  test(
    "tells who waits, and who listens, how an announce went",
    Effect.gen(function* () {
      const { announce } = recording((i) => i === 1)
      const announcer = yield* Announcer.make(announce)
      const heard: Array<boolean> = []
      yield* announcer.add(infohash(1), (outcome) => Effect.sync(() => void heard.push(Result.isSuccess(outcome))))
      const error = yield* Effect.flip(announcer.announced(infohash(1)))
      assert.strictEqual(error.message, "nobody listens")
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(heard, [false, true])
      yield* announcer.announced(infohash(1))
      assert.deepStrictEqual(heard, [false, true])
    })
  )

  test(
    "does not let thousands hold up the one that somebody waits for",
    Effect.gen(function* () {
      const { announce, told } = recording()
      const announcer = yield* Announcer.make(announce, { bounds: { perSecond: 10, atOnce: 4 } })
      for (let i = 0; i < 3_000; i++) yield* announcer.add(infohash(i))
      yield* TestClock.adjust("1 second")
      assert.isAtMost(told.length, 30)
      yield* announcer.announced(infohash(2_999))
      assert.isAtMost(told.length, 31)
      assert.include(told, Infohash.toHex(infohash(2_999)))
      yield* TestClock.adjust("6 minutes")
      assert.strictEqual(new Set(told).size, 3_000)
    })
  )

  test(
    "has no more at work than it may, and goes on when they end",
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      let running = 0
      let most = 0
      const announcer = yield* Announcer.make<Refused>(
        () =>
          Effect.gen(function* () {
            most = Math.max(most, ++running)
            yield* Deferred.await(gate)
            running--
          }),
        { bounds: { perSecond: 100, atOnce: 3 } }
      )
      for (let i = 0; i < 20; i++) yield* announcer.add(infohash(i))
      const last = yield* Effect.forkChild(announcer.announced(infohash(19)))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(most, 3)
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(last)
      assert.strictEqual(most, 3)
    })
  )
})
