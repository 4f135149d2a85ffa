/** `ls-cli revoke`: a key says, once and for all, that it is not to be believed any more. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { ExitCode } from "../../protocol/core/Errors.ts"
import { Keystore } from "../../protocol/core/Keystore.ts"
import * as PublicKey from "../../protocol/core/PublicKey.ts"
import type { Revoked } from "../../protocol/registry/PublisherTrust.ts"
import * as Revocation from "../../protocol/trust/Revocation.ts"
import * as OfflineNode from "../../runtime/OfflineNode.ts"
import { Output } from "../Output.ts"
import { Session } from "../Session.ts"
import { InvalidArgument } from "../Settings.ts"
import { keyNameOf } from "./Keys.ts"
import * as Network from "./Network.ts"
import { keyOf, revokedDocument } from "./Trust.ts"

/** A step that cannot be taken back was asked for without `--yes`. Nothing was done. */
export class NotConfirmed extends Schema.TaggedError<NotConfirmed>()("NotConfirmed", {
  key: Schema.String,
  publicKey: Schema.String
}) {
  readonly exitCode = ExitCode.usage
  readonly hint = "If you mean it, run the command again with --yes."
  override get message() {
    return `Revoking the key "${this.key}" (${this.publicKey}) cannot be undone; nothing was done`
  }
}

export interface Flags {
  readonly key: string
  readonly reason: Option.Option<string>
  readonly successor: Option.Option<string>
  readonly yes: boolean
}

const reasonOf = (text: string) =>
  Effect.fromOption(Revocation.parseReason(text)).pipe(
    Effect.mapError(
      () =>
        new InvalidArgument({
          argument: "--reason",
          problem: "cannot be signed",
          hint: `Give 1 to ${Revocation.REASON_MAX_BYTES} bytes of text.`
        })
    )
  )

const successorOf = Effect.fnUntraced(function* (text: string, own: PublicKey.PublicKey) {
  const successor = yield* keyOf(text, "--successor")
  if (!PublicKey.equals(successor, own)) return successor
  return yield* new InvalidArgument({
    argument: "--successor",
    problem: "is the key that is to be revoked",
    hint: "Make a new key with: ls-cli keys new <name>"
  })
})

const explanation = (publicKey: string, successor: PublicKey.PublicKey | undefined): ReadonlyArray<string> => [
  `This would revoke ${publicKey}:`,
  "  - Everybody who sees the revocation refuses every release of this key, those of the past included.",
  "  - No record takes it back, neither yours nor that of somebody who stole the key.",
  successor === undefined
    ? "  - It would name no successor. To name your new key: --successor <key>"
    : `  - It would name ${PublicKey.toBase64(successor)} as its successor.`,
  "  - Users have to accept a successor themselves (ls-cli trust pin <name> <key>): a thief could name his own",
  "    key, so tell them by another way, too. Then publish your packages again with the new key."
]

const saidBefore = ({ reason, successor }: Revoked): ReadonlyArray<string> => [
  `The key was revoked before: ${reason} (${
    successor === undefined ? "no successor" : `successor ${PublicKey.toBase64(successor)}`
  }).`,
  "Hosts that saw the earlier revocation keep its reason and successor, this one included; a successor named later counts for nothing there."
]

export const run = Effect.fnUntraced(function* (flags: Flags) {
  const output = yield* Output
  const session = yield* Session
  const name = yield* keyNameOf(flags.key)
  const given = Option.isSome(flags.reason) ? yield* reasonOf(flags.reason.value) : undefined
  const keyPair = yield* Effect.flatMap(Keystore, (keystore) => keystore.load(name)).pipe(
    Effect.provide(OfflineNode.keystore({ home: session.home }))
  )
  const publicKey = PublicKey.toBase64(keyPair.publicKey)
  const successor = Option.isSome(flags.successor)
    ? yield* successorOf(flags.successor.value, keyPair.publicKey)
    : undefined
  if (!flags.yes) {
    yield* Effect.forEach(explanation(publicKey, successor), output.note, { discard: true })
    return yield* new NotConfirmed({ key: name, publicKey })
  }
  /** Revoking again puts the record again; what is not given anew stays as it was said. */
  const revoke = Effect.gen(function* () {
    const before = Option.getOrUndefined(
      yield* Effect.flatMap(Revocation.newest(keyPair.publicKey), (said) =>
        Option.isSome(said) ? Effect.succeed(said) : Revocation.recall(keyPair.publicKey)
      )
    )
    const said = before === undefined ? Option.none() : Revocation.parseReason(before.reason)
    const reason = given ?? Option.getOrElse(said, () => Revocation.DEFAULT_REASON)
    return yield* Revocation.revoke(keyPair, { reason, successor: successor ?? before?.successor })
  })
  const { acks, before, isAsAsked, revoked } = yield* output.task(`Revoking ${publicKey}`, () =>
    session.limited(revoke).pipe(Network.provideRecords)
  )
  if (!isAsAsked) {
    yield* output.note("The key was revoked before, by a record that cannot be replaced: yours or that of a thief.")
  }
  if (before !== undefined) yield* Effect.forEach(saidBefore(before), output.note, { discard: true })
  yield* output.note("To keep the revocation in the network: ls-cli seed (again, if one is running)")
  const document = { key: name, ...revokedDocument(revoked), acks }
  yield* output.result(document, [
    `${publicKey} is revoked: ${revoked.reason}`,
    `  nodes      ${acks}`,
    ...(document.successor === null ? [] : [`  successor  ${document.successor}`])
  ])
})
