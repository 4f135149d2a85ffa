/** Runs one simulation after the other with Node's crypto, in whatever library it has been loaded with. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Ed25519 } from "../../src/protocol/core/Ed25519.ts"
import { Hasher } from "../../src/protocol/core/Hasher.ts"
import * as Scenarios from "../../src/protocol/testing/scenarios/Scenarios.ts"
import * as Simulation from "../../src/protocol/testing/simulation/Simulation.ts"
import * as NodeEd25519 from "../../src/runtime/crypto/NodeEd25519.ts"
import * as NodeHasher from "../../src/runtime/crypto/NodeHasher.ts"
import type { Case } from "./Case.ts"

/** Plays a case; gives what was found, `undefined` where all was well. */
export type Runner = (wanted: Case) => string | undefined

/** What runs cases. Throws for a scenario that there is not. */
export const runnerOf = (): Runner => {
  const crypto = Effect.runSync(Effect.scoped(Layer.build(Layer.mergeAll(NodeEd25519.layer, NodeHasher.layer))))
  return ({ nodes, scenario: name, seed }) => {
    const scenario = Scenarios.named(name)
    if (scenario === undefined) throw new RangeError(`There is no scenario "${name}"`)
    const { finding } = Effect.runSync(
      Simulation.run({
        seed,
        scenario,
        nodes,
        keep: "none",
        ed25519: Context.get(crypto, Ed25519),
        hasher: Context.get(crypto, Hasher)
      })
    )
    return finding === undefined ? undefined : `${finding.kind}: ${finding.text}`
  }
}
