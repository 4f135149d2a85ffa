/**
 * Runs `ls-cli` in this process, where a process for each of hundreds of commands would take most of the time: what is
 * printed, and how it ends, is the same. For commands that come to an end by themselves; what a process of its own is
 * like, and what is left of one that is killed, is for `Commands.ts`.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Util from "node:util"
import * as Failure from "../../src/cli/Failure.ts"
import * as Invocation from "../../src/cli/Invocation.ts"
import { ExitCode } from "../../src/protocol/core/Errors.ts"
import type { Ended } from "./Commands.ts"
import { Person } from "./Person.ts"

/** Runs a command to its end. */
export const run = (args: ReadonlyArray<string>): Promise<Ended> => {
  const printed = { stdout: "", stderr: "" }
  const into =
    (stream: keyof typeof printed) =>
    (...values: ReadonlyArray<unknown>) =>
      void (printed[stream] += `${Util.format(...values)}\n`)
  const [log, error] = [into("stdout"), into("stderr")]
  const console: Console.Console = Object.assign(Object.create(globalThis.console), {
    log,
    info: log,
    debug: log,
    error,
    warn: error,
    trace: error
  })
  return Invocation.run(args, () => {}).pipe(
    Effect.provideService(Console.Console, console),
    Effect.exit,
    Effect.map((exit): Ended => {
      const failure = Exit.isFailure(exit) ? Failure.fromCause(exit.cause) : undefined
      if (failure !== undefined) error(Failure.render(failure, Failure.asksForJson(args)))
      return { code: failure?.exitCode ?? ExitCode.ok, ...printed }
    }),
    Effect.runPromise
  )
}

/** Somebody whose commands run here, unless they are started. */
export class PersonHere extends Person {
  override run(...args: ReadonlyArray<string>): Promise<Ended> {
    return run(this.args(args))
  }
}
