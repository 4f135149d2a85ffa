/**
 * The package store on disk.
 *
 * `<home>/downloads/<infohash>/` holds what is still arriving, and stays until it is committed or
 * discarded, so that a download can be taken up again; what is small arrives in memory (`StagedMemory`).
 * `<home>/packages/<id>/` holds a verified release: `manifest.json`, the tarball, and `release`, which
 * says whose it is and, by its time, when it was last of use. `<id>` is the release's key, so that no two
 * share a directory. How a directory takes its place is told in `ReleaseDirectory`; who stages and commits
 * a torrent holds `<infohash>.lock`.
 */
import * as Fs from "node:fs"
import * as Bytes from "effect/Bytes"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import { SecureRandom } from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import * as Scope from "effect/Scope"
import * as Infohash from "../../protocol/core/Infohash.ts"
import { type Content, StorageFailed } from "../../protocol/swarm/Content.ts"
import * as MemoryContent from "../../protocol/swarm/MemoryContent.ts"
import { keyOf, keyOfStored, PackageStore, type StoredRelease } from "../../protocol/swarm/PackageStore.ts"
import type * as Torrent from "../../protocol/swarm/Torrent.ts"
import * as AtomicFile from "./AtomicFile.ts"
import * as FileContent from "./FileContent.ts"
import * as FileHandles from "./FileHandles.ts"
import * as FileLock from "./FileLock.ts"
import { Home } from "./Home.ts"
import { isNotFound, problemOf } from "./PlatformProblem.ts"
import * as PrivateDirectory from "./PrivateDirectory.ts"
import * as ReleaseDirectory from "./ReleaseDirectory.ts"
import { StagedMemory } from "./StagedMemory.ts"
import * as StoredFile from "./StoredFile.ts"
import * as WriteRelease from "./WriteRelease.ts"

const LOCK_EXTENSION = ".lock"

/** Stored releases read at a time when all are listed. */
const READ_CONCURRENCY = 16

/** A directory that changed so lately may change again without a new time: file systems count in steps of some ms. */
const SETTLED_MS = 1000

