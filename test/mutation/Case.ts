/** What is tried to catch a bug, and what came of it. */

/** One run of a simulation. `nodes` are the scenario's own unless given. */
export interface Case {
  readonly scenario: string
  readonly seed: number
  readonly nodes?: number | undefined
}

/** A property, by its file and its title. `seed` is that of fast-check. */
export interface Property {
  readonly property: string
  readonly title: string
  readonly seed: number
}

/** A bug, or "none", and what is tried on the library with it. */
export interface Question {
  readonly bug: string
  readonly caughtBy: Case | Property
}

/** What came of it. */
export interface Caught {
  /** `undefined` where all was well. */
  readonly finding?: string | undefined
  /** Processor time, ms. */
  readonly cpuMs: number
}
