import { assert, describe, it } from "@effect/vitest"
import * as Fault from "../../../../src/protocol/testing/simulation/Fault.ts"
import { splitPublish } from "../../../../src/protocol/testing/scenarios/SplitPublish.ts"
import * as Seeds from "./Seeds.ts"

/** Few enough for every run of the tests; the simulation's own runs take hundreds. */
const SEEDS = 4

describe("split-publish", () => {
  it(
    "finds nothing wrong",
    () => {
      assert.deepStrictEqual(Seeds.findings(splitPublish, SEEDS), [])
    },
    Seeds.TIMEOUT_MS
  )

  it("plays a seed twice in the same way, and two seeds in different ways", () => {
    const [once, again, other] = Seeds.hashes(splitPublish)
    assert.strictEqual(once, again)
    assert.notStrictEqual(once, other)
  })

  it("finds that nobody sees everything where the gap never closes", () => {
    const gap = Fault.partition({ atMs: 0 }, { share: 0.5, hosts: ["east", "ann"] })
    const finding = Seeds.report(Seeds.withFaults(splitPublish, [gap]), 1).finding
    assert.strictEqual(finding?.kind, "goal")
  })
})
