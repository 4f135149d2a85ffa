/** Runs scenarios over seeds, with the fast crypto, and says what was found. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Ed25519 } from "../../../../src/protocol/core/Ed25519.ts"
import { Hasher } from "../../../../src/protocol/core/Hasher.ts"
import type { Fault } from "../../../../src/protocol/testing/simulation/Fault.ts"
import type { Play, Scenario } from "../../../../src/protocol/testing/simulation/Scenario.ts"
import * as Simulation from "../../../../src/protocol/testing/simulation/Simulation.ts"
import type { World } from "../../../../src/protocol/testing/simulation/World.ts"
import * as NodeEd25519 from "../../../../src/runtime/crypto/NodeEd25519.ts"
import * as NodeHasher from "../../../../src/runtime/crypto/NodeHasher.ts"

const crypto = Effect.runSync(Effect.scoped(Layer.build(Layer.mergeAll(NodeEd25519.layer, NodeHasher.layer))))

const play = (scenario: Scenario, seed: number): Simulation.Report =>
  Effect.runSync(
    Simulation.run({
      seed,
      scenario,
      ed25519: Context.get(crypto, Ed25519),
      hasher: Context.get(crypto, Hasher),
      keep: "none"
    })
  )

const reports = new WeakMap<Scenario, Map<number, Simulation.Report>>()

/** What came of a seed; it is played once, however often this is asked for. */
export const report = (scenario: Scenario, seed: number): Simulation.Report => {
  const known = reports.get(scenario) ?? new Map<number, Simulation.Report>()
  reports.set(scenario, known)
  const found = known.get(seed) ?? play(scenario, seed)
  known.set(seed, found)
  return found
}

/** Hashes of the traces of a seed, of the same seed played again, and of another one. */
export const hashes = (scenario: Scenario): readonly [once: string, again: string, other: string] => [
  report(scenario, 1).hash,
  play(scenario, 1).hash,
  report(scenario, 2).hash
]

/** For tests of several seeds, ms: a seed takes under a second on a machine that does nothing else. */
export const TIMEOUT_MS = 120_000

/** What is wrong with each of the seeds from 1 to `last`, in words; nothing where all is well. */
export const findings = (scenario: Scenario, last: number): ReadonlyArray<string> =>
  Array.from({ length: last }, (_, at) => report(scenario, at + 1)).flatMap(({ finding, seed }) =>
    finding === undefined ? [] : [`seed ${seed}: ${finding.kind}: ${finding.text}`]
  )

/** How long what cannot be reached is tried, ms. */
const HOPELESS_MS = 90_000

/** The scenario with more that befalls it, after which it cannot end well. */
export const withFaults = (scenario: Scenario, more: ReadonlyArray<Fault>): Scenario => ({
  ...scenario,
  convergesWithinMs: HOPELESS_MS,
  faults: (chance) => [...(scenario.faults?.(chance) ?? []), ...more]
})

/** The scenario with another play. */
export const withPlay = (scenario: Scenario, change: (play: Play, world: World) => Play): Scenario => ({
  ...scenario,
  play: (world) => Effect.map(scenario.play(world), (play) => change(play, world))
})
