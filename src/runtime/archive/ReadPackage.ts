/**
 * A package to publish, from a directory or from a tarball that exists: its bytes as they will be
 * published, its files, and what its package.json says of it.
 */
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { ExitCode } from "../../protocol/core/Errors.ts"
import * as PackageName from "../../protocol/core/PackageName.ts"
import * as Version from "../../protocol/core/Version.ts"
import { StorageFailed } from "../../protocol/swarm/Content.ts"
import type { PackedPackage } from "../../protocol/swarm/PublishPackage.ts"
import { problemOf } from "../store/PlatformProblem.ts"
import { ArchiveError, ArchiveTooLarge } from "./ArchiveError.ts"
import * as ArchiveLimits from "./ArchiveLimits.ts"
import * as Extract from "./Extract.ts"
import * as Pack from "./Pack.ts"

/** package.json does not describe something that can be published. */
export class InvalidPackageJson extends Schema.TaggedError<InvalidPackageJson>()("InvalidPackageJson", {
  source: Schema.String,
  problem: Schema.String
}) {
  readonly exitCode = ExitCode.usage
  readonly hint = "Correct package.json and publish again."
  override get message() {
    return `package.json of ${this.source} cannot be published: ${this.problem}`
  }
}

/** The path given is neither a directory nor a tarball. */
export class NotPublishable extends Schema.TaggedError<NotPublishable>()("NotPublishable", { path: Schema.String }) {
  readonly exitCode = ExitCode.usage
  readonly hint = "Give the directory of a package, or a .tgz that npm pack made."
  override get message() {
    return `There is no package at ${this.path}`
  }
}

/** The tarball given is one that nobody would unpack. */
export class UnacceptableTarball extends Schema.TaggedError<UnacceptableTarball>()("UnacceptableTarball", {
  path: Schema.String,
  problem: Schema.String
}) {
  readonly exitCode = ExitCode.usage
  readonly hint = "Nothing was published. Make the tarball with npm pack, or publish the package's directory."
  override get message() {
    return `${this.path} cannot be published: ${this.problem}`
  }
}

const Texts = Schema.Record(Schema.String, Schema.String)

/** The fields of package.json that matter here, in every form that npm accepts. */
const PackageJson = Schema.Struct({
  name: Schema.String,
  version: Schema.String,
  private: Schema.optionalKey(Schema.Unknown),
  description: Schema.optionalKey(Schema.String),
  license: Schema.optionalKey(Schema.Unknown),
  repository: Schema.optionalKey(Schema.Unknown),
  bin: Schema.optionalKey(Schema.Union([Schema.String, Texts])),
  engines: Schema.optionalKey(Schema.Unknown),
  dependencies: Schema.optionalKey(Texts),
  optionalDependencies: Schema.optionalKey(Texts),
  peerDependencies: Schema.optionalKey(Texts),
  peerDependenciesMeta: Schema.optionalKey(Schema.Unknown),
  os: Schema.optionalKey(Schema.Unknown),
  cpu: Schema.optionalKey(Schema.Unknown)
})
type PackageJson = typeof PackageJson.Type

const decodePackageJson = Schema.decodeUnknownEffect(Schema.fromJsonString(PackageJson))
const decodeTexts = Schema.decodeUnknownOption(Texts)
const decodePeersMeta = Schema.decodeUnknownOption(
  Schema.Record(Schema.String, Schema.Struct({ optional: Schema.optionalKey(Schema.Boolean) }))
)
/** npm takes one text for a list of one. */
const decodeList = Schema.decodeUnknownOption(Schema.Union([Schema.Array(Schema.String), Schema.String]))
const decodeUrl = Schema.decodeUnknownOption(Schema.Struct({ url: Schema.String }))
const decodeText = Schema.decodeUnknownOption(Schema.String)

