/** Ways in which a package of an npm registry can turn out not to be fit for being published here. */
import * as Schema from "effect/Schema"
import { ExitCode } from "../../protocol/core/Errors.ts"

/** The registry does not know the name. */
export class NotInRegistry extends Schema.TaggedError<NotInRegistry>()("NotInRegistry", {
  package: Schema.String,
  registry: Schema.String
}) {
  readonly exitCode = ExitCode.notFound
  readonly hint = "Check the spelling, or give another registry with --registry."
  override get message() {
    return `${this.registry} has no package "${this.package}"`
  }
}

/** The registry knows the name, but no version that is wanted. */
export class NoSuchVersion extends Schema.TaggedError<NoSuchVersion>()("NoSuchVersion", {
  package: Schema.String,
  wanted: Schema.String,
  registry: Schema.String
}) {
  readonly exitCode = ExitCode.notFound
  readonly hint = "Ask for another range, or for another tag."
  override get message() {
    return `${this.registry} has no version of ${this.package} that is ${this.wanted}`
  }
}

/** What the registry says of a package contradicts itself, or the name cannot be one here. */
export class UnusablePackument extends Schema.TaggedError<UnusablePackument>()("UnusablePackument", {
  package: Schema.String,
  problem: Schema.String
}) {
  readonly exitCode = ExitCode.untrusted
  readonly hint = "It was not mirrored. Choose another version, or ask whoever runs the registry."
  override get message() {
    return `What the registry says of ${this.package} cannot be used: ${this.problem}`
  }
}

/** The tarball is not the one that the registry speaks of. */
export class IntegrityMismatch extends Schema.TaggedError<IntegrityMismatch>()("IntegrityMismatch", {
  package: Schema.String,
  expected: Schema.String,
  actual: Schema.String
}) {
  readonly exitCode = ExitCode.untrusted
  readonly hint =
    "It was thrown away and not published. Try again; if that does not help, tell whoever runs the registry."
  override get message() {
    return `The tarball of ${this.package} has the integrity ${this.actual}, but the registry says ${this.expected}`
  }
}

/** The registry gives no hash that could be relied on. */
export class NoIntegrity extends Schema.TaggedError<NoIntegrity>()("NoIntegrity", { package: Schema.String }) {
  readonly exitCode = ExitCode.untrusted
  readonly hint =
    "It was not mirrored. Choose a version that was published with an integrity hash, or pack and publish it yourself."
  override get message() {
    return `The registry gives no SHA-512 of ${this.package}`
  }
}

/** The registry signs its packages, and this one it did not sign, or not validly. */
export class BadSignature extends Schema.TaggedError<BadSignature>()("BadSignature", {
  package: Schema.String,
  problem: Schema.String
}) {
  readonly exitCode = ExitCode.untrusted
  readonly hint = "It was not mirrored. Somebody between you and the registry may have changed it."
  override get message() {
    return `The registry's signature of ${this.package} does not hold: ${this.problem}`
  }
}

/** The tarball is one that nobody would unpack, or its package.json is not that of the package. */
export class UnusableTarball extends Schema.TaggedError<UnusableTarball>()("UnusableTarball", {
  package: Schema.String,
  problem: Schema.String
}) {
  readonly exitCode = ExitCode.untrusted
  readonly hint = "It was not published. Choose another version, or ask its author."
  override get message() {
    return `The tarball of ${this.package} cannot be published: ${this.problem}`
  }
}

/** The registry has other bytes by now than those that were mirrored: a version should never change. */
export class ChangedInRegistry extends Schema.TaggedError<ChangedInRegistry>()("ChangedInRegistry", {
  package: Schema.String,
  published: Schema.String,
  found: Schema.String
}) {
  readonly exitCode = ExitCode.untrusted
  readonly hint = "What you published stays as it is. Find out why the registry's has changed before you trust it."
  override get message() {
    return `You published ${this.package} with the integrity ${this.published}, but the registry has ${this.found} now`
  }
}

/** The key publishes a package of that name which is no mirror of this registry's. */
export class NameConflict extends Schema.TaggedError<NameConflict>()("NameConflict", {
  package: Schema.String,
  registry: Schema.String,
  problem: Schema.String
}) {
  readonly exitCode = ExitCode.untrusted
  readonly hint =
    "Nothing was published. Use a key of its own for what you mirror: ls-cli keys new mirror; ls-cli mirror … --key mirror"
  override get message() {
    return `Your key publishes a package "${this.package}" that is not the one of ${this.registry}: ${this.problem}`
  }
}

/** Where it is written down what was mirrored from where. */
export class OriginsUnavailable extends Schema.TaggedError<OriginsUnavailable>()("OriginsUnavailable", {
  location: Schema.String,
  problem: Schema.String
}) {
  readonly exitCode = ExitCode.storage
  readonly hint = "Check that the directory belongs to you and has free space; a damaged file can be deleted."
  override get message() {
    return `What was mirrored from where, in ${this.location}, cannot be used: ${this.problem}`
  }
}

/** Some packages were not mirrored; the others were. */
export class MirrorIncomplete extends Schema.TaggedError<MirrorIncomplete>()("MirrorIncomplete", {
  failed: Schema.Int,
  of: Schema.Int,
  /** The first of the failures. */
  problem: Schema.String,
  exitCode: Schema.Literals(Object.values(ExitCode))
}) {
  readonly hint = "The others are published. Run the command again to try those that failed."
  override get message() {
    return `${this.failed} of ${this.of} packages could not be mirrored: ${this.problem}`
  }
}

export class MirrorError extends Schema.TaggedError<MirrorError>()("MirrorError", {
  reason: Schema.Union([
    NotInRegistry,
    NoSuchVersion,
    UnusablePackument,
    IntegrityMismatch,
    NoIntegrity,
    BadSignature,
    UnusableTarball,
    ChangedInRegistry,
    NameConflict,
    OriginsUnavailable,
    MirrorIncomplete
  ])
}) {
  override get message() {
    return this.reason.message
  }
}

export const fail = (reason: MirrorError["reason"]) => new MirrorError({ reason })
