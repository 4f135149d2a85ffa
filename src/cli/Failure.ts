/**
 * How a command ends that did not succeed: what is printed on stderr, and its exit code. With
 * `--json` that is `{"error":{"code","message","hint"}}` on one line.
 */
import * as Cause from "effect/Cause"
import * as CliError from "effect/cli/CliError"
import * as Option from "effect/Option"
import * as Printable from "../runtime/archive/Printable.ts"
import { ExitCode, explain } from "../protocol/core/Errors.ts"

export interface Failure {
  readonly code: string
  readonly message: string
  readonly hint: string
  readonly exitCode: ExitCode
}

const interrupted: Failure = {
  code: "Interrupted",
  message: "Interrupted before the work was done",
  hint: "What lies on this disk is whole, and what was published stays published: run the command again to finish it.",
  exitCode: ExitCode.interrupted
}

const usage = (error: CliError.ShowHelp): Failure => ({
  code: "Usage",
  message: error.errors.map(({ message }) => message.trim().replaceAll(/\s+/g, " ")).join("; "),
  hint: `See: ${error.commandPath.join(" ")} --help`,
  exitCode: ExitCode.usage
})

const defect = (thrown: unknown): Failure => ({
  code: "Internal",
  message: `Something that should not happen happened: ${thrown instanceof Error ? thrown.message : String(thrown)}`,
  hint: "This is a fault of ls-cli. Set LIBRESEED_DEBUG=1 to see where, and report it.",
  exitCode: ExitCode.internal
})

/** `undefined` where help was shown because nothing was asked: that is no failure. */
export const fromCause = (cause: Cause.Cause<unknown>): Failure | undefined => {
  if (Cause.hasInterruptsOnly(cause)) return interrupted
  const error = Option.getOrUndefined(Cause.findErrorOption(cause))
  if (error instanceof CliError.ShowHelp) return error.errors.length === 0 ? undefined : usage(error)
  const explained = explain(error)
  if (explained !== undefined) {
    const { _tag: code, exitCode, hint, message } = explained
    return { code, message, hint, exitCode }
  }
  if (CliError.isCliError(error)) {
    return { code: "Usage", message: error.message, hint: "See: ls-cli --help", exitCode: ExitCode.usage }
  }
  return defect(Cause.squash(cause))
}

/** Lines for stderr. */
export const render = (failure: Failure, json: boolean): string => {
  const { code, hint, message } = failure
  return json
    ? JSON.stringify({ error: { code, message, hint } })
    : `error: ${Printable.plain(message)}\n       ${Printable.plain(hint)}`
}

/** Needed before anything is parsed, for what cannot be parsed. */
const JSON_FLAG = /^--json(=(true|1|y|yes|on))?$/

/** Whether a command line asks for failures as JSON. */
export const asksForJson = (argv: ReadonlyArray<string>): boolean => {
  const end = argv.indexOf("--")
  return argv.slice(0, end < 0 ? argv.length : end).some((argument) => JSON_FLAG.test(argument))
}
