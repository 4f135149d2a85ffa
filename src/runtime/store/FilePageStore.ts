/**
 * Tree pages as files, `<home>/pages/<first two hex digits>/<target in hex>.page`, each holding the
 * page's bytes as they are. A page is its own proof: what does not hash to its name counts as absent,
 * and is written anew when the page comes again. Files of other names are passed over.
 */
import type { SecureRandom } from "effect/crypto/SecureRandom"
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import { PageStore, PageStoreError } from "../../protocol/dht/PageStore.ts"
import * as Record from "../../protocol/dht/Record.ts"
import * as AtomicFile from "./AtomicFile.ts"
import { Home } from "./Home.ts"
import { isNothingThere, problemOf } from "./PlatformProblem.ts"
import * as PrivateDirectory from "./PrivateDirectory.ts"

/** Files of 5,000 pages lie some twenty in a directory. */
const DIRECTORY_NAME = /^[0-9a-f]{2}$/

/** A target is the 20 bytes of a SHA-1. */
const PAGE_FILE = /^([0-9a-f]{40})\.page$/
const EXTENSION = ".page"

/** Files read or written at a time. Most of a write is waiting for the disk. */
const CONCURRENCY = 16

/** More than a page can have; a foreign file of any size is not read. */
const FILE_MAX_BYTES = BigInt(Record.VALUE_MAX_BYTES)

export const layer: Layer.Layer<PageStore, never, Home | SecureRandom | FileSystem.FileSystem | Path.Path> =
  Layer.effect(
    PageStore,
    Effect.gen(function* () {
      const { pages } = yield* Home
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const context = yield* Effect.context<FileSystem.FileSystem | Path.Path | SecureRandom>()
      const failed = (error: PlatformError) => new PageStoreError({ location: pages, problem: problemOf(error) })
      /** What is not there, or is a file where a directory should be, is as good as empty. */
      const list = (directory: string) =>
        fs
          .readDirectory(directory)
          .pipe(
            Effect.catch((error) => (isNothingThere(error) ? Effect.succeed<Array<string>>([]) : Effect.fail(error)))
          )

      const directoryOf = (name: string) => path.join(pages, name.slice(0, 2))
      const locationOf = (name: string) => path.join(directoryOf(name), name + EXTENSION)

      const read = Effect.fnUntraced(function* (target: Record.Target) {
        const location = locationOf(Hex.encode(target))
        const { size } = yield* fs.stat(location)
        if (size > FILE_MAX_BYTES) return Option.none<Uint8Array>()
        const page = yield* fs.readFile(location)
        return Bytes.Equivalence(Record.immutableTargetOf(page), target) ? Option.some(page) : Option.none<Uint8Array>()
      })

      const find = (target: Record.Target) =>
        read(target).pipe(
          Effect.catch((error) =>
            isNothingThere(error) ? Effect.succeed(Option.none<Uint8Array>()) : Effect.fail(failed(error))
          )
        )

      const write = Effect.fnUntraced(function* (page: Uint8Array) {
        const target = Record.immutableTargetOf(page)
        if (Option.isSome(yield* find(target))) return
        const name = Hex.encode(target)
        yield* PrivateDirectory.make(fs, directoryOf(name))
          // Whoever else writes this file at the moment writes the same bytes.
          .pipe(Effect.andThen(AtomicFile.replace(locationOf(name), page)), Effect.mapError(failed))
      })

      return PageStore.of({
        keep: (kept) =>
          Effect.forEach(kept, write, { concurrency: CONCURRENCY, discard: true }).pipe(Effect.provideContext(context)),
        find,
        targets: Effect.gen(function* () {
          const directories = (yield* list(pages)).filter((name) => DIRECTORY_NAME.test(name))
          const files = yield* Effect.forEach(directories, (name) => list(path.join(pages, name)), {
            concurrency: CONCURRENCY
          })
          return files.flatMap((names, i) =>
            names.flatMap((file) => {
              const name = PAGE_FILE.exec(file)?.[1]
              if (name === undefined || !name.startsWith(directories[i]!)) return []
              return Option.toArray(Option.getSuccess(Hex.decode(name))).map((target) => target as Record.Target)
            })
          )
        }).pipe(Effect.mapError(failed)),
        drop: (targets) =>
          Effect.forEach(
            targets,
            (target) =>
              fs
                .remove(locationOf(Hex.encode(target)))
                .pipe(Effect.catch((error) => (isNothingThere(error) ? Effect.void : Effect.fail(failed(error))))),
            { concurrency: CONCURRENCY, discard: true }
          )
      })
    })
  )
