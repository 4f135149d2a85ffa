/** What a simulation is given, and what it tells. */
import type { Ed25519 } from "../../core/Ed25519.ts"
import type { Hasher } from "../../core/Hasher.ts"
import type { Chance } from "./Chance.ts"
import type { Sample } from "./HoldingsOverTime.ts"
import type { Kernel } from "./Kernel.ts"
import type { MakeNodes } from "./Nodes.ts"
import type { Scenario } from "./Scenario.ts"
import type { Entry, Keep } from "./Trace.ts"
import type { Finding } from "./World.ts"

export interface Options {
  readonly seed: number
  readonly scenario: Scenario
  /** Storage nodes; the scenario's own number otherwise. At most `Simulation.NODES_MAX`. */
  readonly nodes?: number | undefined
  /** What of the trace is kept beside its hash; `tail` unless told. */
  readonly keep?: Keep | undefined
  /** Faults (`f0`, `f1`, …) and steps (`s0`, …) that are left out. */
  readonly without?: ReadonlySet<string> | undefined
  /** The network; the model unless told. */
  readonly makeNodes?: MakeNodes | undefined
  /** Wraps the whole run, for networks that need more than the kernel. */
  readonly around?: (<A>(kernel: Kernel, chance: Chance, run: () => A) => A) | undefined
  /** A faster crypto with the same verdicts; the pure one unless told. */
  readonly ed25519?: Ed25519["Service"] | undefined
  readonly hasher?: Hasher["Service"] | undefined
}

/** A fault or a step of the plan. */
export interface Planned {
  readonly id: string
  readonly atMs: number
  readonly title: string
}

export interface Report {
  readonly seed: number
  readonly scenario: string
  readonly nodes: number
  /** The first thing that was wrong; `undefined` where all is well. */
  readonly finding: Finding | undefined
  /** SHA-256 of the whole trace, hexadecimal. */
  readonly hash: string
  /** Lines of the whole trace. */
  readonly lines: number
  /** As many of its entries as were kept. */
  readonly trace: ReadonlyArray<Entry>
  readonly virtualMs: number
  /** Events and tasks of the kernel. */
  readonly events: number
  readonly planned: ReadonlyArray<Planned>
  readonly figures: { readonly [name: string]: number }
  /** Who held what when; empty unless all of the trace is kept. */
  readonly holdings: ReadonlyArray<Sample>
}
