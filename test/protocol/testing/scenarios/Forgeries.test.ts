import { assert, describe, it } from "@effect/vitest"
import { forgeries } from "../../../../src/protocol/testing/scenarios/Forgeries.ts"
import * as Seeds from "./Seeds.ts"

/** Few enough for every run of the tests; the simulation's own runs take hundreds. */
const SEEDS = 3

describe("forgeries", () => {
  it(
    "finds nothing wrong, and somebody forges and somebody reads",
    () => {
      const reports = Array.from({ length: SEEDS }, (_, at) => Seeds.report(forgeries, at + 1))
      assert.deepStrictEqual(
        reports.flatMap(({ finding, seed }) => (finding === undefined ? [] : [{ seed, finding }])),
        []
      )
      for (const figure of ["forged", "flawed releases", "read"]) {
        const total = reports.reduce((sum, { figures }) => sum + (figures[figure] ?? 0), 0)
        assert.isAbove(total, 0, figure)
      }
    },
    Seeds.TIMEOUT_MS
  )

  it("plays a seed twice in the same way, and two seeds in different ways", () => {
    const [once, again, other] = Seeds.hashes(forgeries)
    assert.strictEqual(once, again)
    assert.notStrictEqual(once, other)
  })
})
