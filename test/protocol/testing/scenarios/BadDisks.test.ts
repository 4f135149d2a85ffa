import { assert, describe, it } from "@effect/vitest"
import * as Fault from "../../../../src/protocol/testing/simulation/Fault.ts"
import { badDisks } from "../../../../src/protocol/testing/scenarios/BadDisks.ts"
import * as Seeds from "./Seeds.ts"

/** Few enough for every run of the tests; the simulation's own runs take hundreds. */
const SEEDS = 4

describe("bad-disks", () => {
  it(
    "finds nothing wrong",
    () => {
      assert.deepStrictEqual(Seeds.findings(badDisks, SEEDS), [])
    },
    Seeds.TIMEOUT_MS
  )

  it("plays a seed twice in the same way, and two seeds in different ways", () => {
    const [once, again, other] = Seeds.hashes(badDisks)
    assert.strictEqual(once, again)
    assert.notStrictEqual(once, other)
  })

  it("finds that nothing works where a disk stays bad", () => {
    const broken = Fault.disk({ atMs: 31 * 60_000 }, "ben", 1)
    const finding = Seeds.report(Seeds.withFaults(badDisks, [broken]), 1).finding
    assert.strictEqual(finding?.kind, "goal")
    assert.match(finding?.text ?? "", /the disk of ben/)
  })
})
