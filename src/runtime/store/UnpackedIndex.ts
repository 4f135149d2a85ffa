/**
 * What is known of a release that lies unpacked in `<home>/files/<content hash>/`: `<content hash>.json`
 * beside it. It has the size and time of every file, so that a quick look tells whether somebody wrote
 * to one through a hard link, and what package.json says to those who install, so that nobody parses
 * package.json again. Plain functions without waiting: a thousand awaited calls take longer than the work.
 *
 * The directory counts only while its index is there. The index is ours alone; what is none is no index.
 */
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Predicate from "effect/Predicate"
import type { Wishes } from "../../protocol/registry/DependencyGraph.ts"

const FORMAT = 2

/** Of an index's name; the directory is called by the rest. */
export const EXTENSION = ".json"

export const CONTENT_HASH = /^[0-9a-f]{64}$/

/** `path` has `/` between its parts; `size` in bytes; `mtimeMs` and `mode` (permission bits) as `lstat` gave them. */
export type UnpackedFile = readonly [path: string, size: number, mtimeMs: number, mode: number]

/** What the package.json of a release tells those who install it. */
export interface PackageFacts {
  readonly name: string
  readonly version: string
  /** By command, as the package has them; not yet made safe. */
  readonly bin?: { readonly [command: string]: string }
  readonly engines?: { readonly [engine: string]: string }
  /** Scripts that npm would run at an install, by name: preinstall, install, postinstall. */
  readonly scripts?: { readonly [event: string]: string }
  /** What it asks for of other packages, without those that it brings with it (`bundleDependencies`). */
  readonly wishes?: Wishes
}

export interface UnpackedIndex {
  readonly format: typeof FORMAT
  /** Releases whose signed manifests list these very files: see {@link vouchOf}. */
  readonly vouched: ReadonlyArray<string>
  readonly facts: PackageFacts
  /** Sorted by the bytes of their paths. */
  readonly files: ReadonlyArray<UnpackedFile>
}

/** A release that the files were compared with. `publisher` in base64, `integrity` as npm writes it. */
export const vouchOf = (release: {
  readonly publisher: string
  readonly name: string
  readonly version: string
  readonly integrity: string
}): string => `${release.publisher} ${release.name}@${release.version} ${release.integrity}`

export const make = (
  vouched: ReadonlyArray<string>,
  facts: PackageFacts,
  files: ReadonlyArray<UnpackedFile>
): UnpackedIndex => ({ format: FORMAT, vouched, facts, files })

/** Where the files of a release lie, whether they are there or not. */
export const directoryOf = (files: string, contentHash: string): string => Path.join(files, contentHash)

export const locationOf = (files: string, contentHash: string): string => Path.join(files, contentHash + EXTENSION)

const isIndex = (value: unknown): value is UnpackedIndex =>
  Predicate.hasProperty(value, "format") &&
  value.format === FORMAT &&
  Predicate.hasProperty(value, "vouched") &&
  Array.isArray(value.vouched) &&
  Predicate.hasProperty(value, "facts") &&
  Predicate.isObject(value.facts) &&
  Predicate.hasProperty(value, "files") &&
  Array.isArray(value.files) &&
  value.files.every((file: unknown) => Array.isArray(file) && file.length === 4 && typeof file[0] === "string")

/** The index of a release; `undefined` where it is not unpacked. Never fails: what cannot be read can be made anew. */
export const read = (files: string, contentHash: string): UnpackedIndex | undefined => {
  try {
    const value: unknown = JSON.parse(Fs.readFileSync(locationOf(files, contentHash), "utf8"))
    return isIndex(value) ? value : undefined
  } catch {
    return undefined
  }
}

/** Size, time and mode of the files of a directory, as they are to be found again. Throws as `lstat` does. */
export const look = (directory: string, paths: ReadonlyArray<string>): ReadonlyArray<UnpackedFile> =>
  paths.map((path) => {
    const { mode, mtimeMs, size } = Fs.lstatSync(`${directory}/${path}`)
    return [path, size, mtimeMs, mode & 0o777]
  })

/** The first file that is not as it was when the release was unpacked; `undefined` where all are. */
export const changed = (directory: string, index: UnpackedIndex): string | undefined => {
  for (const [path, size, mtimeMs, mode] of index.files) {
    const info = Fs.lstatSync(`${directory}/${path}`, { throwIfNoEntry: false })
    if (
      info === undefined ||
      !info.isFile() ||
      info.size !== size ||
      info.mtimeMs !== mtimeMs ||
      (info.mode & 0o777) !== mode
    ) {
      return path
    }
  }
  return undefined
}

/** The index of a release whose files are all as they were unpacked; `undefined` where it has to be made (anew). */
export const intact = (files: string, contentHash: string): UnpackedIndex | undefined => {
  const index = read(files, contentHash)
  if (index === undefined) return undefined
  try {
    return changed(directoryOf(files, contentHash), index) === undefined ? index : undefined
  } catch {
    // A directory of the package that is a file now (ENOTDIR), or one that may not be entered.
    return undefined
  }
}
