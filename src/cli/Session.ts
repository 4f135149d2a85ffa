/** What every command runs in: settings, output, and the overall deadline. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { DeadlineExceeded } from "./Failure.ts"
import * as Output from "./Output.ts"
import * as Settings from "./Settings.ts"

export class Session extends Context.Service<
  Session,
  Settings.Settings & {
    /** Fails work that takes longer than `--timeout`. */
    readonly limited: <A, E, R>(work: Effect.Effect<A, E, R>) => Effect.Effect<A, E | DeadlineExceeded, R>
  }
>()("@libreseed/protocol/cli/Session") {}

export const layer = (raw: Settings.Raw, onStay: () => void) =>
  Layer.effect(
    Session,
    Effect.map(Settings.resolve(raw), (settings) =>
      Session.of({
        ...settings,
        limited: (work) =>
          Effect.timeoutOrElse(work, {
            duration: settings.timeoutMs,
            orElse: () => Effect.fail(new DeadlineExceeded({ seconds: settings.timeoutMs / 1000 }))
          })
      })
    )
  ).pipe(Layer.provideMerge(Output.layer({ json: raw.json, onStay })))
