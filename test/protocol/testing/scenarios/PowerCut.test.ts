import { assert, describe, it } from "@effect/vitest"
import { powerCut } from "../../../../src/protocol/testing/scenarios/PowerCut.ts"
import * as Seeds from "./Seeds.ts"

/** Few enough for every run of the tests; the simulation's own runs take hundreds. */
const SEEDS = 2

describe("power-cut", () => {
  it(
    "finds nothing wrong, and seeders write",
    () => {
      const reports = Array.from({ length: SEEDS }, (_, at) => Seeds.report(powerCut, at + 1))
      assert.deepStrictEqual(
        reports.flatMap(({ finding, seed }) => (finding === undefined ? [] : [{ seed, finding }])),
        []
      )
      for (const figure of ["writes"]) {
        const total = reports.reduce((sum, { figures }) => sum + (figures[figure] ?? 0), 0)
        assert.isAbove(total, 0, figure)
      }
    },
    Seeds.TIMEOUT_MS
  )

  it("plays a seed twice in the same way, and two seeds in different ways", () => {
    const [once, again, other] = Seeds.hashes(powerCut)
    assert.strictEqual(once, again)
    assert.notStrictEqual(once, other)
  })
})
