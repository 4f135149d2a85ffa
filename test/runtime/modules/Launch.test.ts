/** What becomes of a command whose program the system does not start. That it runs: `test/e2e/Running.test.ts`. */
import { afterEach, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Launch from "../../../src/runtime/modules/Launch.ts"

const program: Launch.Program = { file: "/app.js", args: [], lock: "/libreseed.lock.json", home: "/home" }

const execPath = process.execPath
afterEach(() => {
  process.execPath = execPath
})

/** Bytes of one argument; Linux takes 128 KiB. */
const HUGE_BYTES = 16 * 1024 * 1024

describe("a program that cannot be started", () => {
  it.effect("ends the command with what the system says, told afterwards", () =>
    Effect.gen(function* () {
      const signals = process.listenerCount("SIGTERM")
      process.execPath = "/nonexistent/node"
      const error = yield* Effect.flip(Launch.launch(program))
      assert.deepStrictEqual([error._tag, error.code], ["ProgramNotStarted", "ENOENT"])
      assert.include(error.message, "/app.js")
      assert.strictEqual(process.listenerCount("SIGTERM"), signals)
    })
  )

  it.effect("ends the command with what the system says, thrown", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Launch.launch({ ...program, args: ["x".repeat(HUGE_BYTES)] }))
      assert.strictEqual(error._tag, "ProgramNotStarted")
      assert.include(["E2BIG", "ENAMETOOLONG"], error.code)
      assert.include(error.hint, "arguments")
    })
  )
})
