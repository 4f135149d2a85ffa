/** What every command runs in: settings, output, and the overall deadline. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Deadline from "../protocol/core/Deadline.ts"
import * as HomeDirectory from "../runtime/doctor/HomeDirectory.ts"
import { type Host, Hosted } from "./Hosted.ts"
import * as Output from "./Output.ts"
import * as Settings from "./Settings.ts"

/** Left at the end of the limit, in ms, so that a download can tell how far it came before the command is cut off. */
const MARGIN_MS = 500

export class Session extends Context.Service<
  Session,
  Settings.Settings & {
    /** Fails work that is not done when `--timeout` is over. The time runs from the start of the command. */
    readonly limited: <A, E, R>(work: Effect.Effect<A, E, R>) => Effect.Effect<A, E | Deadline.DeadlineExceeded, R>
    /** Milliseconds that a download may take. */
    readonly downloadMs: Effect.Effect<number>
    /** The daemon that runs this command, where it is not run by a process of its own. */
    readonly hostedBy: Host | undefined
    /** For commands that write: fails with `InvalidArgument` where the home does not let them. */
    readonly writable: Effect.Effect<void, Settings.InvalidArgument>
  }
>()("@libreseed/protocol/cli/Session") {}

export const layer = (raw: Settings.Raw, onStay: () => void) =>
  Layer.effect(
    Session,
    Effect.gen(function* () {
      const settings = yield* Settings.resolve(raw)
      const end = (yield* Clock.currentTimeMillis) + settings.timeoutMs
      const leftMs = Effect.map(Clock.currentTimeMillis, (now) => Math.max(1, end - now))
      return Session.of({
        ...settings,
        hostedBy: yield* Hosted,
        limited: Deadline.until(end, settings.timeoutMs),
        downloadMs: Effect.map(leftMs, (left) => Math.max(left / 2, left - MARGIN_MS)),
        writable: Effect.suspend(() => {
          const { problem } = HomeDirectory.stateOf(settings.home)
          return problem === undefined ? Effect.void : Settings.invalidHome(settings.home, problem)
        })
      })
    })
  ).pipe(Layer.provideMerge(Output.layer({ json: raw.json, onStay })))
