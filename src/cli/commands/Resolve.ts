/** `ls-cli resolve <spec>`: which release an install would take, and with `--why` how that came. */
import * as Effect from "effect/Effect"
import * as Evidence from "../../protocol/registry/Evidence.ts"
import { Output } from "../Output.ts"
import { Session } from "../Session.ts"
import * as Describe from "./Describe.ts"
import * as Network from "./Network.ts"
import * as Select from "./Select.ts"
import * as Why from "./Why.ts"

export const run = Effect.fnUntraced(function* (specText: string, choice: Select.Choice, why = false) {
  const output = yield* Output
  const session = yield* Session
  const spec = yield* Select.specOf(specText)
  const chooser = yield* Select.chooserOf(choice)
  const resolution = yield* output.task(`Looking up ${specText}`, () =>
    session.limited(Select.resolve(spec, chooser)).pipe(Network.provideRecords)
  )
  const { evidence, flags } = resolution
  const names = Why.flagNames(flags)
  const document = {
    ...Describe.document(resolution),
    flags: names,
    lookups: evidence.lookups,
    evidence: Evidence.toItems(evidence)
  }
  yield* output.result(document, [
    ...Describe.lines(resolution),
    ...(names.length === 0 ? [] : [`  flags      ${names.join(", ")}`]),
    ...(why ? Why.lines(resolution) : [])
  ])
  if (!why) yield* Select.tellWarnings(resolution)
})
