/**
 * Ways in which packing and unpacking a package archive can fail. A refused archive says which entry
 * was refused and why; a failing disk says which path. Names are escaped: see `Printable.ts`.
 */
import type { PlatformError } from "effect/PlatformError"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { ExitCode } from "../../protocol/core/Errors.ts"
import { quoted } from "./Printable.ts"

const HOSTILE = "Nothing was unpacked. Do not use this archive; ask the publisher for one made by npm pack."

/** A name that leaves the package, or that not every file system can hold. */
export class UnsafePath extends Schema.TaggedError<UnsafePath>()("UnsafePath", {
  archive: Schema.String,
  entry: Schema.String,
  problem: Schema.String
}) {
  readonly exitCode = ExitCode.untrusted
  readonly hint = HOSTILE
  override get message() {
    return `Archive ${quoted(this.archive)} is refused: its entry ${quoted(this.entry)} ${this.problem}`
  }
}

/** Something other than a regular file or a directory: a link, a device, a sparse file. */
export class ForbiddenEntry extends Schema.TaggedError<ForbiddenEntry>()("ForbiddenEntry", {
  archive: Schema.String,
  entry: Schema.String,
  type: Schema.String
}) {
  readonly exitCode = ExitCode.untrusted
  readonly hint = HOSTILE
  override get message() {
    return `Archive ${quoted(this.archive)} is refused: its entry ${quoted(this.entry)} is a ${this.type}; packages hold files only`
  }
}

/** Two entries that are one file on some file system. */
export class DuplicatePath extends Schema.TaggedError<DuplicatePath>()("DuplicatePath", {
  archive: Schema.String,
  entry: Schema.String,
  first: Schema.String,
  collision: Schema.Literals(["same path", "letter case or Unicode form", "file and directory"])
}) {
  readonly exitCode = ExitCode.untrusted
  readonly hint = HOSTILE
  override get message() {
    return `Archive ${quoted(this.archive)} is refused: its entry ${quoted(this.entry)} collides with ${quoted(this.first)} (${this.collision})`
  }
}

/** A limit of `ArchiveLimits` was passed. */
export class ArchiveTooLarge extends Schema.TaggedError<ArchiveTooLarge>()("ArchiveTooLarge", {
  archive: Schema.String,
  limit: Schema.Literals([
    "compressedBytes",
    "unpackedBytes",
    "files",
    "directories",
    "pathBytes",
    "pathDepth",
    "ratio",
    "packageJsonBytes"
  ]),
  max: Schema.Finite,
  entry: Schema.optionalKey(Schema.String)
}) {
  readonly exitCode = ExitCode.untrusted
  readonly hint = "Nothing was unpacked. A package this large is most likely a decompression bomb; ask its publisher."
  override get message() {
    const where = this.entry === undefined ? "" : ` at its entry ${quoted(this.entry)}`
    return `Archive ${quoted(this.archive)} is refused: it passes the limit of ${this.max} ${LIMIT_NAMES[this.limit]}${where}`
  }
}

const LIMIT_NAMES = {
  compressedBytes: "compressed bytes",
  unpackedBytes: "unpacked bytes",
  files: "files",
  directories: "directories",
  pathBytes: "bytes in a path",
  pathDepth: "components in a path",
  ratio: "unpacked bytes per compressed byte",
  packageJsonBytes: "bytes of package.json"
} as const

/** Not a whole gzip member around a whole tar archive, or one that readers understand differently. */
export class MalformedArchive extends Schema.TaggedError<MalformedArchive>()("MalformedArchive", {
  archive: Schema.String,
  problem: Schema.String,
  entry: Schema.optionalKey(Schema.String)
}) {
  readonly exitCode = ExitCode.untrusted
  readonly hint = "Nothing was unpacked. Fetch the archive again; if it stays so, ask the publisher for a new one."
  override get message() {
    const where = this.entry === undefined ? "" : ` at its entry ${quoted(this.entry)}`
    return `Archive ${quoted(this.archive)} is refused${where}: ${this.problem}`
  }
}

