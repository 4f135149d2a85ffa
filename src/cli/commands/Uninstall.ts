/** `ls-cli uninstall <name…>`: takes packages out of package.json, the lock file and node_modules. */
import * as Effect from "effect/Effect"
import * as NodePath from "node:path"
import * as EngineStrict from "../../runtime/install/EngineStrict.ts"
import type * as Download from "./Download.ts"
import * as Installing from "./Installing.ts"
import * as Select from "./Select.ts"

export const run = Effect.fnUntraced(function* (
  names: ReadonlyArray<string>,
  { dir, ...choice }: Select.Choice & Download.Options & { readonly dir: string }
) {
  const remove = yield* Effect.forEach(names, Select.nameOf)
  const directory = NodePath.resolve(dir)
  yield* Installing.run({
    label: `Removing from ${directory}`,
    directory,
    named: new Set(),
    asks: false,
    choice,
    options: { remove, engineStrict: EngineStrict.isStrict(directory) }
  })
})
