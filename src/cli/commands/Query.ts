/** `ls-cli query <name>`: who publishes a name. */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as PublicKey from "../../protocol/core/PublicKey.ts"
import * as RegistryResolve from "../../protocol/registry/Resolve.ts"
import { Output } from "../Output.ts"
import { Session } from "../Session.ts"
import * as Network from "./Network.ts"
import * as Select from "./Select.ts"

export const run = Effect.fnUntraced(function* (nameText: string, policyName: string) {
  const output = yield* Output
  const session = yield* Session
  const name = yield* Select.nameOf(nameText)
  const policy = yield* Select.policyOf(policyName)
  const publishers = yield* output.task(`Asking who publishes ${name}`, () =>
    session.limited(RegistryResolve.publishersOf(name, policy)).pipe(Network.provide)
  )
  const rows = publishers.map(({ claim }) => ({
    publisher: PublicKey.toBase64(claim.k),
    latestVersion: claim.lv,
    firstSeen: claim.fs
  }))
  yield* output.result({ name, publishers: rows }, [
    `${name}: ${rows.length === 1 ? "1 publisher" : `${rows.length} publishers`}, best first by ${policy.name}`,
    ...rows.map(
      ({ firstSeen, latestVersion, publisher }) =>
        `  ${publisher}  ${latestVersion}  since ${DateTime.formatIso(DateTime.makeUnsafe(firstSeen)).slice(0, 10)}`
    )
  ])
})
