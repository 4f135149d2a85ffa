/**
 * Packs a directory as npm would: the same choice of files (`npm-packlist`), below `package/`, with
 * fixed dates and modes, so that two packings of one directory are the same bytes. zlib builds may
 * compress differently: what was published once is never packed again.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import * as Zlib from "node:zlib"
import packlist from "npm-packlist"
import { ArchiveError, ArchiveTooLarge, CannotPack, fromPlatformError } from "./ArchiveError.ts"
import { type ArchiveLimits, withDefaults } from "./ArchiveLimits.ts"
import { inspect } from "./Extract.ts"
import type { Listing } from "./PackageListing.ts"
import { quoted } from "./Printable.ts"
import * as TarWriter from "./TarWriter.ts"

/** A gzipped tarball, and the listing that `inspect` gives of it. */
export interface Packed extends Listing {
  readonly tarball: Uint8Array
}

type Manifest = Readonly<Record<string, unknown>>

/** The directory that npm clients expect and strip. */
const ROOT = "package"
const PACKAGE_JSON = "package.json"
const EXECUTE_BITS = 0o111
const CONCURRENT_READS = 8

/** Spelled out because zlib's defaults are not promised to stay. */
const GZIP = { level: 9, memLevel: 9, windowBits: 15, strategy: Zlib.constants.Z_DEFAULT_STRATEGY }
/** Offset of the operating system in a gzip header, and its value for "unknown" (RFC 1952 §2.3.1). */
const GZIP_OS_OFFSET = 9
const GZIP_OS_UNKNOWN = 255

/**
 * Packs the package in `directory` (absolute, or relative to the working directory). Links are left out,
 * as npm leaves them out. Fails with `ArchiveError`: `CannotPack`, `ArchiveTooLarge` or `ArchiveIo`.
 */
export const pack: (
  directory: string,
  limits?: Partial<ArchiveLimits>
) => Effect.Effect<Packed, ArchiveError, FileSystem.FileSystem | Path.Path> = Effect.fn("Archive.pack")(
  function* (directory, overrides) {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const limits = withDefaults(overrides)
    const root = path.resolve(directory)
    const manifest = yield* readManifest(directory, path.join(root, PACKAGE_JSON))
    const names = yield* listFiles(directory, root, manifest)
    const executable = new Set(binPaths(manifest))
    let totalBytes = 0

    const readFile = Effect.fnUntraced(function* (name: string) {
      const file = path.join(root, name)
      const info = yield* Effect.mapError(fs.lstat(file), fromPlatformError(directory, "look at", file))
      if (info.type !== "File") return yield* cannotPack(directory, `${quoted(name)} is not a regular file`, REMOVE_IT)
      totalBytes += Number(info.size)
      if (totalBytes > limits.unpackedBytes) return yield* tooLarge(directory, limits)
      const bytes = yield* Effect.mapError(fs.readFile(file), fromPlatformError(directory, "read", file))
      const mode = (info.mode & EXECUTE_BITS) !== 0 || executable.has(name) ? 0o755 : 0o644
      return { path: `${ROOT}/${name}`, mode, bytes }
    })

    const files = yield* Effect.forEach(names, readFile, { concurrency: CONCURRENT_READS })
    const tarball = yield* gzip(directory, Buffer.concat(TarWriter.encode(files)))
    // Whatever leaves this machine must be accepted by everyone's extractor, ours to begin with.
    const listing = yield* inspect({ name: directory, stream: Stream.make(tarball) }, limits).pipe(
      Effect.catch(({ reason }) =>
        reason._tag === "ArchiveTooLarge"
          ? Effect.fail(new ArchiveError({ reason }))
          : cannotPack(directory, `nobody could unpack it. ${reason.message}`, "Rename or leave out that file.")
      )
    )
    return { ...listing, tarball }
  }
)

const REMOVE_IT = 'Replace it by a regular file, or leave it out with "files" in package.json or with .npmignore.'

const cannotPack = (directory: string, problem: string, hint: string) =>
  Effect.fail(new ArchiveError({ reason: new CannotPack({ directory, problem, hint }) }))

