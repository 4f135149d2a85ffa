import { assert, describe, it } from "@effect/vitest"
import * as Fault from "../../../../src/protocol/testing/simulation/Fault.ts"
import { skewedClocks } from "../../../../src/protocol/testing/scenarios/SkewedClocks.ts"
import * as Seeds from "./Seeds.ts"

/** Few enough for every run of the tests; the simulation's own runs take hundreds. */
const SEEDS = 4

describe("skewed-clocks", () => {
  it(
    "finds nothing wrong",
    () => {
      assert.deepStrictEqual(Seeds.findings(skewedClocks, SEEDS), [])
    },
    Seeds.TIMEOUT_MS
  )

  it("plays a seed twice in the same way, and two seeds in different ways", () => {
    const [once, again, other] = Seeds.hashes(skewedClocks)
    assert.strictEqual(once, again)
    assert.notStrictEqual(once, other)
  })

  it("finds that everything is forgotten where nobody keeps it alive", () => {
    const finding = Seeds.report(
      Seeds.withFaults(skewedClocks, [Fault.crash({ atMs: 3 * 3_600_000 }, "keeper")]),
      1
    ).finding
    assert.strictEqual(finding?.kind, "step")
    assert.match(finding?.text ?? "", /dan sees what was kept alive/)
  })
})
