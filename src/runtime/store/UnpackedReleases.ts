/**
 * Releases as they are in projects: `<home>/files/<content hash>/` has the files of a release, below no
 * further root, made once and shared by all projects through hard links. Each was compared, file by
 * file, with a manifest that its publisher signed, before it got its name.
 *
 * A release is unpacked into `<content hash>.new/` and moved into place by one rename; then its index
 * (`<content hash>.json`) makes it count. A small one is unpacked at once from memory (`UnpackWhole`), a larger
 * one as it is read. All of that happens under `<content hash>.lock`. Files are not
 * flushed: what a power cut tears has another size or time than its index says, and is made anew.
 *
 * Whoever takes files from here looks at sizes and times, not at contents: to hash thousands of files takes
 * longer than an install. What was written in place with the old length and time is therefore used as it
 * is, until `ls-cli store verify` or `ls-cli verify` reads it; who can write here can do anything as this user.
 */
import * as Fs from "node:fs"
import * as Context from "effect/Context"
import { SecureRandom } from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import * as Stream from "effect/Stream"
import { type Content, StorageFailed } from "../../protocol/swarm/Content.ts"
import type { Fetched } from "../../protocol/swarm/FetchRelease.ts"
import { PackageStore } from "../../protocol/swarm/PackageStore.ts"
import type { ArchiveError } from "../archive/ArchiveError.ts"
import * as Extract from "../archive/Extract.ts"
import { StagingDisk } from "../archive/StagingDisk.ts"
import * as QuickFile from "../QuickFile.ts"
import * as AtomicFile from "./AtomicFile.ts"
import { compare, type ContentMismatch } from "./ContentMismatch.ts"
import * as FileLock from "./FileLock.ts"
import { Home } from "./Home.ts"
import { isNotFound, problemOf } from "./PlatformProblem.ts"
import * as PrivateDirectory from "./PrivateDirectory.ts"
import * as UnpackedIndex from "./UnpackedIndex.ts"
import * as UnpackWhole from "./UnpackWhole.ts"

const READ_CHUNK_BYTES = 256 * 1024
const NEW_EXTENSION = ".new"
const LOCK_EXTENSION = ".lock"

const INDEX_MODE = 0o600

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
     * The release's files, unpacked from the package store if need be: where there are none, where a file is not as
     * it was, or where this release was not compared with them yet. Waits while another process does it.
     */
    readonly ensure: (fetched: Fetched) => Effect.Effect<Unpacked, ArchiveError | ContentMismatch | StorageFailed>
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

