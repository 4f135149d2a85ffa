import { assert, describe, it } from "@effect/vitest"
import { lastWord } from "../../../../src/protocol/testing/scenarios/LastWord.ts"
import * as Seeds from "./Seeds.ts"

/** Few enough for every run of the tests; the simulation's own runs take hundreds. */
const SEEDS = 5

describe("last-word", () => {
  it(
    "finds nothing wrong, and the other machine goes after its last word",
    () => {
      const reports = Array.from({ length: SEEDS }, (_, at) => Seeds.report(lastWord, at + 1))
      assert.deepStrictEqual(
        reports.flatMap(({ finding, seed }) => (finding === undefined ? [] : [{ seed, finding }])),
        []
      )
      for (const figure of ["gone with its last word said"]) {
        const total = reports.reduce((sum, { figures }) => sum + (figures[figure] ?? 0), 0)
        assert.isAbove(total, 0, figure)
      }
    },
    Seeds.TIMEOUT_MS
  )

  it("plays a seed twice in the same way, and two seeds in different ways", () => {
    const [once, again, other] = Seeds.hashes(lastWord)
    assert.strictEqual(once, again)
    assert.notStrictEqual(once, other)
  })
})
