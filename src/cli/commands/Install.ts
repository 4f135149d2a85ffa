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
import { WarmTried } from "../WarmTried.ts"
import type { Options } from "./Installing.ts"

export const run = Effect.fnUntraced(function* (specTexts: ReadonlyArray<string>, options: Options) {
  const output = yield* Output
  const { home, limited } = yield* Session
  const directory = NodePath.resolve(options.dir)
  const engineStrict = options.engineStrict || EngineStrict.isStrict(directory)
  const isPlain = specTexts.length === 0 && options.allowScripts === ""
  const state = isPlain
    ? InstalledState.current(directory, { production: options.production, engineStrict }, trustPlacesOf(home))
    : undefined
  if (state !== undefined) {
    const report = InstallReport.unchanged(directory, state)
    return yield* output.result(report, [InstallReport.summary(report)])
  }
  if (isPlain && !(yield* WarmTried)) {
    const [warm, text] = yield* Effect.promise(() =>
      Promise.all([import("./InstallWarm.ts"), import("./InstallText.ts")])
    )
    const request = { production: options.production, engineStrict }
    const report = yield* limited(warm.install(directory, home, request))
    if (report !== undefined) return yield* text.tell(report, false)
  }
  const { install } = yield* Effect.promise(() => import("./Installing.ts"))
  yield* install(specTexts, { ...options, dir: directory, engineStrict })
})
