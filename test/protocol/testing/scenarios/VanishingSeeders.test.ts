import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { KeyName, Keystore } from "../../../../src/protocol/core/Keystore.ts"
import { Person } from "../../../../src/protocol/testing/scenarios/Actors.ts"
import * as Fault from "../../../../src/protocol/testing/simulation/Fault.ts"
import { MINUTE } from "../../../../src/protocol/testing/simulation/Scenario.ts"
import { vanishingSeeders } from "../../../../src/protocol/testing/scenarios/VanishingSeeders.ts"
import * as Seeds from "./Seeds.ts"

/** Few enough for every run of the tests; the simulation's own runs take hundreds. */
const SEEDS = 4

describe("vanishing-seeders", () => {
  it(
    "finds nothing wrong",
    () => {
      assert.deepStrictEqual(Seeds.findings(vanishingSeeders, SEEDS), [])
    },
    Seeds.TIMEOUT_MS
  )

  it("plays a seed twice in the same way, and two seeds in different ways", () => {
    const [once, again, other] = Seeds.hashes(vanishingSeeders)
    assert.strictEqual(once, again)
    assert.notStrictEqual(once, other)
  })

  it("finds that people go without where every honest seeder vanishes at once", () => {
    const gone = ["author", "slow", "steady"].map((host) => Fault.crash({ atMs: 0 }, host))
    const finding = Seeds.report(Seeds.withFaults(vanishingSeeders, gone), 1).finding
    assert.strictEqual(finding?.kind, "step")
    assert.match(finding?.text ?? "", /installs wanted/)
  })

  it("finds that somebody is served while nobody should be there", () => {
    const generous = Seeds.withPlay(vanishingSeeders, (play, world) => {
      const ann = world.hostNamed("ann")!
      const key = ann.run(Effect.flatMap(Keystore, (keystore) => keystore.load(KeyName.make("main"))))
      const serving = Effect.flatMap(key, (keyPair) => new Person(world, ann, keyPair).seed)
      return { ...play, steps: [...play.steps, { atMs: 39 * MINUTE, title: "ann serves what she has", run: serving }] }
    })
    const finding = Seeds.report(generous, 1).finding
    assert.strictEqual(finding?.kind, "law")
    assert.match(finding?.text ?? "", /late got wanted while nobody honest served it/)
  })
})
