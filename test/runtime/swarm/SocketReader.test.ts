/** Steps of a handshake as the bytes come. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { failing, SocketReader, type Steps } from "../../../src/runtime/swarm/SocketReader.ts"
import * as Nodes from "./Nodes.ts"

function* twice(reader: SocketReader): Steps<readonly [string, string]> {
  const one = yield* reader.take(3)
  return [one.toString(), (yield* reader.takeThrough(Buffer.from("!"), 8)).toString()]
}

describe("SocketReader", () => {
  it.live("takes the steps, keeps what came behind them, and pauses the socket", () =>
    Effect.gen(function* () {
      const [a, b] = yield* Nodes.pair
      const reader = new SocketReader(a, "a")
      b.write("onetwo!and the rest")
      assert.deepStrictEqual(yield* reader.run(twice(reader)), ["one", "two!"])
      assert.strictEqual(reader.rest.toString(), "and the rest")
      assert.isTrue(a.isPaused())
      assert.deepStrictEqual([a.listenerCount("data"), a.listenerCount("close")], [0, 0])
    })
  )

  it.live("fails where a step fails, the peer leaves, or a step throws", () =>
    Effect.gen(function* () {
      const [a, b] = yield* Nodes.pair
      const reader = new SocketReader(a, "a")
      assert.strictEqual(yield* Effect.flip(reader.run(failing("no" as const))), "no")
      // eslint-disable-next-line require-yield
      function* broken(): Steps<void> {
        throw new RangeError("broken")
      }
      assert.include((yield* Effect.flip(reader.run(broken()))).message, "not survived")
      const reading = yield* Effect.forkChild(Effect.flip(reader.run(twice(reader))))
      b.destroy()
      const failure = yield* Fiber.join(reading)
      assert.strictEqual(failure._tag, "NotUnderstood")
    })
  )

  it.live("does not listen any more where it is interrupted", () =>
    Effect.gen(function* () {
      const [a] = yield* Nodes.pair
      const reader = new SocketReader(a, "a")
      const reading = yield* Effect.forkChild(reader.run(twice(reader)))
      yield* Effect.yieldNow
      yield* Fiber.interrupt(reading)
      assert.deepStrictEqual([a.listenerCount("data"), a.isPaused()], [0, true])
    })
  )
})
