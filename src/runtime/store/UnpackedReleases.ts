/**
 * Releases as they are in projects: `<home>/files/<content hash>/` has the files of a release, below no
 * further root, made once and shared by all projects through hard links. Each was compared, file by
 * file, with a manifest that its publisher signed, before it got its name.
 *
 * A release is unpacked into `<content hash>.new/` and moved into place by one rename; then its index
 * (`<content hash>.json`) makes it count. All of that happens under `<content hash>.lock`. Files are not
 * flushed: what a power cut tears has another size or time than its index says, and is made anew.
 *
 * Whoever takes files from here looks at sizes and times, not at contents: to hash thousands of files takes
 * longer than an install. What was written in place with the old length and time is therefore used as it
 * is, until `ls-cli store verify` or `ls-cli verify` reads it; who can write here can do anything as this user.
 */
import * as Context from "effect/Context"
import { SecureRandom } from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { ExitCode } from "../../protocol/core/Errors.ts"
import { type Content, StorageFailed } from "../../protocol/swarm/Content.ts"
import type { Fetched } from "../../protocol/swarm/FetchRelease.ts"
import { PackageStore } from "../../protocol/swarm/PackageStore.ts"
import type { ArchiveError } from "../archive/ArchiveError.ts"
import * as Extract from "../archive/Extract.ts"
import * as AtomicFile from "./AtomicFile.ts"
import * as FileLock from "./FileLock.ts"
import { Home } from "./Home.ts"
import * as PackageFacts from "./PackageFacts.ts"
import { isNotFound, problemOf } from "./PlatformProblem.ts"
import * as UnpackedIndex from "./UnpackedIndex.ts"

const READ_CHUNK_BYTES = 256 * 1024
const NEW_EXTENSION = ".new"
const LOCK_EXTENSION = ".lock"

const INDEX_MODE = 0o600

/** What was unpacked is not what the manifest lists. */
export class ContentMismatch extends Schema.TaggedError<ContentMismatch>()("ContentMismatch", {
  package: Schema.String,
  problem: Schema.String
}) {
  readonly exitCode = ExitCode.untrusted
  readonly hint = "Nothing was installed. Tell the publisher, or choose another version or publisher."
  override get message() {
    return `The files of ${this.package} are not those of its manifest: ${this.problem}`
  }
}

/** A release that lies unpacked. */
export interface Unpacked {
  readonly contentHash: string
  readonly directory: string
  readonly index: UnpackedIndex.UnpackedIndex
}

export class UnpackedReleases extends Context.Service<
  UnpackedReleases,
  {
    /** Absolute path of `<home>/files`, for those who look without waiting (`UnpackedIndex`). */
    readonly root: string
    /**
     * The directory with the release's files, unpacked from the package store if need be: where there is none, where
     * a file is not as it was, or where this release was not compared with it yet. Waits while another process does it.
     */
    readonly ensure: (fetched: Fetched) => Effect.Effect<string, ArchiveError | ContentMismatch | StorageFailed>
    /** Where the files of a release lie, whether they are there or not. */
    readonly directoryOf: (contentHash: string) => string
    /** The release, where it is there and none of its files was changed, by the quick check of size, time and mode. */
    readonly find: (contentHash: string) => Effect.Effect<Option.Option<Unpacked>>
    /** All that are there, changed or not. */
    readonly list: Effect.Effect<ReadonlyArray<Unpacked>, StorageFailed>
    /** Removes a release, and what a killed process left of making it. Projects keep the files that they have. */
    readonly remove: (contentHash: string) => Effect.Effect<void, StorageFailed>
  }
>()("@libreseed/protocol/runtime/UnpackedReleases") {}

const labelOf = ({ release }: Fetched): string => `${release.n}@${release.v}`

const tarballStream = (content: Content, { torrent }: Fetched) => {
  const { length, offset } = torrent.tarball
  const chunks = Array.from({ length: Math.ceil(length / READ_CHUNK_BYTES) }, (_, i) => i * READ_CHUNK_BYTES)
  return Stream.fromIterable(chunks).pipe(
    Stream.mapEffect((at) => content.read(offset + at, Math.min(READ_CHUNK_BYTES, length - at)))
  )
}

const compare = Effect.fnUntraced(function* (fetched: Fetched, listing: Extract.Listing) {
  const refuse = (problem: string) => new ContentMismatch({ package: labelOf(fetched), problem })
  const { files } = fetched.manifest
  if (listing.files.length !== Object.keys(files).length) {
    return yield* refuse(`there are ${listing.files.length} files, not ${Object.keys(files).length}`)
  }
  for (const { mode, path, sha256, size } of listing.files) {
    const signed = Object.hasOwn(files, path) ? files[path] : undefined
    if (signed === undefined) return yield* refuse(`${path} is not among them`)
    if (signed.size !== size || signed.sha256 !== Hex.encode(sha256)) return yield* refuse(`${path} has other content`)
    if (Number.parseInt(signed.mode, 8) !== mode) return yield* refuse(`${path} has another mode`)
  }
})

export const layer: Layer.Layer<
  UnpackedReleases,
  never,
  Home | PackageStore | SecureRandom | FileSystem.FileSystem | Path.Path
