/**
 * The package store on disk.
 *
 * `<home>/downloads/<infohash>/` holds what is still arriving. `<home>/packages/<id>/` holds a
 * verified release: `manifest.json`, the tarball, and `release`, which says whose it is. `<id>` is
 * the SHA-256 over publisher, name and version, each with its length before it, so that no two
 * releases share a directory. Committing is one rename.
 */
import type { SecureRandom } from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import * as Schema from "effect/Schema"
import * as Bencode from "../../protocol/core/Bencode.ts"
import { sha256 } from "../../protocol/core/Digest.ts"
import * as Infohash from "../../protocol/core/Infohash.ts"
import type { PackageName } from "../../protocol/core/PackageName.ts"
import { PublicKey } from "../../protocol/core/PublicKey.ts"
import type { Version } from "../../protocol/core/Version.ts"
import { Release } from "../../protocol/registry/Release.ts"
import { StorageFailed } from "../../protocol/swarm/Content.ts"
import { PackageStore, type StoredRelease } from "../../protocol/swarm/PackageStore.ts"
import * as Torrent from "../../protocol/swarm/Torrent.ts"
import * as AtomicFile from "./AtomicFile.ts"
import * as FileContent from "./FileContent.ts"
import { Home } from "./Home.ts"
import { isNotFound, problemOf } from "./PlatformProblem.ts"

const RELEASE_FILE = "release"

/** Stored releases read at a time when all are listed. */
const READ_CONCURRENCY = 16

const Stored = Bencode.fromBytes(
  Schema.Struct({
    /** The torrent's info dictionary. */
    i: Schema.Uint8Array,
    /** The publisher. */
    k: PublicKey,
    r: Release
  })
)
const encodeStored = Schema.encodeSync(Stored)
const decodeStored = Schema.decodeUnknownEffect(Stored)

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
      const context = yield* Effect.context<FileSystem.FileSystem | Path.Path | SecureRandom>()

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
            isNotFound(error) ? Effect.succeedNone : Effect.fail(failed("read", location)(error))
          )
        )
        if (Option.isNone(bytes)) return Option.none<StoredRelease>()
        return yield* decodeStored(bytes.value).pipe(
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

      return PackageStore.of({
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
          const { manifest, tarball } = stored.torrent
          yield* makeDirectory(packages)
          const bytes = encodeStored({ i: stored.torrent.info, k: stored.publisher, r: stored.release })
          yield* AtomicFile.replace(path.join(staging, RELEASE_FILE), bytes).pipe(
            Effect.andThen(
              Effect.forEach([manifest, tarball], (file) => FileContent.sync(path.join(staging, file.path)))
            ),
            Effect.andThen(fs.remove(directory, { recursive: true, force: true })),
            Effect.andThen(fs.rename(staging, directory)),
            Effect.andThen(AtomicFile.syncDirectory(packages)),
            Effect.provideContext(context),
            Effect.mapError(failed("store", directory))
          )
        }),
        find: (publisher, name, version) => readStored(path.join(packages, idOf(publisher, name, version))),
        list: Effect.gen(function* () {
          const directories = yield* fs
            .readDirectory(packages)
            .pipe(
              Effect.catch((error) =>
                isNotFound(error) ? Effect.succeed<Array<string>>([]) : Effect.fail(failed("list", packages)(error))
              )
            )
          const found = yield* Effect.forEach(directories, (name) => readStored(path.join(packages, name)), {
            concurrency: READ_CONCURRENCY
          })
          return found.flatMap(Option.toArray)
        }),
        open: (stored) =>
          FileContent.open(directoryOf(stored), stored.torrent, "read").pipe(Effect.provideContext(context))
      })
    })
  )
