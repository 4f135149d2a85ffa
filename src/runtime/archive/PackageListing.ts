/**
 * Builds the listing of a package archive from what the tar reader tells, and refuses what a package
 * must not hold. Hashes file data as it passes and hands it on in pieces, so that whoever unpacks
 * writes under exactly those names that were checked here.
 */
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Crypto from "node:crypto"
import { type ArchiveReason, ArchiveTooLarge, DuplicatePath, NotAPackage, UnsafePath } from "./ArchiveError.ts"
import type { ArchiveLimits } from "./ArchiveLimits.ts"
import * as EntryPath from "./EntryPath.ts"
import { PathTree } from "./PathTree.ts"
import type { TarEntry, TarEvent } from "./TarReader.ts"

/** npm's two modes; owner, group, setuid and write bits of an archive are never taken over. */
export type FileMode = 0o644 | 0o755

/** A regular file of a package. `path` is relative to the package, `/`-separated; `size` in bytes. */
export interface ArchivedFile {
  readonly path: string
  readonly size: number
  readonly mode: FileMode
  readonly sha256: Uint8Array
}

/** All files of a package, sorted by the bytes of their paths, and its manifest as it stands there. */
export interface Listing {
  readonly files: ReadonlyArray<ArchivedFile>
  readonly packageJson: Uint8Array
}

/** Consecutive bytes of one file. `index` counts from 0; a file that is empty has one piece without chunks. */
export interface FilePiece {
  readonly components: ReadonlyArray<string>
  readonly mode: FileMode
  readonly index: number
  readonly isLast: boolean
  readonly bytes: number
  readonly chunks: ReadonlyArray<Uint8Array>
}

/** A piece is handed on once it has this many bytes, or its file ends. */
export const PIECE_BYTES = 1024 * 1024

const PACKAGE_JSON = "package.json"
const NODE_MODULES = "node_modules"
const EXECUTE_BITS = 0o111

interface OpenFile {
  readonly path: string
  readonly components: ReadonlyArray<string>
  readonly size: number
  readonly mode: FileMode
  /** Of the pieces that were handed on; one hash of a file in one piece takes half the time. */
  hash: Crypto.Hash | undefined
  index: number
  bytes: number
  chunks: Array<Uint8Array>
}

type Step<A> = Result.Result<A, ArchiveReason>

export class PackageListing {
  private readonly archive: string
  private readonly limits: ArchiveLimits
  private readonly tree = new PathTree()
  private readonly files: Array<ArchivedFile & { readonly sortKey: Uint8Array }> = []
  private root: string | undefined
  private directories = 0
  private fileCount = 0
  private unpackedBytes = 0
  private open: OpenFile | undefined
  private packageJson: Array<Uint8Array> | undefined
  private bundled: string | undefined

  constructor(archive: string, limits: ArchiveLimits) {
    this.archive = archive
    this.limits = limits
  }

  /** Takes one event; succeeds with a piece of a file when one is complete. */
  accept(event: TarEvent): Step<FilePiece | undefined> {
    switch (event._tag) {
      case "Entry":
        return this.begin(event.entry)
      case "Data":
        return Result.succeed(this.append(event.bytes))
      case "EntryEnd":
        return Result.succeed(this.end())
    }
  }

  /** The listing of the whole archive. */
  finish(): Step<Listing> {
    if (this.packageJson === undefined) return this.notAPackage(`it has no ${PACKAGE_JSON}`)
    const packageJson = new Uint8Array(Buffer.concat(this.packageJson))
    if (this.bundled !== undefined && !bundlesDependencies(packageJson)) {
      return this.notAPackage(`it has ${NODE_MODULES}, but its ${PACKAGE_JSON} bundles no dependencies`, this.bundled)
    }
    const files = this.files
      .toSorted((a, b) => Buffer.compare(a.sortKey, b.sortKey))
      .map(({ path, size, mode, sha256 }) => ({ path, size, mode, sha256 }))
    return Result.succeed({ files, packageJson })
  }

