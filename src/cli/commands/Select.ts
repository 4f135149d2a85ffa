/** From what a user typed to a release: specs, `--publisher` and `--policy`. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as PackageSpec from "../../protocol/core/PackageSpec.ts"
import * as PublicKey from "../../protocol/core/PublicKey.ts"
import * as Policy from "../../protocol/registry/Policy.ts"
import * as Resolve from "../../protocol/registry/Resolve.ts"
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
          problem: `"${text}" is not a public key`,
          hint: "Give the key in base64, in hex or as key_…; ls-cli query <name> shows who publishes a name."
        })
    )
  )

export const policyOf = (name: string): Effect.Effect<Policy.Policy, InvalidArgument> =>
  Effect.fromNullishOr(Policy.byName.get(name)).pipe(
    Effect.mapError(
      () =>
        new InvalidArgument({
          argument: "--policy",
          problem: `"${name}" is not known`,
          hint: `Choose one of: ${[...Policy.byName.keys()].join(", ")}`
        })
    )
  )

export const specOf = (text: string) => Effect.fromResult(PackageSpec.parse(text))

/** Looks up one spec as the flags say. */
export const resolve = Effect.fnUntraced(function* (spec: PackageSpec.PackageSpec, choice: Choice) {
  if (Option.isSome(choice.publisher)) {
    return yield* Resolve.byPublisher(spec, yield* publisherOf(choice.publisher.value))
  }
  return yield* Resolve.byName(spec, yield* policyOf(choice.policy))
})
