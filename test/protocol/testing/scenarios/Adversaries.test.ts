import { assert, describe, it } from "@effect/vitest"
import { eclipse } from "../../../../src/protocol/testing/scenarios/Eclipse.ts"
import { equivocation } from "../../../../src/protocol/testing/scenarios/Equivocation.ts"
import { freeze } from "../../../../src/protocol/testing/scenarios/Freeze.ts"
import { overwriteWar } from "../../../../src/protocol/testing/scenarios/OverwriteWar.ts"
import { rollback } from "../../../../src/protocol/testing/scenarios/Rollback.ts"
import { siege } from "../../../../src/protocol/testing/scenarios/Siege.ts"
import { squatting } from "../../../../src/protocol/testing/scenarios/Squatting.ts"
import { stolenKey } from "../../../../src/protocol/testing/scenarios/StolenKey.ts"
import { storageFlood } from "../../../../src/protocol/testing/scenarios/StorageFlood.ts"
import { unheard } from "../../../../src/protocol/testing/scenarios/Unheard.ts"
import type { Scenario } from "../../../../src/protocol/testing/simulation/Scenario.ts"
import type * as Simulation from "../../../../src/protocol/testing/simulation/Simulation.ts"
import * as Seeds from "./Seeds.ts"

/** Few enough for every run of the tests; the simulation's own runs take hundreds. */
const SEEDS = 3

/** Seeds after which it is clear that the attack is not felt. */
const SEEDS_MAX = 10

/** What the adversary has to have achieved over all seeds, or the scenario shows nothing: a figure of it. */
const attacks: ReadonlyArray<readonly [Scenario, string]> = [
  [rollback, "rollbacks withstood"],
  [freeze, "warned"],
  [freeze, "refused"],
  [equivocation, "refused"],
  [squatting, "sent to the squatter"],
  [overwriteWar, "newcomers' failures"],
  [siege, "not found"],
  [stolenKey, "thief's releases taken"],
  [eclipse, "not found"],
  [storageFlood, "pushed out"],
  [storageFlood, "not found"],
  [unheard, "too few answers"]
]

const scenarios: ReadonlyArray<Scenario> = [...new Set(attacks.map(([scenario]) => scenario))]

const isFelt = (reports: ReadonlyArray<Simulation.Report>, figure: string): boolean =>
  reports.some(({ figures }) => (figures[figure] ?? 0) > 0)

for (const scenario of scenarios) {
  const own = attacks.flatMap(([each, figure]) => (each === scenario ? [figure] : []))

  describe(scenario.name, () => {
    it(
      "seeds break no law, reach every goal, and the attack is felt in some of them",
      () => {
        const reports: Array<Simulation.Report> = []
        const isEnough = () => reports.length >= SEEDS && own.every((figure) => isFelt(reports, figure))
        while (!isEnough() && reports.length < SEEDS_MAX) reports.push(Seeds.report(scenario, reports.length + 1))
        for (const { finding, seed } of reports) assert.isUndefined(finding, `seed ${seed}: ${finding?.text}`)
        assert.strictEqual(new Set(reports.map(({ hash }) => hash)).size, reports.length, "seeds play out differently")
        for (const figure of own) assert.isTrue(isFelt(reports, figure), `nobody felt the attack: ${figure}`)
      },
      Seeds.TIMEOUT_MS
    )

    it(
      "one seed gives one trace",
      () => {
        const [once, again] = Seeds.hashes(scenario)
        assert.strictEqual(once, again)
      },
      Seeds.TIMEOUT_MS
    )
  })
}
