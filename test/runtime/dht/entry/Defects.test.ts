import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as References from "effect/References"
import * as TestClock from "effect/testing/TestClock"
import { DhtError, SocketFailed } from "../../../../src/protocol/dht/DhtError.ts"
import * as Defects from "../../../../src/runtime/dht/entry/Defects.ts"

interface Line {
  readonly level: string
  readonly text: string
}

const setUp = Effect.fnUntraced(function* (outcome: Effect.Effect<boolean, DhtError> = Effect.succeed(true)) {
  const lines: Array<Line> = []
  let rebuilt = 0
  const defects = yield* Defects.make
  const logger = Logger.make(({ cause, logLevel, message }) => {
    lines.push({ level: logLevel, text: `${String(message)} ${Cause.pretty(cause)}` })
  })
  yield* defects
    .watch(Effect.suspend(() => (rebuilt++, outcome)))
    .pipe(
      Effect.provide(Logger.layer([logger])),
      Effect.provideService(References.MinimumLogLevel, "Debug"),
      Effect.forkScoped
    )
  const note = Effect.fnUntraced(function* (...thrown: ReadonlyArray<unknown>) {
    for (const each of thrown) {
      defects.note(each)
      yield* TestClock.adjust(1)
    }
  })
  return { lines, note, rebuilt: () => rebuilt }
})

const many = (count: number) => Array.from({ length: count }, (_, i) => new TypeError(`odd ${i}`))

describe("Defects", () => {
  it.effect("tells of the first of each kind, with its stack, and of no other", () =>
    Effect.gen(function* () {
      const { lines, note } = yield* setUp()
      yield* note(new TypeError("no buffer"), new TypeError("no buffer"), "a string")
      assert.deepStrictEqual(
        lines.map(({ level }) => level),
        ["Debug", "Debug"]
      )
      assert.include(lines[0]!.text, "no buffer")
      assert.include(lines[0]!.text, "Defects.test.ts")
      assert.include(lines[1]!.text, "a string")
    })
  )

  it.effect("stays silent when there are ever other ones", () =>
    Effect.gen(function* () {
      const { lines, note } = yield* setUp()
      yield* note(...many(500))
      assert.strictEqual(lines.filter(({ level }) => level === "Debug").length, Defects.KINDS_MAX)
    })
  )

  it.effect("rebuilds the node past a few within minutes, and not again before half an hour is over", () =>
    Effect.gen(function* () {
      const { lines, note, rebuilt } = yield* setUp()
      for (const each of many(3 * Defects.DEFECTS_MAX)) {
        yield* note(each)
        yield* TestClock.adjust(Defects.WINDOW_MS / (Defects.DEFECTS_MAX - 1))
      }
      assert.strictEqual(rebuilt(), 0, "they were far between")
      yield* note(...many(3 * Defects.DEFECTS_MAX))
      assert.strictEqual(rebuilt(), 1)
      assert.strictEqual(lines.filter(({ level }) => level === "Warn").length, 1)
      yield* TestClock.adjust(Defects.REBUILD_INTERVAL_MS)
      yield* note(...many(Defects.DEFECTS_MAX))
      assert.strictEqual(rebuilt(), 2)
    })
  )

  it.effect(
    "tries again after a few more where users would not let go of the node, and lives on without a socket",
    () =>
      Effect.gen(function* () {
        const failed = new DhtError({ reason: new SocketFailed({ address: "127.0.0.1:1", problem: "in use" }) })
        for (const outcome of [Effect.succeed(false), Effect.fail(failed)]) {
          const { note, rebuilt } = yield* setUp(outcome)
          yield* note(...many(Defects.DEFECTS_MAX))
          assert.strictEqual(rebuilt(), 1)
          yield* note(...many(Defects.DEFECTS_MAX))
          assert.strictEqual(rebuilt(), 2)
        }
      })
  )
})
