/**
 * `ls-cli install` of what the store has already, before the program is loaded: to read its flags takes longer than to
 * link a few hundred files. Command lines are those that `UpToDate` understands.
 */
import * as NodePath from "@effect/platform-node/NodePath"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Path from "node:path"
import * as Deadline from "../protocol/core/Deadline.ts"
import * as HomeDirectory from "../runtime/doctor/HomeDirectory.ts"
import * as EngineStrict from "../runtime/install/EngineStrict.ts"
import * as QuickFileSystem from "../runtime/QuickFileSystem.ts"
import * as InstallText from "./commands/InstallText.ts"
import * as InstallWarm from "./commands/InstallWarm.ts"
import * as HomePlace from "./HomePlace.ts"
import * as Output from "./Output.ts"
import type { Wish } from "./UpToDate.ts"

const platform = Layer.merge(QuickFileSystem.layer, NodePath.layer)

/** Whether it did all that there was to do, and told it. Fails as the program would. */
export const run = Effect.fnUntraced(function* ({ directory: named, home: given, json, production, timeout }: Wish) {
  const home = HomePlace.homeOf(given)
  // Whoever has no home directory is told so by the program.
  if (!Path.isAbsolute(home) || HomeDirectory.problemOf(home) !== undefined) return false
  const directory = Path.resolve(named)
  const request = { production, engineStrict: EngineStrict.isStrict(directory) }
  const install = InstallWarm.install(directory, home, request)
  const report = yield* install.pipe(Deadline.within(Duration.seconds(timeout)), Effect.provide(platform))
  if (report === undefined) return false
  yield* Effect.provide(InstallText.tell(report, false), Output.layer({ json, onStay: () => {} }))
  return true
})
