import { assert, describe, it } from "@effect/vitest"
import * as Fault from "../../../../src/protocol/testing/simulation/Fault.ts"
import { lossyInstall } from "../../../../src/protocol/testing/scenarios/LossyInstall.ts"
import * as Seeds from "./Seeds.ts"

/** Few enough for every run of the tests; the simulation's own runs take hundreds. */
const SEEDS = 2

describe("lossy-install", () => {
  it(
    "finds nothing wrong",
    () => {
      assert.deepStrictEqual(Seeds.findings(lossyInstall, SEEDS), [])
    },
    Seeds.TIMEOUT_MS
  )

  it("plays a seed twice in the same way, and two seeds in different ways", () => {
    const [once, again, other] = Seeds.hashes(lossyInstall)
    assert.strictEqual(once, again)
    assert.notStrictEqual(once, other)
  })

  it("finds that nothing is installed where every packet is lost", () => {
    const silence = Fault.loss({ atMs: 0 }, 1)
    const finding = Seeds.report(Seeds.withFaults(lossyInstall, [silence]), 1).finding
    assert.strictEqual(finding?.kind, "step")
    assert.match(finding?.text ?? "", /locks and fetches/)
  })
})