const tooLarge = (archive: string, limits: ArchiveLimits) =>
  Effect.fail(
    new ArchiveError({ reason: new ArchiveTooLarge({ archive, limit: "unpackedBytes", max: limits.unpackedBytes }) })
  )

const readManifest = Effect.fnUntraced(function* (directory: string, file: string) {
  const fs = yield* FileSystem.FileSystem
  const missing = (error: PlatformError) =>
    error.reason._tag === "NotFound"
      ? cannotPack(directory, `it has no ${PACKAGE_JSON}`, "Name a package's directory, or run npm init there first.")
      : Effect.fail(fromPlatformError(directory, "read", file)(error))
  const bytes = yield* fs.readFile(file).pipe(Effect.catch(missing))
  const manifest = yield* Effect.try({
    try: (): unknown => JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)),
    catch: () => undefined
  }).pipe(Effect.catch(() => cannotPack(directory, `its ${PACKAGE_JSON} is not JSON`, "Mend it and pack again.")))
  if (!isManifest(manifest)) {
    return yield* cannotPack(directory, `its ${PACKAGE_JSON} is not an object`, "Mend it and pack again.")
  }
  for (const field of ["name", "version"]) {
    if (typeof manifest[field] === "string" && manifest[field] !== "") continue
    return yield* cannotPack(directory, `its ${PACKAGE_JSON} has no "${field}"`, `Give the package a "${field}".`)
  }
  if (bundles(manifest["bundleDependencies"]) || bundles(manifest["bundledDependencies"])) {
    return yield* cannotPack(
      directory,
      "it bundles dependencies, and which of them are installed is for npm to say",
      "Run npm pack there, and publish the .tgz file that it makes."
    )
  }
  return manifest
})

const isManifest = (u: unknown): u is Manifest => Predicate.isObject(u) && !Array.isArray(u)

const bundles = (field: unknown): boolean => field === true || (Array.isArray(field) && field.length > 0)

/** File names below `root`, `/`-separated, sorted by their bytes. */
const listFiles = Effect.fnUntraced(function* (directory: string, root: string, manifest: Manifest) {
  const names = yield* Effect.tryPromise({
    try: () =>
      packlist({ path: root, package: forPacklist(manifest), isProjectRoot: true, edgesOut: new Map<string, never>() }),
    catch: (error) => (error instanceof Error ? error.message : String(error))
  }).pipe(
    Effect.catch((problem) =>
      cannotPack(directory, `its files cannot be listed: ${quoted(problem)}`, "Make its files readable and pack again.")
    )
  )
  return names
    .map((name) => name.replace(/^\.\//, ""))
    .toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
})

/** npm-packlist trusts these fields and throws inside a callback, where nobody can catch, when they have other types. */
const forPacklist = (manifest: Manifest): Manifest => {
  const { main, browser, files, patchedDependencies } = manifest
  return {
    bin: Object.fromEntries(binPaths(manifest).entries()),
    ...(typeof main === "string" ? { main } : {}),
    ...(typeof browser === "string" ? { browser } : {}),
    ...(Predicate.isObject(patchedDependencies) ? { patchedDependencies } : {}),
    ...(Array.isArray(files) ? { files: files.filter((entry) => typeof entry === "string") } : {})
  }
}

/** Targets of `bin`, which is one path or a record of them. */
const binPaths = ({ bin }: Manifest): ReadonlyArray<string> =>
  (Predicate.isObject(bin) ? Object.values(bin) : [bin])
    .filter((target) => typeof target === "string")
    .map((target) => target.replace(/^(?:\.?\/)+/, ""))

const gzip = (directory: string, tar: Uint8Array): Effect.Effect<Uint8Array, ArchiveError> =>
  Effect.callback((resume) => {
    Zlib.gzip(tar, GZIP, (error, compressed) => {
      if (error !== null) {
        return resume(cannotPack(directory, `it cannot be compressed: ${error.message}`, "Pack less at a time."))
      }
      compressed[GZIP_OS_OFFSET] = GZIP_OS_UNKNOWN
      resume(Effect.succeed(new Uint8Array(compressed.buffer, compressed.byteOffset, compressed.length)))
    })
  })