> = Layer.effect(
  UnpackedReleases,
  Effect.gen(function* () {
    const { files: root } = yield* Home
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const store = yield* PackageStore
    const context = Context.pick(
      FileSystem.FileSystem,
      Path.Path,
      SecureRandom
    )(yield* Effect.context<FileSystem.FileSystem | Path.Path | SecureRandom>())

    const failed = (operation: string, location: string) => (error: PlatformError) =>
      new StorageFailed({ location, operation, problem: problemOf(error) })
    const directoryOf = (contentHash: string) => UnpackedIndex.directoryOf(root, contentHash)

    const underLock = <A, E>(contentHash: string, effect: Effect.Effect<A, E>) =>
      fs
        .makeDirectory(root, { recursive: true, mode: AtomicFile.PRIVATE_DIRECTORY_MODE })
        .pipe(
          Effect.andThen(FileLock.withLock(directoryOf(contentHash) + LOCK_EXTENSION, Effect.result(effect))),
          Effect.mapError(failed("lock", directoryOf(contentHash))),
          Effect.flatMap(Effect.fromResult),
          Effect.provideContext(context)
        )

    const removeAll = Effect.fnUntraced(function* (contentHash: string) {
      // The index first: without it the directory does not count, however much of it is left.
      const { EXTENSION } = UnpackedIndex
      for (const extension of [EXTENSION, EXTENSION + NEW_EXTENSION, NEW_EXTENSION, ""]) {
        const location = directoryOf(contentHash) + extension
        yield* fs.remove(location, { recursive: true, force: true }).pipe(Effect.mapError(failed("remove", location)))
      }
    })

    const unpack = Effect.fnUntraced(function* (fetched: Fetched, staging: string) {
      yield* fs
        .makeDirectory(staging, { mode: AtomicFile.PRIVATE_DIRECTORY_MODE })
        .pipe(Effect.mapError(failed("make", staging)))
      const tree = path.join(staging, "package")
      const listing = yield* Effect.scoped(
        Effect.flatMap(store.open(fetched), (content) =>
          Extract.extract({ name: fetched.torrent.tarball.path, stream: tarballStream(content, fetched) }, tree)
        )
      ).pipe(Effect.provideContext(context))
      yield* compare(fetched, listing)
      return { tree, listing }
    })

    const writeIndex = (contentHash: string, index: UnpackedIndex.UnpackedIndex) => {
      const location = UnpackedIndex.locationOf(root, contentHash)
      const temporary = location + NEW_EXTENSION
      return fs
        .writeFileString(temporary, JSON.stringify(index), { mode: INDEX_MODE })
        .pipe(Effect.andThen(fs.rename(temporary, location)), Effect.mapError(failed("write", location)))
    }

    const make = Effect.fnUntraced(function* (fetched: Fetched, vouch: string) {
      const { contentHash } = fetched.manifest
      const directory = directoryOf(contentHash)
      const before = UnpackedIndex.intact(root, contentHash)
      if (before?.vouched.includes(vouch) === true) return
      const staging = directory + NEW_EXTENSION
      yield* fs.remove(staging, { recursive: true, force: true }).pipe(Effect.mapError(failed("remove", staging)))
      const discard = Effect.ignore(fs.remove(staging, { recursive: true, force: true }))
      yield* Effect.gen(function* () {
        const { listing, tree } = yield* unpack(fetched, staging)
        if (before !== undefined) {
          // Another release with the same files: what is there is right for this one too.
          return yield* writeIndex(contentHash, { ...before, vouched: [...before.vouched, vouch] })
        }
        yield* removeDamaged(contentHash)
        const paths = listing.files.map((file) => file.path)
        const { n: name, v: version } = fetched.release
        const facts = PackageFacts.parse(listing.packageJson, { name, version }, paths)
        const files = yield* Effect.try({
          try: () => UnpackedIndex.look(tree, paths),
          catch: (cause) => new StorageFailed({ location: tree, operation: "look at", problem: String(cause) })
        })
        yield* Effect.uninterruptible(
          fs
            .rename(tree, directory)
            .pipe(
              Effect.mapError(failed("move to", directory)),
              Effect.andThen(writeIndex(contentHash, UnpackedIndex.make([vouch], facts, files)))
            )
        )
      }).pipe(Effect.ensuring(discard))
    })

    const removeDamaged = Effect.fnUntraced(function* (contentHash: string) {
      for (const location of [UnpackedIndex.locationOf(root, contentHash), directoryOf(contentHash)]) {
        yield* fs.remove(location, { recursive: true, force: true }).pipe(Effect.mapError(failed("remove", location)))
      }
    })

    const find = (contentHash: string) =>
      Effect.sync(() => {
        const index = UnpackedIndex.intact(root, contentHash)
        return Option.fromUndefinedOr(
          index === undefined ? undefined : { contentHash, directory: directoryOf(contentHash), index }
        )
      })

    return UnpackedReleases.of({
      root,
      directoryOf,
      find,
      ensure: Effect.fn("UnpackedReleases.ensure")(function* (fetched) {
        const { contentHash } = fetched.manifest
        const vouch = UnpackedIndex.vouchOf({ ...fetched.manifest, integrity: fetched.manifest.tarball.sha512 })
        const there = UnpackedIndex.intact(root, contentHash)
        if (there?.vouched.includes(vouch) !== true) yield* underLock(contentHash, make(fetched, vouch))
        return directoryOf(contentHash)
      }),
      list: fs.readDirectory(root).pipe(
        Effect.catchIf(isNotFound, () => Effect.succeed<Array<string>>([])),
        Effect.mapError(failed("list", root)),
        Effect.map((names) =>
          names
            .filter((name) => UnpackedIndex.CONTENT_HASH.test(name))
            .toSorted()
            .flatMap((contentHash): ReadonlyArray<Unpacked> => {
              const index = UnpackedIndex.read(root, contentHash)
              return index === undefined ? [] : [{ contentHash, directory: directoryOf(contentHash), index }]
            })
        )
      ),
      remove: (contentHash) => underLock(contentHash, removeAll(contentHash))
    })
  })
)
