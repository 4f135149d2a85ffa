/** `ls-cli update [name…]`: the highest versions that package.json admits, whatever the lock file had. */
import * as Effect from "effect/Effect"
import * as NodePath from "node:path"
import * as EngineStrict from "../../runtime/install/EngineStrict.ts"
import type * as Download from "./Download.ts"
import * as Installing from "./Installing.ts"
import * as Select from "./Select.ts"

export const run = Effect.fnUntraced(function* (
  names: ReadonlyArray<string>,
  {
    dir,
    production,
    ...choice
  }: Select.Choice & Download.Options & { readonly dir: string; readonly production: boolean }
) {
  const chosen = yield* Effect.forEach(names, Select.nameOf)
  const directory = NodePath.resolve(dir)
  yield* Installing.run({
    label: `Updating ${directory}`,
    directory,
    named: new Set(chosen),
    asks: true,
    choice,
    options: {
      update: chosen.length === 0 ? "all" : new Set(chosen),
      production,
      engineStrict: EngineStrict.isStrict(directory)
    }
  })
})
