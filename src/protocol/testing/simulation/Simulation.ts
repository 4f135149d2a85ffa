/**
 * Plays a scenario on a hostile network, all of it from one number: which fiber runs next, what time it
 * is, what is lost, who lies. The same seed gives the same trace, byte for byte, on any machine.
 *
 * A run ends with what was found: a law that was broken, a goal that was not reached, a defect, a
 * deadlock, a fiber that outlived its machine, or the use of something real. What people meet with
 * on a bad network is no finding.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { ExitCode } from "../../core/Errors.ts"
import { EPOCH_MS } from "./Kernel.ts"
import { DEFAULT_NODES } from "./Nodes.ts"
import type { Options, Report } from "./Report.ts"
import { Run } from "./Run.ts"

export type { Options, Planned, Report } from "./Report.ts"
export { EPOCH_MS }

/** Storage nodes of one simulation. A node takes some 20 KB. */
export const NODES_MAX = 1_000

/** Seeds are integers up to this one, so that every tool that reads them carries them without loss. */
export const SEED_MAX = Number.MAX_SAFE_INTEGER

/** The simulation cannot be run as it was asked for. */
export class InvalidSimulation extends Schema.TaggedError<InvalidSimulation>()("InvalidSimulation", {
  problem: Schema.String
}) {
  readonly exitCode = ExitCode.usage
  readonly hint = `Seeds are integers from 0 to 2^53−1; a network has 1 to ${NODES_MAX} nodes.`
  override get message() {
    return `The simulation cannot be run: ${this.problem}`
  }
}

const problemOf = ({ nodes, scenario, seed }: Options): string | undefined => {
  const count = nodes ?? scenario.nodes?.count ?? DEFAULT_NODES.count
  if (!Number.isSafeInteger(seed) || seed < 0) return `${seed} is no seed`
  if (!Number.isInteger(count) || count < 1) return `it needs at least one node, not ${count}`
  if (count > NODES_MAX) return `${count} nodes are over ${NODES_MAX}`
  return undefined
}

/** Plays a scenario. Never fails for what it finds: that is in the report. Blocks until it is over. */
export const run = (options: Options): Effect.Effect<Report, InvalidSimulation> =>
  Effect.suspend(() => {
    const problem = problemOf(options)
    return problem === undefined
      ? Effect.sync(() => new Run(options).start())
      : Effect.fail(new InvalidSimulation({ problem }))
  })
