/**
 * `ls-cli install [spec…]`: what a project asks for, into its node_modules. Where everything is there
 * already this is all that is loaded: nothing of the network, of the stores, or of the tree.
 */
import * as Effect from "effect/Effect"
import * as NodePath from "node:path"
import * as EngineStrict from "../../runtime/install/EngineStrict.ts"
import * as InstalledState from "../../runtime/install/InstalledState.ts"
import * as InstallReport from "../../runtime/install/InstallReport.ts"
import { trustPlacesOf } from "../HomePlace.ts"
import { Output } from "../Output.ts"
import { Session } from "../Session.ts"
import type { Options } from "./Installing.ts"

export const run = Effect.fnUntraced(function* (specTexts: ReadonlyArray<string>, options: Options) {
  const output = yield* Output
  const { home } = yield* Session
  const directory = NodePath.resolve(options.dir)
  const engineStrict = options.engineStrict || EngineStrict.isStrict(directory)
  const state =
    specTexts.length === 0 && options.allowScripts === ""
      ? InstalledState.current(directory, { production: options.production, engineStrict }, trustPlacesOf(home))
      : undefined
  if (state !== undefined) {
    const report = InstallReport.unchanged(directory, state)
    return yield* output.result(report, [InstallReport.summary(report)])
  }
  if (specTexts.length === 0 && options.allowScripts === "") {
    const { installWarm } = yield* Effect.promise(() => import("./InstallWarm.ts"))
    if (yield* installWarm(directory, { production: options.production, engineStrict })) return
  }
  const { install } = yield* Effect.promise(() => import("./Installing.ts"))
  yield* install(specTexts, { ...options, dir: directory, engineStrict })
})
