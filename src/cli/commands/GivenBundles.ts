/** Bundles that a command is given: they come into the stores that it works on. */
import * as Effect from "effect/Effect"
import * as BundleFile from "../../runtime/bundle/BundleFile.ts"
import { Output } from "../Output.ts"

export const importOne = Effect.fnUntraced(function* (file: string) {
  const output = yield* Output
  return yield* output.task(`Importing ${file}`, () => BundleFile.importFile(file))
})

/** `--bundle` of any command. */
export const importAll = (files: ReadonlyArray<string>) => Effect.forEach(files, importOne, { discard: true })
