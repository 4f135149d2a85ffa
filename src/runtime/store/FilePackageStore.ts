/**
 * The package store on disk.
 *
 * `<home>/downloads/<infohash>/` holds what is still arriving, and stays until it is committed or
 * discarded, so that a download can be taken up again. `<home>/packages/<id>/` holds a verified
 * release: `manifest.json`, the tarball, and `release`, which says whose it is. `<id>` is the SHA-256
 * over publisher, name and version, each with its length before it, so that no two releases share a
 * directory. Committing moves the old release to `<id>.old`, the new one in, and removes the old one:
 * after a crash in between, whoever looks for the release moves the old one back. Both happen under
 * `<id>.lock`; who stages and commits a torrent holds `<infohash>.lock`.
 */
import * as Bytes from "effect/Bytes"
import * as Context from "effect/Context"
import { SecureRandom } from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import * as Bencode from "../../protocol/core/Bencode.ts"
import { sha256 } from "../../protocol/core/Digest.ts"
import * as Infohash from "../../protocol/core/Infohash.ts"
import type { PackageName } from "../../protocol/core/PackageName.ts"
import type { PublicKey } from "../../protocol/core/PublicKey.ts"
import * as Shape from "../../protocol/core/Shape.ts"
import type { Version } from "../../protocol/core/Version.ts"
import * as Release from "../../protocol/registry/Release.ts"
import { StorageFailed } from "../../protocol/swarm/Content.ts"
import { PackageStore, type StoredRelease } from "../../protocol/swarm/PackageStore.ts"
import * as Torrent from "../../protocol/swarm/Torrent.ts"
import * as AtomicFile from "./AtomicFile.ts"
import * as FileContent from "./FileContent.ts"
import * as FileLock from "./FileLock.ts"
import { Home } from "./Home.ts"
import { isNotFound, isNothingThere, problemOf } from "./PlatformProblem.ts"

const RELEASE_FILE = "release"

/** What becomes of a release's directory while another takes its place. */
const ASIDE_EXTENSION = ".old"
const LOCK_EXTENSION = ".lock"

/** A release's directory, in place or aside; other names in `packages` are nobody's business. */
const DIRECTORY_NAME = /^([0-9a-f]{64})(?:\.old)?$/

/** Stored releases read at a time when all are listed. */
const READ_CONCURRENCY = 16

const Stored = Shape.dictionary({
  /** The torrent's info dictionary. */
  i: Shape.anyBytes,
  /** The publisher. */
  k: Shape.publicKey,
  r: Release.shape
})
const encodeStored = Shape.encoder(Stored)
const decodeStored = Shape.decoder(Stored)

/** Directory of a release: hex SHA-256 of the length-prefixed publisher, name and version. */
export const idOf = (publisher: PublicKey, name: PackageName, version: Version): string =>
  Hex.encode(sha256(Bencode.encode([publisher, Bencode.utf8(name), Bencode.utf8(version)])))

