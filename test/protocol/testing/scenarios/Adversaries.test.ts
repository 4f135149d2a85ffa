import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
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
import * as Simulation from "../../../../src/protocol/testing/simulation/Simulation.ts"
import * as Crypto from "../simulation/Crypto.ts"

/** Ten seeds take 3 to 6 s; a machine that does other things too takes several times as long. */
const TIMEOUT_MS = 120_000

const SEEDS = Array.from({ length: 10 }, (_, i) => i + 1)

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

const run = (scenario: Scenario, seed: number) =>
  Simulation.run({ seed, scenario, ed25519: Crypto.service, keep: "none" })

for (const scenario of scenarios) {
  describe(scenario.name, () => {
    it.effect(
      `${SEEDS.length} seeds break no law, reach every goal, and the attack is felt in some of them`,
      () =>
        Effect.gen(function* () {
          const reports = yield* Effect.forEach(SEEDS, (seed) => run(scenario, seed))
          for (const { finding, seed } of reports) assert.isUndefined(finding, `seed ${seed}: ${finding?.text}`)
          assert.strictEqual(new Set(reports.map(({ hash }) => hash)).size, SEEDS.length, "seeds play out differently")
          for (const [, figure] of attacks.filter(([each]) => each === scenario)) {
            const total = reports.reduce((sum, { figures }) => sum + (figures[figure] ?? 0), 0)
            assert.isAbove(total, 0, `nobody felt the attack: ${figure}`)
          }
        }),
      TIMEOUT_MS
    )

    it.effect(
      "one seed gives one trace",
      () =>
        Effect.gen(function* () {
          const [first, again] = [yield* run(scenario, 7), yield* run(scenario, 7)]
          assert.strictEqual(first.hash, again.hash)
          assert.strictEqual(first.lines, again.lines)
        }),
      TIMEOUT_MS
    )
  })
}