/** A sound archive that is not a package: no package.json, several roots, stray node_modules. */
export class NotAPackage extends Schema.TaggedError<NotAPackage>()("NotAPackage", {
  archive: Schema.String,
  problem: Schema.String,
  entry: Schema.optionalKey(Schema.String)
}) {
  readonly exitCode = ExitCode.untrusted
  readonly hint =
    "Nothing was unpacked. A package is made by npm pack: all files below package/, package.json among them."
  override get message() {
    const where = this.entry === undefined ? "" : ` (entry ${quoted(this.entry)})`
    return `Archive ${quoted(this.archive)} is not a package: ${this.problem}${where}`
  }
}

/** The directory to unpack into is already there. */
export class DestinationExists extends Schema.TaggedError<DestinationExists>()("DestinationExists", {
  archive: Schema.String,
  destination: Schema.String
}) {
  readonly exitCode = ExitCode.storage
  readonly hint = "Nothing was changed. Remove it, or unpack to a path that does not exist yet."
  override get message() {
    return `Archive ${quoted(this.archive)} cannot be unpacked: ${quoted(this.destination)} already exists`
  }
}

/** Somebody replaced a directory of an extraction while it ran. */
export class StagingTampered extends Schema.TaggedError<StagingTampered>()("StagingTampered", {
  archive: Schema.String,
  path: Schema.String
}) {
  readonly exitCode = ExitCode.storage
  readonly hint = "Nothing was unpacked. See which other program writes there, and run the command again."
  override get message() {
    return `Archive ${quoted(this.archive)} cannot be unpacked: ${quoted(this.path)} was replaced meanwhile`
  }
}

/** The file system refused an operation. `code` is the system's (`ENOSPC`, `EIO`, …) where it gave one. */
export class ArchiveIo extends Schema.TaggedError<ArchiveIo>()("ArchiveIo", {
  archive: Schema.String,
  path: Schema.String,
  operation: Schema.String,
  code: Schema.String,
  cause: Schema.Defect()
}) {
  readonly exitCode = ExitCode.storage
  override get message() {
    return `Archive ${quoted(this.archive)}: cannot ${this.operation} ${quoted(this.path)} (${this.code})`
  }
  get hint() {
    return this.code === "ENOSPC" || this.code === "EDQUOT"
      ? "The disk is full. Nothing half-written was left; free some space and run the command again."
      : "Nothing half-written was left. Check that the disk is sound and writable, and run the command again."
  }
}

/** A directory that cannot become a package as it is. */
export class CannotPack extends Schema.TaggedError<CannotPack>()("CannotPack", {
  directory: Schema.String,
  problem: Schema.String,
  hint: Schema.String
}) {
  readonly exitCode = ExitCode.usage
  override get message() {
    return `Cannot pack ${quoted(this.directory)}: ${this.problem}`
  }
}

export const ArchiveReason = Schema.Union([
  UnsafePath,
  ForbiddenEntry,
  DuplicatePath,
  ArchiveTooLarge,
  MalformedArchive,
  NotAPackage,
  DestinationExists,
  StagingTampered,
  ArchiveIo,
  CannotPack
])

export type ArchiveReason = typeof ArchiveReason.Type

export class ArchiveError extends Schema.TaggedError<ArchiveError>()("ArchiveError", { reason: ArchiveReason }) {
  override get message() {
    return this.reason.message
  }
}

/** `ArchiveIo` of a failed file system operation; `operation` is a verb: "write", "rename". */
export const fromPlatformError = (archive: string, operation: string, path: string) => (error: PlatformError) =>
  new ArchiveError({
    reason: new ArchiveIo({ archive, path, operation, code: codeOf(error), cause: error })
  })

/** `ArchiveIo` of what `node:fs` has thrown. */
export const fromThrown = (archive: string, operation: string, path: string, cause: unknown): ArchiveError =>
  new ArchiveError({
    reason: new ArchiveIo({ archive, path, operation, code: codeIn(cause) ?? "unknown", cause })
  })

const codeIn = (cause: unknown): string | undefined =>
  Predicate.hasProperty(cause, "code") && typeof cause.code === "string" ? cause.code : undefined

const codeOf = (error: PlatformError): string => codeIn(error.reason.cause) ?? error.reason._tag
