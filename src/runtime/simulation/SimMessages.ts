/** What a pool of simulations and its worker threads say to each other. All of it survives structured cloning. */
import type { Report } from "../../protocol/testing/simulation/Simulation.ts"
import type { Keep } from "../../protocol/testing/simulation/Trace.ts"

/** The simulated network: the model, or the shipped client on a simulated wire. */
export const networks = ["model", "wire"] as const

export type Network = (typeof networks)[number]

/** What a worker is given when it starts. */
export interface Setup {
  /** URL of a module whose default export is a scenario, or a list of them; the library's own otherwise. */
  readonly module?: string | undefined
  readonly network: Network
}

/** A scenario that can be played. */
export interface Listed {
  readonly name: string
  readonly about: string
  /** Storage nodes, unless told otherwise. */
  readonly nodes: number
  /** Played by one seed in so many. */
  readonly everySeeds?: number | undefined
}

/** One run. */
export interface Play {
  readonly seed: number
  readonly scenario: string
  readonly nodes?: number | undefined
  readonly without?: ReadonlyArray<string> | undefined
  readonly keep: Keep
}

export interface Played {
  /** Without its trace where nothing was found, unless all of it was to be kept. An empty hash where the worker was lost. */
  readonly report: Report
  /** What it took, ms of real time. */
  readonly ms: number
  /** What the finished simulation held, for each of its nodes; where it was measured. */
  readonly memoryPerNodeBytes?: number | undefined
}

export interface Shrunk {
  readonly report: Report
  readonly without: ReadonlyArray<string>
  readonly runs: number
  readonly isMinimal: boolean
}

export type Task =
  | { readonly _tag: "Play"; readonly play: Play; readonly isMeasured: boolean }
  | { readonly _tag: "Shrink"; readonly play: Play }

export type Reply =
  | { readonly _tag: "Ready"; readonly scenarios: ReadonlyArray<Listed> }
  | { readonly _tag: "Unusable"; readonly problem: string }
  | { readonly _tag: "Played"; readonly played: Played }
  | { readonly _tag: "Shrinking"; readonly runs: number }
  | { readonly _tag: "Shrunk"; readonly shrunk: Shrunk }
