/** What is played to catch a bug, and what came of it. */

/** One run of a simulation. `nodes` are the scenario's own unless given. */
export interface Case {
  readonly scenario: string
  readonly seed: number
  readonly nodes?: number | undefined
}

/** What came of a case. */
export interface Played extends Case {
  /** `undefined` where all was well. */
  readonly finding?: string | undefined
  /** Processor time. */
  readonly cpuMs: number
}
