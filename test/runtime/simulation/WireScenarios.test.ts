/** The scenarios of the model hold on the DHT client that we ship, too. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Scenarios from "../../../src/protocol/testing/scenarios/Scenarios.ts"
import * as Simulation from "../../../src/protocol/testing/simulation/Simulation.ts"
import * as WireNodes from "../../../src/runtime/simulation/WireNodes.ts"
import { service as ed25519 } from "../../protocol/testing/simulation/Crypto.ts"

const { around, make: makeNodes } = WireNodes

describe("on the wire", () => {
  it.each(["crowded-name", "last-word", "two-machines"])("%s finds nothing, and the same again", (name) => {
    const scenario = Scenarios.named(name)!
    const play = () =>
      Effect.runSync(Simulation.run({ seed: 3, scenario, nodes: 12, keep: "none", ed25519, makeNodes, around }))
    const report = play()
    assert.isUndefined(report.finding)
    assert.isAbove(report.lines, 1_000)
    assert.strictEqual(play().hash, report.hash)
  })
})
