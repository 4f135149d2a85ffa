/** Ways in which a tree of dependencies can fail to come together, each with the package that asked for what. */
import * as Schema from "effect/Schema"
import { ExitCode } from "../core/Errors.ts"

/** `dependent` is `name@version`, or "the project". */
export class DependencyNotResolved extends Schema.TaggedError<DependencyNotResolved>()("DependencyNotResolved", {
  dependent: Schema.String,
  dependency: Schema.String,
  problem: Schema.String,
  hint: Schema.String,
  exitCode: Schema.Literals(Object.values(ExitCode))
}) {
  override get message() {
    return `${this.dependent} depends on ${this.dependency}, which cannot be had: ${this.problem}`
  }
}

/** A dependency on something that is in no registry of packages: a URL, a path, an alias of an alias. */
export class UnsupportedDependency extends Schema.TaggedError<UnsupportedDependency>()("UnsupportedDependency", {
  dependent: Schema.String,
  dependency: Schema.String,
  problem: Schema.String
}) {
  readonly exitCode = ExitCode.usage
  readonly hint = "Only names with semver ranges can be resolved here. Ask its author, or choose another version."
  override get message() {
    return `${this.dependent} depends on ${this.dependency}, which ${this.problem}`
  }
}

/** A package wants to share a dependency with its user, who has one that does not fit. */
export class PeerConflict extends Schema.TaggedError<PeerConflict>()("PeerConflict", {
  dependent: Schema.String,
  peer: Schema.String,
  range: Schema.String,
  found: Schema.String
}) {
  readonly exitCode = ExitCode.usage
  get hint() {
    return `Choose a version of ${this.peer} in the range ${this.range}, or another version of ${this.dependent}.`
  }
  override get message() {
    return `${this.dependent} has to share ${this.peer}@${this.range} with the project, which has ${this.found}`
  }
}

/** `limit` is that which was passed. */
export class TooManyDependencies extends Schema.TaggedError<TooManyDependencies>()("TooManyDependencies", {
  limit: Schema.Int,
  /** What there are too many of, in the plural. */
  what: Schema.String
}) {
  readonly exitCode = ExitCode.untrusted
  readonly hint =
    "Nothing was installed. Ask for fewer packages, or for other versions of those that bring so much with them."
  override get message() {
    return `The tree of dependencies has more than ${this.limit} ${this.what}`
  }
}

/** libreseed.lock.json cannot be read as one. */
export class InvalidLockFile extends Schema.TaggedError<InvalidLockFile>()("InvalidLockFile", {
  location: Schema.String,
  problem: Schema.String,
  isNewer: Schema.optionalKey(Schema.Literal(true))
}) {
  readonly exitCode = ExitCode.usage
  get hint() {
    return this.isNewer === true
      ? "Use the version of ls-cli that made it, or a later one."
      : "Restore it from version control, or delete it and lock anew."
  }
  override get message() {
    return `${this.location} is not a valid lock file: ${this.problem}`
  }
}

/** What is to be had is not what the lock file says. */
export class LockMismatch extends Schema.TaggedError<LockMismatch>()("LockMismatch", {
  package: Schema.String,
  locked: Schema.String,
  found: Schema.String
}) {
  readonly exitCode = ExitCode.untrusted
  readonly hint =
    "Nothing was installed. If you have made sure that the change is right, delete the lock file (or its entry) and lock anew."
  override get message() {
    return `${this.package} is locked to ${this.locked}, but the network has ${this.found}`
  }
}

/** What the lock file answers cannot be had today. */
export class LockedNotResolved extends Schema.TaggedError<LockedNotResolved>()("LockedNotResolved", {
  package: Schema.String,
  problem: Schema.String,
  hint: Schema.String,
  exitCode: Schema.Literals(Object.values(ExitCode))
}) {
  override get message() {
    return `the lock file has ${this.package}, and ${this.problem}`
  }
}

export class DependencyError extends Schema.TaggedError<DependencyError>()("DependencyError", {
  reason: Schema.Union([
    DependencyNotResolved,
    UnsupportedDependency,
    PeerConflict,
    TooManyDependencies,
    InvalidLockFile,
    LockMismatch,
    LockedNotResolved
  ])
}) {
  override get message() {
    return this.reason.message
  }
}
