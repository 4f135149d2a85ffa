/** Ways in which what the user decided about publishers cannot be kept. */
import * as Schema from "effect/Schema"
import { ExitCode } from "../core/Errors.ts"
import { TrustUnavailable } from "../registry/RegistryError.ts"

/** The trust book holds as many entries of a kind as it may. */
export class TrustBookFull extends Schema.TaggedError<TrustBookFull>()("TrustBookFull", {
  kind: Schema.Literals(["pins", "trusted keys"]),
  max: Schema.Int
}) {
  readonly exitCode = ExitCode.usage
  get hint() {
    return this.kind === "pins"
      ? "Remove pins that you no longer need with: ls-cli trust unpin <name>"
      : "Remove keys that you no longer need with: ls-cli trust remove <key>"
  }
  override get message() {
    return `You have ${this.max} ${this.kind}, and cannot have more`
  }
}

export class TrustError extends Schema.TaggedError<TrustError>()("TrustError", {
  reason: Schema.Union([TrustBookFull, TrustUnavailable])
}) {
  override get message() {
    return this.reason.message
  }
}
