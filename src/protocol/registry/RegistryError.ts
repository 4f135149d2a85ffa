/** Ways in which finding and publishing packages can fail. */
import * as Schema from "effect/Schema"
import { ExitCode } from "../core/Errors.ts"
import { DhtError } from "../dht/DhtError.ts"
import { PageStoreError } from "../dht/PageStore.ts"
import { InvalidRecord } from "../dht/Record.ts"
import { RecordStoreError } from "../dht/RecordStore.ts"
import { TreeError } from "../dht/TreeError.ts"
import { ObservationsError } from "./Observations.ts"
import { ProofsError } from "./Proofs.ts"

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

/** Nobody may be asked, and what is held on this host does not have it. */
export class NotHeld extends Schema.TaggedError<NotHeld>()("NotHeld", {
  package: Schema.String,
  /** What is lacking, as the subject of a sentence. */
  missing: Schema.String
}) {
  readonly exitCode = ExitCode.notFound
  readonly hint = "Run the command without --offline, or import a bundle that has it: ls-cli bundle import <file>"
  override get message() {
    return `${this.missing} is not in the store, and the network was not to be asked`
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

/** The publisher has as many packages as a publisher may have. */
export class TooManyPackages extends Schema.TaggedError<TooManyPackages>()("TooManyPackages", {
  package: Schema.String,
  max: Schema.Int
}) {
  readonly exitCode = ExitCode.usage
  readonly hint = "Publish it under another key."
  override get message() {
    return `"${this.package}" would be one package too many: a publisher may have ${this.max}`
  }
}

/** A record of the publisher has the highest sequence number there is: nothing newer can be written in its place. */
export class SequenceExhausted extends Schema.TaggedError<SequenceExhausted>()("SequenceExhausted", {
  subject: Schema.String
}) {
  readonly exitCode = ExitCode.untrusted
  readonly hint =
    "No honest program counts that far: somebody else has your key. Revoke it with ls-cli revoke and go on with a new one."
  override get message() {
    return `The sequence numbers of ${this.subject} are used up`
  }
}

/** The publisher signed two different things for one version. */
export class Equivocation extends Schema.TaggedError<Equivocation>()("Equivocation", {
  package: Schema.String,
  version: Schema.String,
  publisher: Schema.String,
  /** What the releases point at, in hex, as far as they are at hand. */
  infohashes: Schema.optionalKey(Schema.Array(Schema.String))
}) {
  readonly exitCode = ExitCode.untrusted
  readonly hint = "Do not use this version; tell the publisher. Another version or publisher may be fine."
  override get message() {
    const which = this.infohashes?.length === 2 ? `: infohashes ${this.infohashes.join(" and ")}` : ""
    return `The publisher ${this.publisher} signed two different releases of ${this.package}@${this.version}${which}`
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
    return `The claim on the name "${this.package}" is not recorded as it should be: ${this.problem}`
  }
}

/** The name is pinned to one publisher, and something asks to take it from another. */
export class PublisherChanged extends Schema.TaggedError<PublisherChanged>()("PublisherChanged", {
  package: Schema.String,
  pinned: Schema.String,
  /** Publishers that could be taken instead, base64. */
  offered: Schema.Array(Schema.String),
  problem: Schema.String
}) {
  readonly exitCode = ExitCode.untrusted
  get hint() {
    return this.offered.length === 0
      ? `If you mean to take it from whoever publishes it: ls-cli trust unpin ${this.package}`
      : `If you have made sure that the change is right: ls-cli trust pin ${this.package} ${this.offered[0]}`
  }
  override get message() {
    return `"${this.package}" is pinned to the publisher ${this.pinned}, but ${this.problem}`
  }
}

/** The publisher revoked its own key. */
export class PublisherRevoked extends Schema.TaggedError<PublisherRevoked>()("PublisherRevoked", {
  package: Schema.String,
  publisher: Schema.String,
  because: Schema.String,
  successor: Schema.optionalKey(Schema.String)
}) {
  readonly exitCode = ExitCode.untrusted
  get hint() {
    return this.successor === undefined
      ? `Nothing signed by it is believed any more. See who else publishes the name: ls-cli query ${this.package}`
      : `It names ${this.successor} as its successor. If you have made sure of that: ls-cli trust pin ${this.package} ${this.successor}`
  }
  override get message() {
    return `The publisher ${this.publisher} of "${this.package}" revoked its key (${this.because})`
  }
}

/** There are publishers, and the policy takes none of them. */
export class NoAcceptablePublisher extends Schema.TaggedError<NoAcceptablePublisher>()("NoAcceptablePublisher", {
  package: Schema.String,
  policy: Schema.String,
  /** Publisher (base64) and why it was refused, worst last; the first few. */
  refused: Schema.Array(Schema.Struct({ publisher: Schema.String, reason: Schema.String }))
}) {
  readonly exitCode = ExitCode.untrusted
  get hint() {
    const [first] = this.refused
    const example = first === undefined ? "" : ` (${first.publisher}: ${first.reason})`
    const advice = this.refused.every(({ reason }) => reason.includes("revoked"))
      ? "Whoever revoked their key stays refused, whatever the policy."
      : "Trust one with ls-cli trust add <key>, or choose another --policy."
    return `See them with: ls-cli query ${this.package}${example}. ${advice}`
  }
  override get message() {
    return `No publisher of "${this.package}" is acceptable to the policy ${this.policy}`
  }
}

/** Only old news is to be had, which is what a network that hides the latest would give. */
export class StaleRecord extends Schema.TaggedError<StaleRecord>()("StaleRecord", {
  package: Schema.String,
  publisher: Schema.String,
  /** Negative where the record is dated ahead of this clock, which tells nothing about its age. */
  ageDays: Schema.Finite,
  limitDays: Schema.Finite
}) {
  readonly exitCode = ExitCode.untrusted
  readonly hint = "Ask the publisher to publish again, which renews it; or allow older records."
  override get message() {
    const subject = `The latest record of "${this.package}" by ${this.publisher}`
    return this.ageDays < 0
      ? `${subject} is dated ${-this.ageDays} days ahead of this clock, so nothing shows that it is recent`
      : `${subject} is ${this.ageDays} days old; the limit is ${this.limitDays}`
  }
}

/** What the user decided about publishers cannot be read or kept. */
export class TrustUnavailable extends Schema.TaggedError<TrustUnavailable>()("TrustUnavailable", {
  location: Schema.String,
  problem: Schema.String
}) {
  readonly exitCode = ExitCode.storage
  readonly hint =
    "Check that the file can be read and written. If it is damaged, restore it from a backup: moved away, your pins and the keys that you trust are forgotten, and so are the revoked keys that you have seen."
  override get message() {
    return `Your pins and trusted keys in ${this.location} cannot be used: ${this.problem}`
  }
}

/** Notes about unfinished publications cannot be read or kept. */
export class PublicationLogUnavailable extends Schema.TaggedError<PublicationLogUnavailable>()(
  "PublicationLogUnavailable",
  {
    location: Schema.String,
    problem: Schema.String
  }
) {
  readonly exitCode = ExitCode.storage
  readonly hint = "Check that the file can be read and written. If it is damaged, move it away to start anew."
  override get message() {
    return `Notes about unfinished publications in ${this.location} cannot be used: ${this.problem}`
  }
}

export class RegistryError extends Schema.TaggedError<RegistryError>()("RegistryError", {
  reason: Schema.Union([
    NameNotFound,
    PackageNotFound,
    NotHeld,
    VersionNotFound,
    VersionExists,
    TooManyVersions,
    TooManyPackages,
    SequenceExhausted,
    Equivocation,
    NameIndexBlocked,
    PublisherChanged,
    PublisherRevoked,
    NoAcceptablePublisher,
    StaleRecord,
    TrustUnavailable,
    PublicationLogUnavailable,
    InvalidRecord,
    RecordStoreError,
    PageStoreError,
    ProofsError,
    ObservationsError,
    TreeError,
    DhtError
  ])
}) {
  override get message() {
    return this.reason.message
  }
}

/** For `Effect.mapError`: a reason that another module failed with, as a failure of the registry. */
export const toRegistryError = (reason: RegistryError["reason"]): RegistryError => new RegistryError({ reason })
