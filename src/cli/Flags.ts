/** Arguments and flags that several commands take. */
import * as Argument from "effect/cli/Argument"
import * as Flag from "effect/cli/Flag"

export const spec = Argument.String("spec").pipe(
  Argument.withDescription("Package name, with a version range if wanted: semver, semver@^7, @scope/name@1.2.3")
)

export const choice = {
  publisher: Flag.String("publisher").pipe(
    Flag.withMetavar("key"),
    Flag.withDescription("Take it from this publisher, whoever else uses the name"),
    Flag.optional
  ),
  policy: Flag.String("policy").pipe(
    Flag.withMetavar("name"),
    Flag.withDescription(
      "How to choose between publishers of a name: firstSeen, latestVersion, userTrust or seederCount; several with commas, tried in turn"
    ),
    Flag.withDefault("firstSeen")
  )
}

/** The key that signs. */
export const signingKey = Flag.String("key").pipe(
  Flag.withMetavar("name"),
  Flag.withDescription("Key to sign with (default: default)"),
  Flag.withDefault("default")
)

export const minAcks = Flag.Int("min-acks").pipe(
  Flag.withMetavar("count"),
  Flag.withDescription("DHT nodes that must hold each record, or all there are (default: 8)"),
  Flag.withDefault(8)
)

export const watch = Flag.Boolean("watch").pipe(
  Flag.withDescription("Tell which records are put again, and how many nodes hold them"),
  Flag.withDefault(false)
)

export const metrics = Flag.String("metrics").pipe(
  Flag.withMetavar("host:port"),
  Flag.withDescription(
    "Serve metrics for Prometheus at http://host:port/metrics, to whoever can reach it (default: nowhere)"
  ),
  Flag.optional
)

export const retryRefused = Flag.Boolean("retry-refused").pipe(
  Flag.withDescription("Download again what was refused less than a day ago because its bytes were wrong"),
  Flag.withDefault(false)
)

export const undo = Flag.Boolean("undo").pipe(Flag.withDescription("Take it back"), Flag.withDefault(false))

export const exactVersion = Argument.String("version").pipe(
  Argument.withDescription("Package and exact version, like semver@7.5.0")
)

export const trustedKey = Argument.String("key").pipe(
  Argument.withDescription("Public key in any of its spellings; ls-cli query <name> shows them")
)

export const pinnedName = Argument.String("name").pipe(Argument.withDescription("Package name"))

export const keyName = (name: string) =>
  Argument.String(name).pipe(
    Argument.withDescription("Name of the key in your keystore"),
    Argument.withDefault("default")
  )