const make = Effect.gen(function* () {
  const { downloads, packages } = yield* Home
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const handles = yield* FileHandles.make()
  const memory = new StagedMemory()
  const write = yield* WriteRelease.Writer
  // Nothing but these: the layer's own scope is in its context too, and would keep what a caller's scope should close.
  const context = Context.pick(
    FileSystem.FileSystem,
    Path.Path,
    SecureRandom
  )(yield* Effect.context<FileSystem.FileSystem | Path.Path | SecureRandom>())
  const provided = Effect.provideContext(context)

  const failed = (operation: string, location: string) => (error: PlatformError) =>
    new StorageFailed({ location, operation, problem: problemOf(error) })
  const stagingOf = (torrent: Torrent.Torrent) => path.join(downloads, Infohash.toHex(torrent.infohash))
  const directoryOf = (stored: StoredRelease) => path.join(packages, keyOfStored(stored))
  const liesStaged = (torrent: Torrent.Torrent) =>
    Effect.orElseSucceed(ReleaseDirectory.isThere(stagingOf(torrent)), () => false)
  const makeDirectory = (location: string) =>
    PrivateDirectory.make(fs, location).pipe(Effect.mapError(failed("make", location)))

  /** `None` where nothing (or nothing legible) is stored: it can always be fetched again. */
  const readStored = Effect.fnUntraced(function* (directory: string) {
    const bytes = yield* StoredFile.read(path.join(directory, StoredFile.FILE_NAME))
    return Option.isNone(bytes) ? Option.none<StoredRelease>() : yield* StoredFile.decode(bytes.value)
  })

  const settle = (directory: string) =>
    ReleaseDirectory.settle(directory).pipe(Effect.mapError(failed("restore", directory)), provided)

  const findIn = Effect.fnUntraced(function* (directory: string) {
    const found = yield* readStored(directory)
    if (Option.isSome(found)) return found
    // Somebody may be, or have been, in the middle of a commit: what it comes to counts.
    yield* settle(directory)
    return yield* readStored(directory)
  })

  const readKeys = fs.readDirectory(packages).pipe(
    Effect.map(ReleaseDirectory.idsIn),
    Effect.catch((error) =>
      isNotFound(error) ? Effect.succeed<ReadonlyArray<string>>([]) : Effect.fail(failed("list", packages)(error))
    )
  )

  let known: { readonly keys: ReadonlyArray<string>; readonly changedAt: number | undefined } | undefined
  const keys = Effect.gen(function* () {
    const info = yield* Effect.option(fs.stat(packages))
    const changedAt = Option.getOrUndefined(Option.flatMap(info, ({ mtime }) => mtime))?.getTime()
    if (known !== undefined && known.changedAt !== undefined && known.changedAt === changedAt) return known.keys
    const found = yield* readKeys
    const isSettled = changedAt !== undefined && (yield* Clock.currentTimeMillis) - changedAt > SETTLED_MS
    const same = known !== undefined && sameKeys(known.keys, found) ? known.keys : found
    known = { keys: same, changedAt: isSettled ? changedAt : undefined }
    return same
  })

  /** With the lock held. */
  const commitStaged = Effect.fnUntraced(function* (stored: StoredRelease) {
    const staging = stagingOf(stored.torrent)
    const directory = directoryOf(stored)
    const { infohash, manifest, tarball } = stored.torrent
    const bytes = StoredFile.encode(stored)
    yield* ReleaseDirectory.restore(directory)
    const before = yield* readStored(directory)
    if (Option.isSome(before) && Bytes.Equivalence(before.value.torrent.infohash, infohash)) {
      const isStaged = yield* ReleaseDirectory.isThere(staging)
      // Nothing moves under those who read the release, unless what they read was damaged.
      if (!isStaged || (yield* FileContent.isSame(staging, directory, stored.torrent))) {
        yield* AtomicFile.replace(path.join(directory, StoredFile.FILE_NAME), bytes)
        return yield* fs.remove(staging, { recursive: true, force: true })
      }
    }
    // Nobody reads what is staged: it becomes whole with the directory.
    yield* fs.writeFile(path.join(staging, StoredFile.FILE_NAME), bytes, { mode: AtomicFile.PRIVATE_MODE })
    const files = [StoredFile.FILE_NAME, manifest.path, tarball.path]
    yield* Effect.forEach(files, (file) => FileContent.sync(path.join(staging, file)), { concurrency: "unbounded" })
    yield* AtomicFile.syncDirectory(staging)
    yield* handles.forget(directory + path.sep)
    yield* ReleaseDirectory.swap(staging, directory, packages)
  })

  const underLock = (
    directory: string,
    operation: string,
    work: Effect.Effect<void, PlatformError | StorageFailed, Services>
  ) =>
    ReleaseDirectory.underLock(directory, work).pipe(
      Effect.catchTag("PlatformError", (error) => Effect.fail(failed(operation, directory)(error))),
      provided
    )

  /** Whether what was staged in memory is stored now; where it cannot be put at once it is staged on the disk instead. */
  const commitFromMemory = Effect.fnUntraced(function* (stored: StoredRelease) {
    const bytes = memory.get(stored.torrent)
    if (bytes === undefined) return false
    const places = { staging: stagingOf(stored.torrent), directory: directoryOf(stored), packages }
    const isStored = yield* write(stored, bytes, places).pipe(
      provided,
      Effect.mapError(failed("store", places.directory))
    )
    memory.forget(stored.torrent.infohash)
    return isStored
  })

  return PackageStore.of({
    reserve: Effect.fnUntraced(function* (infohash) {
      const location = path.join(downloads, Infohash.toHex(infohash) + LOCK_EXTENSION)
      const held = FileLock.hold(location).pipe(provided)
      yield* held.pipe(
        // To make the directory first would cost each of many releases what only the first has use of.
        Effect.catchIf(isNotFound, () => Effect.andThen(makeDirectory(downloads), held)),
        Effect.catchTag("PlatformError", (error) => Effect.fail(failed("lock", location)(error)))
      )
      yield* memory.mind(infohash)
    }),
    stage: Effect.fnUntraced(function* (torrent) {
      const staged = memory.get(torrent)
      if (staged !== undefined) return MemoryContent.make(staged)
      const directory = stagingOf(torrent)
      if (StagedMemory.isSmall(torrent) && !(yield* liesStaged(torrent))) {
        const bytes = memory.stage(torrent)
        if (bytes !== undefined) return { ...MemoryContent.make(bytes), isNew: true }
      }
      yield* makeDirectory(directory)
      return yield* FileContent.open(directory, torrent, "write").pipe(provided)
    }),
    discard: (torrent) =>
      Effect.suspend(() => {
        memory.forget(torrent.infohash)
        const staging = stagingOf(torrent)
        return fs.remove(staging, { recursive: true, force: true }).pipe(Effect.mapError(failed("remove", staging)))
      }),
    restage: Effect.fnUntraced(function* (stored) {
      const staging = stagingOf(stored.torrent)
      if (memory.get(stored.torrent) !== undefined || (yield* liesStaged(stored.torrent))) return
      yield* makeDirectory(staging)
      for (const { path: name } of [stored.torrent.manifest, stored.torrent.tarball]) {
        // A file that cannot be read, or is not there, is fetched as a whole.
        const copy = fs.copyFile(path.join(directoryOf(stored), name), path.join(staging, name))
        const leave = fs
          .remove(path.join(staging, name), { force: true })
          .pipe(Effect.mapError(failed("remove", path.join(staging, name))))
        yield* copy.pipe(Effect.catch(() => leave))
      }
    }),
    commit: Effect.fn("PackageStore.commit")(function* (stored) {
      if (yield* commitFromMemory(stored)) return
      yield* makeDirectory(packages)
      yield* underLock(directoryOf(stored), "store", commitStaged(stored))
    }),
    find: (publisher, name, version) => findIn(path.join(packages, keyOf(publisher, name, version))),
    list: Effect.gen(function* () {
      const found = yield* Effect.forEach(yield* readKeys, (id) => findIn(path.join(packages, id)), {
        concurrency: READ_CONCURRENCY
      })
      return found.flatMap(Option.toArray)
    }),
    keys,
    get: (key) => findIn(path.join(packages, key)),
    touch: Effect.fnUntraced(function* (stored) {
      const location = path.join(directoryOf(stored), StoredFile.FILE_NAME)
      const now = new Date(yield* Clock.currentTimeMillis)
      yield* fs.utimes(location, now, now).pipe(Effect.mapError(failed("touch", location)))
    }),
    remove: Effect.fn("PackageStore.remove")(function* (stored) {
      const directory = directoryOf(stored)
      yield* makeDirectory(packages)
      const remove = Effect.andThen(handles.forget(directory + path.sep), ReleaseDirectory.remove(directory, packages))
      yield* underLock(directory, "remove", remove)
    }),
    open: Effect.fnUntraced(function* (stored) {
      const directory = directoryOf(stored)
      if (!Fs.existsSync(directory)) yield* settle(directory)
      if (!Fs.existsSync(directory)) {
        return yield* new StorageFailed({ location: directory, operation: "open", problem: "it is not there" })
      }
      // Another process may have replaced it a moment ago.
      handles.doubt(directory + path.sep)
      const content = FileContent.shared(handles, directory, stored.torrent, path, settle(directory))
      return yield* whileOpen(content, directory)
    })
  })
})

type Services = FileSystem.FileSystem | Path.Path | SecureRandom

const sameKeys = (self: ReadonlyArray<string>, that: ReadonlyArray<string>): boolean =>
  self.length === that.length && self.every((key, i) => key === that[i])

/** Cannot be read any more when the scope has closed. */
const whileOpen = Effect.fnUntraced(function* (content: Content, location: string) {
  let isOpen = true
  // Not by `addFinalizer`, which would keep the context of each of ten thousand.
  yield* Scope.addFinalizer(
    yield* Effect.scope,
    Effect.sync(() => void (isOpen = false))
  )
  const closed = () => Effect.fail(new StorageFailed({ location, operation: "read", problem: "it was closed" }))
  return {
    read: (offset, length) => Effect.suspend(() => (isOpen ? content.read(offset, length) : closed())),
    write: content.write
  } satisfies Content
})

export const layer: Layer.Layer<PackageStore, never, Home | SecureRandom | FileSystem.FileSystem | Path.Path> =
  Layer.effect(PackageStore, make)
