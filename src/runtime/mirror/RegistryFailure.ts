/** Ways in which an npm registry can fail to give what it is asked for, or give what is not acceptable. */
import * as Schema from "effect/Schema"
import { ExitCode } from "../../protocol/core/Errors.ts"

/** The registry's address cannot be used. */
export class InvalidRegistry extends Schema.TaggedError<InvalidRegistry>()("InvalidRegistry", {
  registry: Schema.String,
  problem: Schema.String
}) {
  readonly exitCode = ExitCode.usage
  readonly hint = "Give the address of an npm registry, like: --registry https://registry.npmjs.org"
  override get message() {
    return `${this.registry} cannot be used as a registry: ${this.problem}`
  }
}

/** Nobody answers, or the connection breaks, or nothing arrives any more, again and again. */
export class RegistryUnreachable extends Schema.TaggedError<RegistryUnreachable>()("RegistryUnreachable", {
  url: Schema.String,
  problem: Schema.String
}) {
  readonly exitCode = ExitCode.network
  readonly hint =
    "Check the network and the address of the registry, then run the command again: it goes on where it was."
  override get message() {
    return `${this.url} could not be fetched: ${this.problem}`
  }
}

/** What passes: too many requests, and trouble behind the registry's door. */
export const isPassing = (status: number): boolean =>
  status === 408 || status === 425 || status === 429 || status >= 500

/** The registry answers, but with a status that is no success. */
export class RegistryRefused extends Schema.TaggedError<RegistryRefused>()("RegistryRefused", {
  url: Schema.String,
  status: Schema.Int
}) {
  readonly exitCode = ExitCode.network
  get hint() {
    if (this.status === 401 || this.status === 403) return "Only what everybody may read can be mirrored."
    return this.isFinal
      ? "It stays so: ask whoever runs the registry, or choose another version."
      : "Run the command again later: it goes on where it was."
  }
  /** Whether another try has no other outcome: it is this one thing that is refused. */
  get isFinal() {
    return !isPassing(this.status)
  }
  override get message() {
    return `${this.url} was refused with status ${this.status}`
  }
}

/** The registry wants to be left alone for longer than anybody waits. */
export class RegistryBusy extends Schema.TaggedError<RegistryBusy>()("RegistryBusy", {
  url: Schema.String,
  seconds: Schema.Finite
}) {
  readonly exitCode = ExitCode.network
  readonly hint = "Run the command again then, perhaps with a lower --rate: it goes on where it was."
  override get message() {
    return `${this.url} asks to come back in ${Math.ceil(this.seconds)} s`
  }
}

/** Bytes keep arriving, and there is no end of them in the time that there is. */
export class RegistrySlow extends Schema.TaggedError<RegistrySlow>()("RegistrySlow", {
  url: Schema.String,
  seconds: Schema.Finite
}) {
  readonly exitCode = ExitCode.network
  readonly hint = "Run the command again, or give it longer with --timeout."
  override get message() {
    return `${this.url} did not come whole within ${this.seconds} s`
  }
}

/** The registry leads somewhere where nobody may be sent. */
export class ForbiddenAddress extends Schema.TaggedError<ForbiddenAddress>()("ForbiddenAddress", {
  url: Schema.String,
  problem: Schema.String
}) {
  readonly exitCode = ExitCode.untrusted
  readonly hint =
    "Nothing was fetched from there. Only http and https are followed, and only the registry's own kind of network."
  override get message() {
    return `${this.url} is not followed: ${this.problem}`
  }
}

/** More bytes than there may be. */
export class ResponseTooLarge extends Schema.TaggedError<ResponseTooLarge>()("ResponseTooLarge", {
  url: Schema.String,
  max: Schema.Int
}) {
  readonly exitCode = ExitCode.untrusted
  readonly hint = "What came of it was thrown away. Ask whoever runs the registry."
  override get message() {
    return `${this.url} has more than ${this.max} bytes`
  }
}

/** An answer that is no such thing as was asked for. */
export class InvalidResponse extends Schema.TaggedError<InvalidResponse>()("InvalidResponse", {
  url: Schema.String,
  problem: Schema.String
}) {
  readonly exitCode = ExitCode.untrusted
  readonly hint = "Check that there is an npm registry at that address; else ask whoever runs it."
  override get message() {
    return `${this.url} gave an answer that makes no sense: ${this.problem}`
  }
}

export const Reason = Schema.Union([
  InvalidRegistry,
  RegistryUnreachable,
  RegistryRefused,
  RegistryBusy,
  RegistrySlow,
  ForbiddenAddress,
  ResponseTooLarge,
  InvalidResponse
])

/** What can go wrong on the way to a registry. */
export class RegistryFailure extends Schema.TaggedError<RegistryFailure>()("RegistryFailure", { reason: Reason }) {
  override get message() {
    return this.reason.message
  }
}

export const fail = (reason: RegistryFailure["reason"]) => new RegistryFailure({ reason })