const tarballStream = (content: Content, { torrent }: Fetched) => {
  const { length, offset } = torrent.tarball
  const chunks = Array.from({ length: Math.ceil(length / READ_CHUNK_BYTES) }, (_, i) => i * READ_CHUNK_BYTES)
  return Stream.fromIterable(chunks).pipe(
    Stream.mapEffect((at) => content.read(offset + at, Math.min(READ_CHUNK_BYTES, length - at)))
  )
}

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
    const disk = yield* StagingDisk
    const context = Context.pick(
      FileSystem.FileSystem,
      Path.Path,
      SecureRandom
    )(yield* Effect.context<FileSystem.FileSystem | Path.Path | SecureRandom>())

    const failed = (operation: string, location: string) => (error: PlatformError) =>
      new StorageFailed({ location, operation, problem: problemOf(error) })
    /** Removes it, if it is there: most often it is not, and to be told so by a failure takes longer than a look. */
    const clear = (location: string) =>
      Effect.flatMap(
        QuickFile.attempt("lstat", location, () => Fs.lstatSync(location, { throwIfNoEntry: false }) !== undefined),
        (isThere) => (isThere ? fs.remove(location, { recursive: true, force: true }) : Effect.void)
      ).pipe(Effect.mapError(failed("remove", location)))
    const directoryOf = (contentHash: string) => UnpackedIndex.directoryOf(root, contentHash)

    const underLock = <A, E>(contentHash: string, effect: Effect.Effect<A, E>) =>
      PrivateDirectory.make(fs, root).pipe(
        Effect.andThen(FileLock.withLock(directoryOf(contentHash) + LOCK_EXTENSION, Effect.result(effect))),
        Effect.mapError(failed("lock", directoryOf(contentHash))),
        Effect.flatMap(Effect.fromResult),
        Effect.provideContext(context)
      )

    const removeAll = Effect.fnUntraced(function* (contentHash: string) {
      // The index first: without it the directory does not count, however much of it is left.
      const { EXTENSION } = UnpackedIndex
      for (const extension of [EXTENSION, EXTENSION + NEW_EXTENSION, NEW_EXTENSION, ""]) {
        yield* clear(directoryOf(contentHash) + extension)
      }
    })

    /** As {@link UnpackWhole.unpackWhole}, from the store; `undefined` where the release is too large. */
    const unpackWhole = Effect.fnUntraced(function* (fetched: Fetched, content: Content, directory: string) {
      const { manifest, torrent } = fetched
      const { length, offset, path: archive } = torrent.tarball
      if (length > UnpackWhole.TARBALL_MAX_BYTES) return undefined
      const tarball = yield* content.read(offset, length)
      return yield* Effect.fromResult(UnpackWhole.unpackWhole({ archive, tarball, manifest, directory }, disk))
    })

    const unpackStream = Effect.fnUntraced(function* (fetched: Fetched, content: Content, staging: string) {
      yield* fs
        .makeDirectory(staging, { mode: AtomicFile.PRIVATE_DIRECTORY_MODE })
        .pipe(Effect.mapError(failed("make", staging)))
      const tree = path.join(staging, "package")
      const source = { name: fetched.torrent.tarball.path, stream: tarballStream(content, fetched) }
      const listing = yield* Effect.provideContext(Extract.extract(source, tree), context)
      yield* Effect.fromResult(compare(fetched.manifest, listing))
      return { ...(yield* Effect.fromResult(UnpackWhole.describe(fetched.manifest, tree, listing))), tree }
    })

    /** The release's files in `tree`, which is `staging` or below it. */
    const unpack = (fetched: Fetched, staging: string) =>
      Effect.scoped(
        Effect.gen(function* () {
          const content = yield* store.open(fetched)
          const whole = yield* unpackWhole(fetched, content, staging)
          return whole === undefined ? yield* unpackStream(fetched, content, staging) : { ...whole, tree: staging }
        })
      )

    const writeIndex = (contentHash: string, index: UnpackedIndex.UnpackedIndex) => {
      const location = UnpackedIndex.locationOf(root, contentHash)
      const temporary = location + NEW_EXTENSION
      return fs
        .writeFileString(temporary, JSON.stringify(index), { mode: INDEX_MODE })
        .pipe(
          Effect.andThen(fs.rename(temporary, location)),
          Effect.mapError(failed("write", location)),
          Effect.as(index)
        )
    }

    const make = Effect.fnUntraced(function* (fetched: Fetched, vouch: string) {
      const { contentHash } = fetched.manifest
      const directory = directoryOf(contentHash)
      const before = UnpackedIndex.intact(root, contentHash)
      if (before?.vouched.includes(vouch) === true) return before
      const staging = directory + NEW_EXTENSION
      yield* clear(staging)
      return yield* Effect.gen(function* () {
        const { facts, files, tree } = yield* unpack(fetched, staging)
        if (before !== undefined) {
          // Another release with the same files: what is there is right for this one too.
          return yield* writeIndex(contentHash, { ...before, vouched: [...before.vouched, vouch] })
        }
        // What is there is damaged.
        yield* clear(UnpackedIndex.locationOf(root, contentHash))
        yield* clear(directory)
        return yield* Effect.uninterruptible(
          fs
            .rename(tree, directory)
            .pipe(
              Effect.mapError(failed("move to", directory)),
              Effect.andThen(writeIndex(contentHash, UnpackedIndex.make([vouch], facts, files)))
            )
        )
      }).pipe(Effect.ensuring(Effect.ignore(clear(staging))))
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
        const isVouched = there?.vouched.includes(vouch) === true
        const index = isVouched ? there : yield* underLock(contentHash, make(fetched, vouch))
        return { contentHash, directory: directoryOf(contentHash), index }
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
