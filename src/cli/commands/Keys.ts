/** `ls-cli keys new|list|show`. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { Keystore, parseKeyName } from "../../protocol/core/Keystore.ts"
import type { KeyName } from "../../protocol/core/Keystore.ts"
import * as PublicKey from "../../protocol/core/PublicKey.ts"
import { quoted } from "../../runtime/archive/Printable.ts"
import * as OfflineNode from "../../runtime/OfflineNode.ts"
import { Output } from "../Output.ts"
import { Session } from "../Session.ts"
import { InvalidArgument } from "../Settings.ts"

export const keyNameOf = (text: string): Effect.Effect<KeyName, InvalidArgument> =>
  Effect.fromOption(parseKeyName(text)).pipe(
    Effect.mapError(
      () =>
        new InvalidArgument({
          argument: quoted(text),
          problem: "is not a name for a key",
          hint: "Use lower-case letters, digits, - and _, beginning with a letter or digit; at most 64 characters."
        })
    )
  )

const withKeystore = <A, E, R>(work: Effect.Effect<A, E, R>) =>
  Effect.flatMap(Session, ({ home }) => Effect.provide(work, OfflineNode.keystore({ home })))

export const create = Effect.fnUntraced(function* (nameText: string) {
  const output = yield* Output
  const name = yield* keyNameOf(nameText)
  const { publicKey } = yield* withKeystore(Effect.flatMap(Keystore, (keystore) => keystore.create(name)))
  const text = PublicKey.toBase64(publicKey)
  yield* output.result({ name, publicKey: text }, [`${name}  ${text}`])
})

export const list = Effect.gen(function* () {
  const output = yield* Output
  const entries = yield* withKeystore(Effect.flatMap(Keystore, (keystore) => keystore.list))
  const keys = entries.flatMap(({ name, publicKey }) =>
    Result.isSuccess(publicKey) ? [{ name, publicKey: PublicKey.toBase64(publicKey.success) }] : []
  )
  const width = Math.max(0, ...keys.map(({ name }) => name.length))
  if (entries.length === 0) yield* output.note("There are no keys yet. Make one with: ls-cli keys new")
  for (const { publicKey } of entries) {
    if (Result.isFailure(publicKey)) yield* output.note(`Not listed: ${publicKey.failure.message}`)
  }
  yield* output.result(
    { keys },
    keys.map(({ name, publicKey }) => `${name.padEnd(width)}  ${publicKey}`)
  )
})

export const show = Effect.fnUntraced(function* (nameText: string) {
  const output = yield* Output
  const name = yield* keyNameOf(nameText)
  const { publicKey } = yield* withKeystore(Effect.flatMap(Keystore, (keystore) => keystore.load(name)))
  const spellings = {
    publicKey: PublicKey.toBase64(publicKey),
    hex: PublicKey.toHex(publicKey),
    overlay: PublicKey.toOverlay(publicKey)
  }
  yield* output.result({ name, ...spellings }, [
    `name     ${name}`,
    `base64   ${spellings.publicKey}`,
    `hex      ${spellings.hex}`,
    `overlay  ${spellings.overlay}`
  ])
})
