/** What `yank` and `deprecate` share: one exact version of the user's own package, and a flag of it. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { KeyPair } from "../../protocol/core/KeyPair.ts"
import { Keystore } from "../../protocol/core/Keystore.ts"
import * as PackageName from "../../protocol/core/PackageName.ts"
import * as PublicKey from "../../protocol/core/PublicKey.ts"
import * as Version from "../../protocol/core/Version.ts"
import * as Quorum from "../../protocol/dht/Quorum.ts"
import * as Package from "../../protocol/registry/Package.ts"
import type * as Retract from "../../protocol/registry/Retract.ts"
import * as Revocation from "../../protocol/trust/Revocation.ts"
import { quoted } from "../../runtime/archive/Printable.ts"
import * as PublicationLock from "../../runtime/store/PublicationLock.ts"
import { Output } from "../Output.ts"
import { Session } from "../Session.ts"
import { InvalidArgument } from "../Settings.ts"
import { keyNameOf } from "./Keys.ts"
import * as Network from "./Network.ts"
import { acksOf, tellingOwner } from "./Publish.ts"

export interface Flags {
  readonly undo: boolean
  readonly key: string
  readonly minAcks: number
}

/** `name@version`, where nothing but one exact version will do: a range could mean more than was wanted. */
const versionOf = Effect.fnUntraced(function* (text: string) {
  const refused = (problem: string, hint: string) => new InvalidArgument({ argument: quoted(text), problem, hint })
  const spec = text.trim()
  // The first character of a scoped name is an @, too.
  const at = spec.indexOf("@", 1)
  const nameText = at < 0 ? spec : spec.slice(0, at)
  const name = PackageName.parse(nameText)
  if (Option.isNone(name)) {
    const hint = "Write name@version, for example: my-package@1.2.3 or @scope/name@1.2.3"
    return yield* refused("does not begin with a package name", hint)
  }
  if (at < 0) return yield* refused("names no version", `Write which one is meant: ${nameText}@1.2.3`)
  const version = Version.parse(spec.slice(at + 1))
  if (Option.isNone(version)) {
    return yield* refused(
      "is not one exact version",
      `Ranges and tags are not taken here, since they may mean more than you want: ${nameText}@1.2.3, one after the other.`
    )
  }
  return { name: name.value, version: version.value }
})

/** How one of the two commands is done and told. */
export interface Kind<E, R> {
  readonly doing: (label: string) => string
  readonly retract: (
    keyPair: KeyPair,
    name: PackageName.PackageName,
    version: Version.Version,
    options: Retract.Options
  ) => Effect.Effect<Retract.Retraction, E, R>
  /** What the JSON document has beside name, version and publisher. */
  readonly document: { readonly [key: string]: boolean }
  readonly told: (label: string) => string
}

export const run = Effect.fnUntraced(function* <E, R>(
  versionText: string,
  { key, minAcks, undo }: Flags,
  { document, doing, retract, told }: Kind<E, R>
) {
  const output = yield* Output
  const session = yield* Session
  const { name, version } = yield* versionOf(versionText)
  const keyName = yield* keyNameOf(key)
  const acks = yield* acksOf(minAcks)
  const label = `${name}@${version}`
  const work = Effect.gen(function* () {
    const keyPair = yield* Effect.flatMap(Keystore, (keystore) => keystore.load(keyName))
    const retraction = yield* output.task(doing(label), () =>
      PublicationLock.alone(
        Effect.andThen(Revocation.refuse(keyPair.publicKey, name), retract(keyPair, name, version, { undo }))
      )
    )
    return { ...retraction, publisher: PublicKey.toBase64(keyPair.publicKey) }
  })
  const { flags, newest, publisher } = yield* session
    .limited(work)
    .pipe(tellingOwner, Effect.provideService(Quorum.MinAcks, acks), Network.provideRecords)
  yield* output.result({ name, version, publisher, ...document }, [told(label), `  publisher  ${publisher}`])
  const isAlone = newest === version && (flags & Package.Flag.yanked) !== 0
  yield* output.note(isAlone ? "No other version can take its place." : `The newest version is ${newest}.`)
})
