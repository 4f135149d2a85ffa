import { assert, describe, it } from "@effect/vitest"
import * as Fault from "../../../../src/protocol/testing/simulation/Fault.ts"
import { crashAnywhere } from "../../../../src/protocol/testing/scenarios/CrashAnywhere.ts"
import * as Seeds from "./Seeds.ts"

/** Few enough for every run of the tests; the simulation's own runs take hundreds. */
const SEEDS = 4

describe("crash-anywhere", () => {
  it(
    "finds nothing wrong",
    () => {
      assert.deepStrictEqual(Seeds.findings(crashAnywhere, SEEDS), [])
    },
    Seeds.TIMEOUT_MS
  )

  it("plays a seed twice in the same way, and two seeds in different ways", () => {
    const [once, again, other] = Seeds.hashes(crashAnywhere)
    assert.strictEqual(once, again)
    assert.notStrictEqual(once, other)
  })

  it("finds that a machine which never starts again has not finished", () => {
    const finding = Seeds.report(Seeds.withFaults(crashAnywhere, [Fault.crash({ atMs: 3_600_000 }, "ann")]), 1).finding
    assert.strictEqual(finding?.kind, "goal")
  })
})
