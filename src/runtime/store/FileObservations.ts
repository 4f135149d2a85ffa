/**
 * First observations in `<home>/observations.json`: `{"<name>": {"<public key, hex>": <Unix ms>}}`.
 * The file is one for all names, so it is read, extended and replaced under a lock.
 */
import type { SecureRandom } from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import type { PackageName } from "../../protocol/core/PackageName.ts"
import { extend, Observations, ObservationsError } from "../../protocol/registry/Observations.ts"
import * as AtomicFile from "./AtomicFile.ts"
import * as FileLock from "./FileLock.ts"
import { Home } from "./Home.ts"
import { isNotFound, problemOf } from "./PlatformProblem.ts"

const Stored = Schema.Record(Schema.String, Schema.Record(Schema.String, Schema.Int))
type Stored = typeof Stored.Type

const decode = Schema.decodeUnknownEffect(Schema.fromJsonString(Stored))

export const layer: Layer.Layer<Observations, never, Home | SecureRandom | FileSystem.FileSystem | Path.Path> =
  Layer.effect(
    Observations,
    Effect.gen(function* () {
      const { directory, observations: location } = yield* Home
      const fs = yield* FileSystem.FileSystem
      const context = yield* Effect.context<FileSystem.FileSystem | Path.Path | SecureRandom>()
      /** Spares the fibers of this process the polling. */
      const writing = yield* Semaphore.make(1)
      const failed = (problem: string) => new ObservationsError({ location, problem })
      const unwritten = (error: PlatformError) => failed(problemOf(error))

      const read: Effect.Effect<Stored, ObservationsError> = fs.readFileString(location).pipe(
        Effect.matchEffect({
          onFailure: (error) => (isNotFound(error) ? Effect.succeed({}) : Effect.fail(failed(problemOf(error)))),
          onSuccess: (text) => decode(text).pipe(Effect.mapError(() => failed("it is damaged")))
        })
      )
      const seenIn = (stored: Stored, name: PackageName): ReadonlyMap<string, number> =>
        new Map(Object.hasOwn(stored, name) ? Object.entries(stored[name]!) : [])

      return Observations.of({
        of: (name) => Effect.map(read, (stored) => seenIn(stored, name)),
        note: Effect.fnUntraced(function* (name, publishers, now) {
          const before = seenIn(yield* read, name)
          if (extend(before, publishers, now).size === before.size) return before
          yield* fs
            .makeDirectory(directory, { recursive: true, mode: AtomicFile.PRIVATE_DIRECTORY_MODE })
            .pipe(Effect.mapError(unwritten))
          return yield* Effect.gen(function* () {
            // Read anew inside the lock: another process may have noted something since.
            const stored = yield* read
            const known = seenIn(stored, name)
            const seen = extend(known, publishers, now)
            if (seen.size === known.size) return known
            const text = JSON.stringify({ ...stored, [name]: Object.fromEntries(seen) }, null, 1)
            yield* AtomicFile.replace(location, new TextEncoder().encode(text))
            return seen
          }).pipe(
            (noting) => FileLock.withLock(`${location}.lock`, noting),
            Effect.provideContext(context),
            Effect.catchTag("PlatformError", (error) => Effect.fail(unwritten(error))),
            writing.withPermits(1)
          )
        })
      })
    })
  )
