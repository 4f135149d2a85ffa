/**
 * What a simulation plays: who does what when, what happens to the network meanwhile, which laws hold at
 * every moment, and what must be true again some time after the last fault has healed.
 */
import type * as Effect from "effect/Effect"
import type { Chance } from "./Chance.ts"
import type { Fault } from "./Fault.ts"
import type { Law } from "./Law.ts"
import type { NodesOptions } from "./Nodes.ts"
import { MINUTE } from "./Times.ts"
import type { World } from "./World.ts"

export type { Law } from "./Law.ts"
export { DAY, HOUR, MINUTE, SECOND } from "./Times.ts"

/**
 * Something that somebody does at a time. A typed failure is what a hostile network does to people: it goes into the
 * trace and nothing else, unless `mustSucceed`. A defect is a finding.
 */
export interface Step {
  /** Virtual ms after the play begins. */
  readonly atMs: number
  readonly title: string
  readonly run: Effect.Effect<unknown, unknown>
  readonly mustSucceed?: boolean
}

/** Liveness: what holds some time after the last fault. Tried again while it fails. */
export interface Goal {
  readonly title: string
  readonly reach: Effect.Effect<unknown, unknown>
}

export interface Play {
  readonly steps: ReadonlyArray<Step>
  readonly laws?: ReadonlyArray<Law>
  readonly goals?: ReadonlyArray<Goal>
  /** Figures for the report, by name; read at the end. */
  readonly figures?: () => { readonly [name: string]: number }
}

export interface Scenario {
  /** As on the command line: `crowded-name`. */
  readonly name: string
  /** One line for people. */
  readonly about: string
  readonly nodes?: Partial<NodesOptions>
  /** What befalls the network, drawn from chance. Each can be left out without changing the others. */
  readonly faults?: (chance: Chance) => ReadonlyArray<Fault>
  /** Sets the stage, before the first fault and the first step. Failing here is a finding. */
  readonly play: (world: World) => Effect.Effect<Play, unknown>
  /** For a long one: it is played by one seed in so many, where each seed plays a scenario of its own. */
  readonly everySeeds?: number
  /** Virtual ms after the last fault has healed, and the last step ended, until every goal has to be reached. */
  readonly convergesWithinMs?: number
}

/** Virtual ms that a scenario has to converge unless it says otherwise. */
export const CONVERGES_WITHIN_MS = 30 * MINUTE

export const make = (scenario: Scenario): Scenario => scenario

/** The one of several scenarios that a seed plays: they take turns, but for those that are played now and then only. */
export const ofSeed = <S extends { readonly everySeeds?: number | undefined }>(
  scenarios: ReadonlyArray<S>,
  seed: number
): S | undefined => {
  const rare = scenarios.find(({ everySeeds }) => everySeeds !== undefined && seed % everySeeds === 0)
  const common = scenarios.filter(({ everySeeds }) => everySeeds === undefined)
  return rare ?? common[seed % common.length] ?? scenarios[seed % scenarios.length]
}
