/**
 * The one place that prints. Results go to stdout, everything else to stderr, never mixed: with
 * `--json` stdout carries one document and stderr nothing but a failure.
 */
import * as Console from "effect/Console"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Printable from "../runtime/archive/Printable.ts"
import { Hosted } from "./Hosted.ts"
import * as Progress from "./Progress.ts"

export class Output extends Context.Service<
  Output,
  {
    /** The command's result: `document` with `--json`, else the lines. */
    readonly result: (document: unknown, lines: ReadonlyArray<string>) => Effect.Effect<void>
    /** A line for people, on stderr; silent with `--json`. What strangers wrote cannot act on the terminal. */
    readonly note: (line: string) => Effect.Effect<void>
    /** Runs a piece of work that a person may have to wait for, and shows how far it is. */
    readonly task: Progress.Task
    /** Prints nothing: says that from here on the command only waits to be stopped, so that stopping it is no failure. */
    readonly stay: Effect.Effect<never>
  }
>()("@libreseed/protocol/cli/Output") {}

export interface Options {
  readonly json: boolean
  readonly onStay: () => void
}

export const layer = (options: Options): Layer.Layer<Output> =>
  Layer.effect(
    Output,
    Effect.gen(function* () {
      const isHosted = (yield* Hosted) !== undefined
      const mode: Progress.Mode = options.json
        ? "silent"
        : !isHosted && process.stderr.isTTY && (process.env["NO_COLOR"] ?? "") === "" && process.env["TERM"] !== "dumb"
          ? "live"
          : "plain"
      return Output.of({
        result: (document, lines) =>
          options.json
            ? Console.log(JSON.stringify(document))
            : Effect.forEach(lines, (line) => Console.log(Printable.plain(line)), { discard: true }),
        note: (line) => (options.json ? Effect.void : Console.error(Printable.plain(line))),
        task: Progress.make(mode),
        stay: Effect.suspend(() => {
          options.onStay()
          return Effect.never
        })
      })
    })
  )
