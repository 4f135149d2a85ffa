/** `ls-cli resolve <spec>`: which release an install would take. */
import * as Effect from "effect/Effect"
import { Output } from "../Output.ts"
import { Session } from "../Session.ts"
import * as Describe from "./Describe.ts"
import * as Network from "./Network.ts"
import * as Select from "./Select.ts"

export const run = Effect.fnUntraced(function* (specText: string, choice: Select.Choice) {
  const output = yield* Output
  const session = yield* Session
  const spec = yield* Select.specOf(specText)
  const chooser = yield* Select.chooserOf(choice)
  const resolution = yield* output.task(`Looking up ${specText}`, () =>
    session.limited(Select.resolve(spec, chooser)).pipe(Network.provide)
  )
  yield* output.result(Describe.document(resolution), Describe.lines(resolution))
})