export const layer: Layer.Layer<PackageStore, never, Home | SecureRandom | FileSystem.FileSystem | Path.Path> =
  Layer.effect(
    PackageStore,
    Effect.gen(function* () {
      const { downloads, packages } = yield* Home
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      // Nothing but these: the layer's own scope is in its context too, and would keep what a caller's scope should close.
      const context = Context.pick(
        FileSystem.FileSystem,
        Path.Path,
        SecureRandom
      )(yield* Effect.context<FileSystem.FileSystem | Path.Path | SecureRandom>())

      const failed = (operation: string, location: string) => (error: PlatformError) =>
        new StorageFailed({ location, operation, problem: problemOf(error) })
      const stagingOf = (torrent: Torrent.Torrent) => path.join(downloads, Infohash.toHex(torrent.infohash))
      const directoryOf = (stored: StoredRelease) =>
        path.join(packages, idOf(stored.publisher, stored.release.n, stored.release.v))
      const makeDirectory = (location: string) =>
        fs
          .makeDirectory(location, { recursive: true, mode: AtomicFile.PRIVATE_DIRECTORY_MODE })
          .pipe(Effect.mapError(failed("make", location)))

      /** `None` where nothing (or nothing legible) is stored: it can always be fetched again. */
      const readStored = Effect.fnUntraced(function* (directory: string) {
        const location = path.join(directory, RELEASE_FILE)
        const bytes = yield* fs.readFile(location).pipe(
          Effect.asSome,
          Effect.catch((error) =>
            isNothingThere(error) ? Effect.succeedNone : Effect.fail(failed("read", location)(error))
          )
        )
        if (Option.isNone(bytes)) return Option.none<StoredRelease>()
        return yield* Effect.fromResult(decodeStored(bytes.value)).pipe(
          Effect.flatMap(({ i, k, r }) =>
            Effect.map(Torrent.fromInfo(i, Infohash.toHex(r.ih)), (torrent): StoredRelease => ({
              publisher: k,
              release: r,
              torrent
            }))
          ),
          Effect.option
        )
      })

      const underLock = <A, E>(directory: string, effect: Effect.Effect<A, E>) =>
        FileLock.withLock(directory + LOCK_EXTENSION, effect).pipe(Effect.provideContext(context))

      /** Undoes what a commit that was cut off left: with the lock held, nobody is in the middle of one. */
      const restore = Effect.fnUntraced(function* (directory: string) {
        const aside = directory + ASIDE_EXTENSION
        if (!(yield* fs.exists(aside))) return
        if (yield* fs.exists(directory)) yield* fs.remove(aside, { recursive: true, force: true })
        else yield* fs.rename(aside, directory)
      })

      /** Makes sure that a release is in its place if there is one. */
      const settle = Effect.fnUntraced(
        function* (directory: string) {
          if (yield* fs.exists(directory)) return
          if (yield* fs.exists(directory + ASIDE_EXTENSION)) yield* underLock(directory, restore(directory))
        },
        (settled, directory) => Effect.mapError(settled, failed("restore", directory))
      )

      const findIn = Effect.fnUntraced(function* (directory: string) {
        const found = yield* readStored(directory)
        if (Option.isSome(found)) return found
        // Somebody may be, or have been, in the middle of a commit: what it comes to counts.
        yield* settle(directory)
        return yield* readStored(directory)
      })

      /** Puts the staged release in its place. Fails with the old one there as before. */
      const swap = Effect.fnUntraced(function* (staging: string, directory: string) {
        const aside = directory + ASIDE_EXTENSION
        if (yield* fs.exists(directory)) yield* fs.rename(directory, aside)
        yield* fs.rename(staging, directory).pipe(Effect.onError(() => Effect.ignore(restore(directory))))
        yield* AtomicFile.syncDirectory(packages)
        // What stays of it is removed by the next commit.
        yield* Effect.ignore(fs.remove(aside, { recursive: true, force: true }))
      }, Effect.provideContext(context))

      return PackageStore.of({
        reserve: Effect.fnUntraced(function* (infohash) {
          const location = path.join(downloads, Infohash.toHex(infohash) + LOCK_EXTENSION)
          yield* makeDirectory(downloads)
          yield* FileLock.hold(location).pipe(Effect.provideContext(context), Effect.mapError(failed("lock", location)))
        }),
        stage: Effect.fnUntraced(function* (torrent) {
          const directory = stagingOf(torrent)
          yield* makeDirectory(directory)
          return yield* FileContent.open(directory, torrent, "write").pipe(Effect.provideContext(context))
        }),
        discard: (torrent) =>
          fs
            .remove(stagingOf(torrent), { recursive: true, force: true })
            .pipe(Effect.mapError(failed("remove", stagingOf(torrent)))),
        commit: Effect.fn("PackageStore.commit")(function* (stored) {
          const staging = stagingOf(stored.torrent)
          const directory = directoryOf(stored)
          const { infohash, manifest, tarball } = stored.torrent
          const bytes = encodeStored({ i: stored.torrent.info, k: stored.publisher, r: stored.release })
          const write = (into: string) =>
            AtomicFile.replace(path.join(into, RELEASE_FILE), bytes).pipe(Effect.provideContext(context))

          const commit = Effect.gen(function* () {
            yield* restore(directory)
            const known = yield* readStored(directory)
            if (Option.isSome(known) && Bytes.Equivalence(known.value.torrent.infohash, infohash)) {
              const isStaged = yield* fs.exists(staging)
              const isSame = FileContent.isSame(staging, directory, stored.torrent).pipe(Effect.provideContext(context))
              // Nothing moves under those who read the release, unless what they read was damaged.
              if (!isStaged || (yield* isSame)) {
                yield* write(directory)
                return yield* fs.remove(staging, { recursive: true, force: true })
              }
            }
            yield* write(staging)
            for (const file of [manifest, tarball]) {
              yield* FileContent.sync(path.join(staging, file.path)).pipe(Effect.provideContext(context))
            }
            yield* swap(staging, directory)
          })
          yield* makeDirectory(packages)
          yield* underLock(directory, commit).pipe(
            Effect.catchTag("PlatformError", (error) => Effect.fail(failed("store", directory)(error)))
          )
        }),
        find: (publisher, name, version) => findIn(path.join(packages, idOf(publisher, name, version))),
        list: Effect.gen(function* () {
          const entries = yield* fs
            .readDirectory(packages)
            .pipe(
              Effect.catch((error) =>
                isNotFound(error) ? Effect.succeed<Array<string>>([]) : Effect.fail(failed("list", packages)(error))
              )
            )
          const ids = new Set(entries.flatMap((entry) => DIRECTORY_NAME.exec(entry)?.[1] ?? []))
          const found = yield* Effect.forEach(ids, (id) => findIn(path.join(packages, id)), {
            concurrency: READ_CONCURRENCY
          })
          return found.flatMap(Option.toArray)
        }),
        open: Effect.fnUntraced(function* (stored) {
          const directory = directoryOf(stored)
          const opened = FileContent.open(directory, stored.torrent, "read").pipe(Effect.provideContext(context))
          return yield* opened.pipe(Effect.catch(() => Effect.andThen(settle(directory), opened)))
        })
      })
    })
  )
