/**
 * Records as files under `<home>/records`, one `<target>.record` each, in their envelope form. A
 * record is compared with the one that it replaces under a lock, `<home>/records.lock`, so that what
 * is kept never goes back to an older one; what several wait to have kept is written under one lock. Files
 * of other names are passed over.
 */
import type { SecureRandom } from "effect/crypto/SecureRandom"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Semaphore from "effect/Semaphore"
import { Ed25519 } from "../../protocol/core/Ed25519.ts"
import * as Record from "../../protocol/dht/Record.ts"
import { RecordStore, RecordStoreError } from "../../protocol/dht/RecordStore.ts"
import * as AtomicFile from "./AtomicFile.ts"
import * as FileLock from "./FileLock.ts"
import { Home } from "./Home.ts"
import { isNotFound, isNothingThere, problemOf } from "./PlatformProblem.ts"
import * as PrivateDirectory from "./PrivateDirectory.ts"

const EXTENSION = ".record"

/** A target is the 20 bytes of a SHA-1. */
const RECORD_FILE = /^[0-9a-f]{40}\.record$/

/** Files read at a time when all are listed. */
const READ_CONCURRENCY = 16

/** Records written at a time under one lock. */
const WRITE_CONCURRENCY = 8

/** A record that somebody waits to have kept. */
interface Waiting {
  readonly file: string
  readonly record: Record.Record
  readonly kept: Deferred.Deferred<void, RecordStoreError>
}

export const layer: Layer.Layer<RecordStore, never, Home | Ed25519 | SecureRandom | FileSystem.FileSystem | Path.Path> =
  Layer.effect(
    RecordStore,
    Effect.gen(function* () {
      const { records } = yield* Home
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const ed25519 = yield* Ed25519
      const context = yield* Effect.context<FileSystem.FileSystem | Path.Path | SecureRandom>()
      /** Spares the fibers of this process the polling. */
      const writing = yield* Semaphore.make(1)
      const failed = (problem: string) => new RecordStoreError({ location: records, problem })

      /** A damaged record is as good as none: it is signed, so it cannot mislead, and it can be fetched again. */
      const readFile = (file: string) =>
        fs.readFile(path.join(records, file)).pipe(
          Effect.matchEffect({
            onFailure: (error) =>
              isNothingThere(error)
                ? Effect.succeed(Option.none<Record.Record>())
                : Effect.fail(failed(problemOf(error))),
            onSuccess: (bytes) =>
              Effect.option(Record.fromBytes(bytes, file).pipe(Effect.provideService(Ed25519, ed25519)))
          })
        )

      const fileOf = (publicKey: Uint8Array, salt: Uint8Array) =>
        Hex.encode(Record.targetOf(publicKey, salt)) + EXTENSION

      const keep = Effect.fnUntraced(function* (file: string, record: Record.Record) {
        const known = yield* readFile(file)
        if (Option.isSome(known) && Record.newer(known.value, record) === known.value) return
        yield* AtomicFile.replace(path.join(records, file), Record.toBytes(record))
      })

      let waiting: Array<Waiting> = []

      /** For whoever has the turn: keeps what all wait for, under one lock. */
      const keepAll = Effect.suspend(() => {
        const batch = waiting
        waiting = []
        const newest = new Map<string, Record.Record>()
        for (const { file, record } of batch) {
          const other = newest.get(file)
          newest.set(file, other === undefined ? record : Record.newer(other, record))
        }
        return PrivateDirectory.make(fs, records).pipe(
          Effect.andThen(
            FileLock.withLock(
              `${records}.lock`,
              Effect.forEach(newest, ([file, record]) => keep(file, record), {
                concurrency: WRITE_CONCURRENCY,
                discard: true
              })
            )
          ),
          Effect.provideContext(context),
          Effect.catchTag("PlatformError", (error) => Effect.fail(failed(problemOf(error)))),
          Effect.onExit((exit) =>
            Effect.forEach(batch, ({ kept }) => Deferred.complete(kept, exit), { discard: true })
          ),
          Effect.exit
        )
      })

      return RecordStore.of({
        remember: Effect.fnUntraced(function* (record) {
          const file = fileOf(record.publicKey, record.salt)
          const known = yield* readFile(file)
          // What is kept only ever gets newer, so a record that is too old now needs no lock.
          if (Option.isSome(known) && Record.newer(known.value, record) === known.value) return
          const kept = Deferred.makeUnsafe<void, RecordStoreError>()
          waiting.push({ file, record, kept })
          // Others wait for what this fiber writes, and it may be interrupted for reasons of its own.
          const turn = Effect.uninterruptible(
            Effect.suspend(() => (Deferred.isDoneUnsafe(kept) ? Effect.void : keepAll))
          )
          yield* writing.withPermits(1)(turn)
          yield* Deferred.await(kept)
        }),
        find: (publicKey, salt) => readFile(fileOf(publicKey, salt)),
        all: Effect.gen(function* () {
          const files = yield* fs
            .readDirectory(records)
            .pipe(
              Effect.catch((error) =>
                isNotFound(error) ? Effect.succeed<Array<string>>([]) : Effect.fail(failed(problemOf(error)))
              )
            )
          const found = yield* Effect.forEach(
            files.filter((file) => RECORD_FILE.test(file)),
            readFile,
            { concurrency: READ_CONCURRENCY }
          )
          return found.flatMap(Option.toArray)
        })
      })
    })
  )
