/** The daemon's side of an errand: runs a command of this program, and collects what it prints. */
import * as Cause from "effect/Cause"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as References from "effect/References"
import * as Util from "node:util"
import { ExitCode, explain } from "../protocol/core/Errors.ts"
import { Dht } from "../protocol/dht/Dht.ts"
import * as DhtRpc from "../runtime/daemon/DhtRpc.ts"
import * as Errand from "../runtime/daemon/Errand.ts"
import * as Failure from "./Failure.ts"
import { Hosted, Runner } from "./Hosted.ts"
import { Session } from "./Session.ts"

/** A console that keeps what is printed, as long as that is little. */
const collector = () => {
  const texts = { stdout: "", stderr: "" }
  let isTooMuch = false
  const into =
    (stream: keyof typeof texts) =>
    (...values: ReadonlyArray<unknown>) => {
      const text = `${Util.format(...values)}\n`
      if (texts[stream].length + text.length > Errand.OUTPUT_MAX_CHARS) isTooMuch = true
      else texts[stream] += text
    }
  const [log, error] = [into("stdout"), into("stderr")]
  const console: Console.Console = Object.assign(Object.create(globalThis.console), {
    log,
    info: log,
    debug: log,
    error,
    warn: error,
    trace: error
  })
  return { console, error, texts, isTooMuch: () => isTooMuch }
}

/** Whether it failed by what this process is or has, so that another one may do better. */
const isOwnFault = (cause: Cause.Cause<unknown>): boolean => {
  const error = Option.getOrUndefined(Cause.findErrorOption(cause))
  const exitCode = explain(error)?.exitCode
  return (
    Cause.hasDies(cause) ||
    Cause.hasInterrupts(cause) ||
    exitCode === ExitCode.storage ||
    explain(error)?._tag === "SocketFailed"
  )
}

/** Whether the arguments mean the network that this process is in: none named is the public one. */
const bootstrapOf = (args: ReadonlyArray<string>): ReadonlyArray<string> | undefined => {
  const at = args.findLastIndex((argument) => argument === "--bootstrap" || argument.startsWith("--bootstrap="))
  if (at < 0) return []
  const text = args[at] === "--bootstrap" ? args[at + 1] : args[at]!.slice("--bootstrap=".length)
  return text?.split(",").map((node) => node.trim())
}

/**
 * Runs the commands of {@link Errand.COMMANDS} for whoever asks; `undefined` for what has to be run by a process of its own:
 * other commands, another network, and what prints very much.
 */
export const make = Effect.gen(function* () {
  const dht = yield* Dht
  const run = yield* Runner
  const { bootstrap, home, isPublic } = yield* Session
  const own = DhtRpc.networkOf({ bootstrap, isPublic })

  const isHere = (args: ReadonlyArray<string>): boolean => {
    const order = Errand.orderOf(args)
    const meant = bootstrapOf(args)
    if (order === undefined || order.home !== undefined || meant === undefined) return false
    return DhtRpc.isSameNetwork(own, DhtRpc.networkOf({ isPublic: meant.length === 0, bootstrap: meant }))
  }

  return Effect.fnUntraced(function* (args: ReadonlyArray<string>) {
    if (run === undefined || !isHere(args)) return undefined
    const { console, error, isTooMuch, texts } = collector()
    const exit = yield* run([...args, "--home", home], () => {}).pipe(
      Effect.provideService(Hosted, { dht }),
      Effect.provideService(Console.Console, console),
      // That of the daemon is not that of the command.
      Effect.provideService(References.MinimumLogLevel, "Info"),
      Effect.exit
    )
    if (Exit.isFailure(exit) && isOwnFault(exit.cause)) {
      yield* Effect.logDebug("An errand is left to a process of its own", exit.cause)
      return undefined
    }
    const failure = Exit.isFailure(exit) ? Failure.fromCause(exit.cause) : undefined
    if (failure !== undefined) error(Failure.render(failure, Failure.asksForJson(args)))
    if (isTooMuch()) return undefined
    return { code: failure?.exitCode ?? ExitCode.ok, ...texts } satisfies Errand.Done
  })
})