  private begin(entry: TarEntry): Step<undefined> {
    const { archive, limits } = this
    const named = entry.isFile || !entry.path.endsWith("/") ? entry.path : entry.path.slice(0, -1)
    // The root's own name is not part of the limit, so the early check that keeps splitting cheap allows for it.
    if (named.length > 2 * limits.pathBytes + 256) return this.tooLarge("pathBytes", named)
    const parsed = EntryPath.parse(named)
    if (Result.isFailure(parsed)) {
      return Result.fail(new UnsafePath({ archive, entry: entry.path, problem: parsed.failure }))
    }
    const [root, ...components] = parsed.success
    this.root ??= root
    if (root !== this.root) return this.notAPackage(`its files lie below "${this.root}" and elsewhere`, entry.path)
    if (components.length === 0) {
      if (entry.isFile) return this.notAPackage("a file lies outside of its root directory", entry.path)
      return this.count(entry, 1)
    }
    const path = components.join("/")
    if (EntryPath.byteLength(path) > limits.pathBytes) return this.tooLarge("pathBytes", path)
    if (components.length > limits.pathDepth) return this.tooLarge("pathDepth", path)
    const added = this.tree.add(components, entry.isFile)
    if (Result.isFailure(added)) return Result.fail(new DuplicatePath({ archive, entry: path, ...added.failure }))
    if (components[0]!.toLowerCase() === NODE_MODULES) this.bundled ??= path
    return Result.andThen(this.count(entry, added.success), () =>
      entry.isFile ? this.openFile(entry, path, components) : Result.succeed(undefined)
    )
  }

  /** An entry that names a directory counts as one even when it was named before: else it could come for ever. */
  private count(entry: TarEntry, newDirectories: number): Step<undefined> {
    const { limits } = this
    if (entry.isFile) this.fileCount++
    this.directories += entry.isFile ? newDirectories : Math.max(newDirectories, 1)
    this.unpackedBytes += entry.size + entry.metaBytes
    if (this.fileCount > limits.files) return this.tooLarge("files", entry.path)
    if (this.directories > limits.directories) return this.tooLarge("directories", entry.path)
    if (this.unpackedBytes > limits.unpackedBytes) return this.tooLarge("unpackedBytes", entry.path)
    return Result.succeed(undefined)
  }

  private openFile(entry: TarEntry, path: string, components: ReadonlyArray<string>): Step<undefined> {
    if (path === PACKAGE_JSON) {
      if (entry.size > this.limits.packageJsonBytes) return this.tooLarge("packageJsonBytes", path)
      this.packageJson = []
    }
    const mode = (entry.mode & EXECUTE_BITS) === 0 ? 0o644 : 0o755
    this.open = { path, components, size: entry.size, mode, hash: undefined, index: 0, bytes: 0, chunks: [] }
    return Result.succeed(undefined)
  }

  private append(bytes: Uint8Array): FilePiece | undefined {
    const { open } = this
    if (open === undefined) return undefined
    open.chunks.push(bytes)
    open.bytes += bytes.length
    if (open.path === PACKAGE_JSON) this.packageJson?.push(bytes.slice())
    return open.bytes >= PIECE_BYTES ? this.piece(open, false) : undefined
  }

  private end(): FilePiece | undefined {
    const { open } = this
    if (open === undefined) return undefined
    this.open = undefined
    const { path, size, mode } = open
    this.files.push({ path, size, mode, sha256: digestOf(open), sortKey: Buffer.from(path) })
    return this.piece(open, true)
  }

  private piece(open: OpenFile, isLast: boolean): FilePiece {
    const { components, mode, index, bytes, chunks } = open
    if (!isLast) open.hash = hashed(open)
    open.index++
    open.bytes = 0
    open.chunks = []
    return { components, mode, index, isLast, bytes, chunks }
  }

  private tooLarge(limit: ArchiveTooLarge["limit"], entry: string): Step<never> {
    return Result.fail(new ArchiveTooLarge({ archive: this.archive, limit, max: this.limits[limit], entry }))
  }

  private notAPackage(problem: string, entry?: string): Step<never> {
    return Result.fail(new NotAPackage({ archive: this.archive, problem, ...(entry === undefined ? {} : { entry }) }))
  }
}

/** The hash of what was handed on and of what is open now. */
const hashed = ({ chunks, hash = Crypto.createHash("sha256") }: OpenFile): Crypto.Hash => {
  for (const chunk of chunks) hash.update(chunk)
  return hash
}

const digestOf = (open: OpenFile): Uint8Array => {
  const [only] = open.chunks
  const digest =
    only !== undefined && open.index === 0 && open.chunks.length === 1
      ? Crypto.hash("sha256", only, "buffer")
      : hashed(open).digest()
  return new Uint8Array(digest)
}

/** npm packs node_modules for `bundleDependencies` (or its other spelling) only. */
const bundlesDependencies = (packageJson: Uint8Array): boolean => {
  let manifest: unknown
  try {
    manifest = JSON.parse(new TextDecoder().decode(packageJson))
  } catch {
    return false
  }
  return ["bundleDependencies", "bundledDependencies"].some((field) => {
    const bundle = Predicate.hasProperty(manifest, field) ? manifest[field] : undefined
    return bundle === true || (Array.isArray(bundle) && bundle.length > 0)
  })
}
