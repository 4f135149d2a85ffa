/** Ways in which finding and publishing packages can fail. */
import * as Schema from "effect/Schema"
import { ExitCode } from "../core/Errors.ts"
import { DhtError } from "../dht/DhtError.ts"
import { InvalidRecord } from "../dht/Record.ts"
import { RecordStoreError } from "../dht/RecordStore.ts"

/** No valid claim for the name was found. */
export class NameNotFound extends Schema.TaggedError<NameNotFound>()("NameNotFound", { package: Schema.String }) {
  readonly exitCode = ExitCode.notFound
  readonly hint =
    "Check the spelling. If it was published a moment ago, wait a little; if long ago, its records may have expired: ask the publisher to publish or seed again."
  override get message() {
    return `Nobody publishes "${this.package}"`
  }
}

/** The publisher is known, but its record of the package is not to be had. */
export class PackageNotFound extends Schema.TaggedError<PackageNotFound>()("PackageNotFound", {
  package: Schema.String,
  publisher: Schema.String,
  others: Schema.Array(Schema.String)
}) {
  readonly exitCode = ExitCode.notFound
  get hint() {
    return this.others.length === 0
      ? "Its records may have expired: ask the publisher to publish or seed again."
      : `Other keys publish this name too; to take it from one of them: --publisher ${this.others.join(" | --publisher ")}`
  }
  override get message() {
    return `The publisher ${this.publisher} has no record of "${this.package}" in the network`
  }
}

export class VersionNotFound extends Schema.TaggedError<VersionNotFound>()("VersionNotFound", {
  package: Schema.String,
  range: Schema.String,
  publisher: Schema.String,
  available: Schema.Array(Schema.String),
  /** Older versions that did not fit into the package's record. */
  unlisted: Schema.Int
}) {
  readonly exitCode = ExitCode.notFound
  get hint() {
    const more = this.available.length > 8 ? ", …" : ""
    const listed =
      this.available.length === 0
        ? "All its versions are withdrawn."
        : this.available.every((version) => version.includes("-"))
          ? `It has only pre-releases, to be asked for by their exact number: ${this.available.slice(0, 8).join(", ")}${more}.`
          : `It has ${this.available.slice(0, 8).join(", ")}${more}.`
    return this.unlisted === 0
      ? listed
      : `${listed} ${this.unlisted} older versions are not listed and can only be had by their exact number.`
  }
  override get message() {
    return `No version of "${this.package}" by ${this.publisher} fits ${this.range}`
  }
}

/** A release is immutable: this version is out already with other content. */
export class VersionExists extends Schema.TaggedError<VersionExists>()("VersionExists", {
  package: Schema.String,
  version: Schema.String
}) {
  readonly exitCode = ExitCode.usage
  readonly hint = "Raise the version in package.json and publish again."
  override get message() {
    return `${this.package}@${this.version} is published already with other content`
  }
}

/** The package has as many versions as a package may have. */
export class TooManyVersions extends Schema.TaggedError<TooManyVersions>()("TooManyVersions", {
  package: Schema.String,
  max: Schema.Int
}) {
  readonly exitCode = ExitCode.usage
  readonly hint = "Go on under another name."
  override get message() {
    return `${this.package} has ${this.max} versions, and a package cannot have more`
  }
}

/** The publisher signed two different things for one version. */
export class Equivocation extends Schema.TaggedError<Equivocation>()("Equivocation", {
  package: Schema.String,
  version: Schema.String,
  publisher: Schema.String
}) {
  readonly exitCode = ExitCode.untrusted
  readonly hint = "Do not use this version; tell the publisher. Another version or publisher may be fine."
  override get message() {
    return `The publisher ${this.publisher} signed two different releases of ${this.package}@${this.version}`
  }
}

/** The shared record of a name cannot take another claim. */
export class NameIndexBlocked extends Schema.TaggedError<NameIndexBlocked>()("NameIndexBlocked", {
  package: Schema.String,
  problem: Schema.String
}) {
  readonly exitCode = ExitCode.network
  readonly hint = "The release itself is published: users reach it with --publisher and your key. Try again later."
  override get message() {
    return `The claim on the name "${this.package}" could not be recorded: ${this.problem}`
  }
}

export class RegistryError extends Schema.TaggedError<RegistryError>()("RegistryError", {
  reason: Schema.Union([
    NameNotFound,
    PackageNotFound,
    VersionNotFound,
    VersionExists,
    TooManyVersions,
    Equivocation,
    NameIndexBlocked,
    InvalidRecord,
    RecordStoreError,
    DhtError
  ])
}) {
  override get message() {
    return this.reason.message
  }
}
