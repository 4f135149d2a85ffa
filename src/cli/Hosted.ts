/**
 * A command that a daemon runs in the place of the process that its user started: it asks the network
 * through the daemon's own node, and what it prints is collected for that process to print.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { Dht } from "../protocol/dht/Dht.ts"

export interface Host {
  readonly dht: Dht["Service"]
}

/** The daemon that runs this command; `undefined` in a process of the command's own. */
export const Hosted = Context.Reference<Host | undefined>("@libreseed/protocol/cli/Hosted", {
  defaultValue: () => undefined
})

/** Runs a command line in this process. `onStay` is told when it has done its work and only waits to be stopped. */
export type Run = (argv: ReadonlyArray<string>, onStay: () => void) => Effect.Effect<void, unknown>

/** How this process runs a command line: for a daemon that runs the commands of others. */
export const Runner = Context.Reference<Run | undefined>("@libreseed/protocol/cli/Runner", {
  defaultValue: () => undefined
})
