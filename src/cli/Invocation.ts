/** One command, from its arguments to how it ends, in whatever process it runs. */
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import { type Run, Runner } from "./Hosted.ts"
import * as Platform from "./Platform.ts"
import * as Program from "./Program.ts"
import { VERSION } from "./Version.ts"

/** Wrong use is told on stderr by `Failure`; help that was asked for is a result. */
const presenter: CliOutput.Presenter = {
  present: (event) => (event._tag === "InvalidInvocation" ? Effect.void : CliOutput.defaultPresenter.present(event))
}

export const run: Run = (argv, onStay) =>
  Command.runWith(Program.make(onStay), { version: VERSION })(argv).pipe(
    Effect.provide(Platform.layer),
    Effect.provideService(CliOutput.Presenter, presenter),
    Effect.provideService(Logger.LogToStderr, true),
    Effect.provideService(Runner, run)
  )
