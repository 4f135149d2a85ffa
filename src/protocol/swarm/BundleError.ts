/** Ways in which a bundle can fail to be made, read or imported. */
import * as Schema from "effect/Schema"
import { ExitCode } from "../core/Errors.ts"
import { InvalidRecord } from "../dht/Record.ts"
import { InvalidManifest } from "../registry/Manifest.ts"
import { RegistryError } from "../registry/RegistryError.ts"
import { StorageFailed } from "./Content.ts"
import { TamperedTarball } from "./FetchRelease.ts"
import { InvalidTorrent } from "./Torrent.ts"

/** The file does not begin as a bundle does. */
export class NotABundle extends Schema.TaggedError<NotABundle>()("NotABundle", { location: Schema.String }) {
  readonly exitCode = ExitCode.usage
  readonly hint = "Give a file that was made with: ls-cli bundle <spec…> -o <file>"
  override get message() {
    return `${this.location} is not a bundle`
  }
}

/** A later version of the format. */
export class NewerBundle extends Schema.TaggedError<NewerBundle>()("NewerBundle", {
  location: Schema.String,
  format: Schema.Finite
}) {
  readonly exitCode = ExitCode.usage
  readonly hint = "Read it with the ls-cli that made it, or with a newer one than this."
  override get message() {
    return `${this.location} was made by a newer ls-cli: its format is ${this.format}`
  }
}

/** The file ends before the bundle does. */
export class BundleCut extends Schema.TaggedError<BundleCut>()("BundleCut", {
  location: Schema.String,
  /** Bytes that there are. */
  length: Schema.Finite
}) {
  readonly exitCode = ExitCode.untrusted
  readonly hint = "Nothing of it was imported. Copy the file again, whole."
  override get message() {
    return `${this.location} ends early, after ${this.length} bytes`
  }
}

/** The file breaks the form of a bundle: its order, a length, a limit, its checksum. */
export class MalformedBundle extends Schema.TaggedError<MalformedBundle>()("MalformedBundle", {
  location: Schema.String,
  /** Where, in bytes from the start. */
  offset: Schema.Finite,
  problem: Schema.String
}) {
  readonly exitCode = ExitCode.untrusted
  readonly hint = "Nothing of it was imported. Copy the file again; if it stays so, have the bundle made anew."
  override get message() {
    return `${this.location} is damaged at byte ${this.offset}: ${this.problem}`
  }
}

/** Something in the bundle has no signature that answers for it, or does not belong there. */
export class UnprovenBundle extends Schema.TaggedError<UnprovenBundle>()("UnprovenBundle", {
  location: Schema.String,
  problem: Schema.String
}) {
  readonly exitCode = ExitCode.untrusted
  readonly hint = "Nothing of it was imported. Do not use this bundle; have one made by somebody else."
  override get message() {
    return `${this.location} is not to be believed: ${this.problem}`
  }
}

/** What is to be bundled passes a limit of the format. */
export class BundleTooLarge extends Schema.TaggedError<BundleTooLarge>()("BundleTooLarge", {
  problem: Schema.String
}) {
  readonly exitCode = ExitCode.usage
  readonly hint = "Nothing was written. Make several bundles of fewer packages each."
  override get message() {
    return `This does not fit into one bundle: ${this.problem}`
  }
}

export class BundleError extends Schema.TaggedError<BundleError>()("BundleError", {
  reason: Schema.Union([
    NotABundle,
    NewerBundle,
    BundleCut,
    MalformedBundle,
    UnprovenBundle,
    BundleTooLarge,
    InvalidRecord,
    InvalidTorrent,
    InvalidManifest,
    TamperedTarball,
    RegistryError,
    StorageFailed
  ])
}) {
  override get message() {
    return this.reason.message
  }
}

/** For `Effect.mapError`: what another module failed with, as a failure of a bundle. */
export const toBundleError = (reason: BundleError["reason"]): BundleError => new BundleError({ reason })
