/** From what a user typed to a release: specs, `--publisher` and `--policy`. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as PackageName from "../../protocol/core/PackageName.ts"
import * as PackageSpec from "../../protocol/core/PackageSpec.ts"
import * as PublicKey from "../../protocol/core/PublicKey.ts"
import * as Policy from "../../protocol/registry/Policy.ts"
import * as Resolve from "../../protocol/registry/Resolve.ts"
import { quoted } from "../../runtime/archive/Printable.ts"
import { Output } from "../Output.ts"
import { InvalidArgument } from "../Settings.ts"

export interface Choice {
  readonly publisher: Option.Option<string>
  readonly policy: string
}

const publisherOf = (text: string) =>
  Effect.fromOption(PublicKey.parse(text)).pipe(
    Effect.mapError(
      () =>
        new InvalidArgument({
          argument: "--publisher",
          problem: `${quoted(text)} is not a public key`,
          hint: "Give the key in base64, in hex or as key_…; ls-cli query <name> shows who publishes a name."
        })
    )
  )

/** `--policy`: a name, or several separated by commas, each to decide where those before it leave nobody. */
export const policyOf = (text: string): Effect.Effect<Policy.Policy, InvalidArgument> =>
  Effect.fromResult(Policy.parse(text)).pipe(
    Effect.mapError(
      (name) =>
        new InvalidArgument({
          argument: "--policy",
          problem: `${quoted(name)} is not known`,
          hint: `Choose one or more, separated by commas: ${[...Policy.byName.keys()].join(", ")}`
        })
    )
  )

export const specOf = (text: string) => Effect.fromResult(PackageSpec.parse(text))

/** A package name alone, where a range would have no meaning. */
export const nameOf = (text: string) =>
  Effect.fromOption(PackageName.parse(text)).pipe(
    Effect.mapError(
      () =>
        new InvalidArgument({
          argument: quoted(text),
          problem: "is not a package name",
          hint: "Give a name alone, like semver or @scope/name."
        })
    )
  )

/** How a command chooses a publisher, once its flags make sense. */
export interface Chooser {
  readonly publisher: Option.Option<PublicKey.PublicKey>
  readonly policy: Policy.Policy
}

export const chooserOf = Effect.fnUntraced(function* (choice: Choice) {
  const publisher = Option.isSome(choice.publisher)
    ? Option.some(yield* publisherOf(choice.publisher.value))
    : Option.none()
  return { publisher, policy: yield* policyOf(choice.policy) } satisfies Chooser
})

/** Looks up one spec as the flags say. */
export const resolve = (spec: PackageSpec.PackageSpec, { policy, publisher }: Chooser) =>
  Resolve.resolveByName(spec, { policy, publisher: Option.getOrUndefined(publisher) })

/** Tells the user on stderr what a resolution warns of. */
export const tellWarnings = Effect.fnUntraced(function* ({ evidence }: Resolve.Resolution) {
  const output = yield* Output
  yield* Effect.forEach(evidence.warnings, ({ message }) => output.note(`Note: ${message}`), { discard: true })
})
