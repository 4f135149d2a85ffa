/**
 * What `ls-cli` does in a process of its own: parses, runs, prints, and ends with the exit code that `docs/spec/errors.md`
 * lists. What an install may do without the program is tried before that is loaded. Nothing happens by loading this
 * file: threads of the program load it for what is bundled with it.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Logger from "effect/Logger"
import { ExitCode } from "../protocol/core/Errors.ts"
import * as Failure from "./Failure.ts"
import * as RunArguments from "./RunArguments.ts"
import * as Unwritten from "./Unwritten.ts"
import * as UpToDate from "./UpToDate.ts"
import { WarmTried } from "./WarmTried.ts"

/** Whether the command was an install that is done. */
const installQuickly = Effect.fnUntraced(function* (wish: UpToDate.Wish) {
  const { run } = yield* Effect.promise(() => import("./QuickInstall.ts"))
  return yield* run(wish)
})

const run = Effect.fnUntraced(function* (argv: ReadonlyArray<string>, onStay: () => void) {
  const wish = UpToDate.wishOf(argv)
  const isTried = wish !== undefined && UpToDate.isLocked(wish)
  if (isTried && (yield* installQuickly(wish))) return
  const program = yield* Effect.promise(() => import("./Invocation.ts"))
  yield* Effect.provideService(program.run(argv, onStay), WarmTried, isTried)
})

/** What stands behind the name of the program. */
export const main = (args: ReadonlyArray<string>): void => {
  const argv = RunArguments.separate(args)
  let stays = false

  Unwritten.watch(Failure.asksForJson(argv))
  // A closed terminal ends a command as SIGTERM does, which `runMain` listens to: sockets and locks go with it. What is
  // said by then is for nobody.
  process.stderr.on("error", () => {})
  process.on("SIGHUP", () => process.emit("SIGTERM", "SIGTERM"))

  /** `undefined` where there is nothing to complain about: success, help, or being stopped after the work was done. */
  const failureOf = (exit: Exit.Exit<unknown, unknown>): Failure.Failure | undefined => {
    if (Exit.isSuccess(exit)) return undefined
    const failure = Failure.fromCause(exit.cause)
    return stays && failure?.exitCode === ExitCode.interrupted ? undefined : failure
  }

  run(argv, () => (stays = true)).pipe(
    Effect.provideService(Logger.LogToStderr, true),
    NodeRuntime.runMain({
      disableErrorReporting: true,
      // The last word is said here, since an interrupted fiber runs nothing that could say it.
      teardown: (exit, onExit) => {
        const failure = failureOf(exit)
        // That something was not written is told a turn later.
        if (failure === undefined) return void setImmediate(() => onExit(Unwritten.exitCode()))
        process.stderr.write(`${Failure.render(failure, Failure.asksForJson(argv))}\n`)
        if (process.env["LIBRESEED_DEBUG"] === "1" && Exit.isFailure(exit)) {
          process.stderr.write(`${Cause.pretty(exit.cause)}\n`)
        }
        onExit(failure.exitCode)
      }
    })
  )
}