/** Old packages write some fields in forms that nobody reads any more; those are left out, not refused. */
const metadataOf = (json: PackageJson): PackedPackage["metadata"] => {
  const repository = Option.orElse(decodeText(json.repository), () =>
    Option.map(decodeUrl(json.repository), ({ url }) => url)
  )
  const unscoped = json.name.slice(json.name.indexOf("/") + 1)
  return {
    ...(json.description === undefined ? {} : { description: json.description }),
    ...Option.match(decodeText(json.license), { onNone: () => ({}), onSome: (license) => ({ license }) }),
    ...Option.match(repository, { onNone: () => ({}), onSome: (url) => ({ repository: url }) }),
    ...Option.match(decodeTexts(json.engines), { onNone: () => ({}), onSome: (engines) => ({ engines }) }),
    ...(json.bin === undefined ? {} : { bin: typeof json.bin === "string" ? { [unscoped]: json.bin } : json.bin }),
    ...(json.dependencies === undefined ? {} : { dependencies: json.dependencies }),
    ...(json.optionalDependencies === undefined ? {} : { optionalDependencies: json.optionalDependencies }),
    ...(json.peerDependencies === undefined ? {} : { peerDependencies: json.peerDependencies }),
    ...Option.match(decodePeersMeta(json.peerDependenciesMeta), {
      onNone: () => ({}),
      onSome: (peerDependenciesMeta) => ({ peerDependenciesMeta })
    }),
    ...Option.match(decodeList(json.os), { onNone: () => ({}), onSome: (os) => ({ os: [os].flat() }) }),
    ...Option.match(decodeList(json.cpu), { onNone: () => ({}), onSome: (cpu) => ({ cpu: [cpu].flat() }) })
  }
}

const describe = Effect.fnUntraced(function* (source: string, tarball: Uint8Array, listing: Extract.Listing) {
  const refuse = (problem: string) => new InvalidPackageJson({ source, problem })
  const text = new TextDecoder().decode(listing.packageJson)
  const json = yield* decodePackageJson(text).pipe(Effect.mapError((error) => refuse(error.message.split("\n")[0]!)))
  if (json.private === true) return yield* refuse('it says "private": true')
  const name = PackageName.parse(json.name)
  if (Option.isNone(name)) return yield* refuse(`${JSON.stringify(json.name)} is not a package name`)
  const version = Version.parse(json.version)
  if (Option.isNone(version)) return yield* refuse(`${JSON.stringify(json.version)} is not a semantic version`)
  return {
    name: name.value,
    version: version.value,
    tarball,
    files: Object.fromEntries(
      listing.files.map(({ mode, path, sha256, size }) => [
        path,
        { sha256: Hex.encode(sha256), size, mode: mode === 0o755 ? "0755" : "0644" }
      ])
    ),
    metadata: metadataOf(json)
  } satisfies PackedPackage
})

/** A tarball with the bytes that it has. Errors call it `source`; `name` is that of the file. */
export const readTarball = Effect.fn("ReadPackage.readTarball")(function* (
  source: string,
  name: string,
  tarball: Uint8Array
) {
  const listing = yield* Extract.inspect({ name, stream: Stream.succeed(tarball) }).pipe(
    Effect.mapError(({ message }) => new UnacceptableTarball({ path: source, problem: message }))
  )
  return yield* describe(source, tarball, listing)
})

/** Packs a directory as npm does, or takes a tarball with the bytes that it has. */
export const readPackage = Effect.fn("ReadPackage.readPackage")(function* (location: string) {
  const fs = yield* FileSystem.FileSystem
  const paths = yield* Path.Path
  const path = paths.resolve(location)
  const info = yield* fs.stat(path).pipe(Effect.mapError(() => new NotPublishable({ path })))
  if (info.type === "Directory") {
    const packed = yield* Pack.pack(path)
    return yield* describe(path, packed.tarball, packed)
  }
  if (info.type !== "File") return yield* new NotPublishable({ path })
  const max = ArchiveLimits.defaults.compressedBytes
  if (info.size > BigInt(max)) {
    return yield* new ArchiveError({ reason: new ArchiveTooLarge({ archive: path, limit: "compressedBytes", max }) })
  }
  const tarball = yield* fs
    .readFile(path)
    .pipe(
      Effect.mapError((error) => new StorageFailed({ location: path, operation: "read", problem: problemOf(error) }))
    )
  return yield* readTarball(path, paths.basename(path), tarball)
})
