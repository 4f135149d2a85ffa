/**
 * Bundles as files: read in a stream, written beside their place and moved there whole. A process that is killed
 * leaves `<file>.<12 hex digits>.tmp`, which the next one that writes the file removes.
 */
import * as Effect from "effect/Effect"
import { SecureRandom } from "effect/crypto/SecureRandom"
import * as Hex from "effect/encoding/Hex"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as Stream from "effect/Stream"
import { toBundleError } from "../../protocol/swarm/BundleError.ts"
import * as Bundle from "../../protocol/swarm/Bundle.ts"
import { StorageFailed } from "../../protocol/swarm/Content.ts"
import * as AtomicFile from "../store/AtomicFile.ts"
import { problemOf } from "../store/PlatformProblem.ts"

/** Bytes read at a time. */
const CHUNK_BYTES = 1024 * 1024

/** Others are to read it: there is nothing secret in a bundle. */
const FILE_MODE = 0o644

const failed = (location: string, operation: string) => (error: Parameters<typeof problemOf>[0]) =>
  new StorageFailed({ location, operation, problem: problemOf(error) })

/** The bytes of a file, each time it is run. */
export const bytesOf = Effect.fnUntraced(function* (location: string) {
  const fs = yield* FileSystem.FileSystem
  const bytes: Bundle.BundleBytes = fs
    .stream(location, { chunkSize: CHUNK_BYTES })
    .pipe(Stream.mapError(failed(location, "read")))
  return bytes
})

/** Writes a bundle of `material`; where that fails, whatever was at `location` is there as before. */
export const write = Effect.fn("BundleFile.write")(function* (location: string, material: Bundle.Material) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const random = yield* SecureRandom
  const temporary = `${location}.${Hex.encode(yield* random.randomBytes(6))}.tmp`
  const error = failed(location, "write")
  yield* AtomicFile.removeLeftovers(location)
  const writeTo = (file: FileSystem.File) =>
    Bundle.write(material, (bytes) => Effect.mapError(file.writeAll(bytes), error)).pipe(
      Effect.tap(() => Effect.mapError(file.sync, (problem) => toBundleError(error(problem))))
    )
  return yield* Effect.scoped(
    Effect.flatMap(
      Effect.mapError(fs.open(temporary, { flag: "wx", mode: FILE_MODE }), (problem) => toBundleError(error(problem))),
      writeTo
    )
  ).pipe(
    Effect.tap(() => Effect.mapError(fs.rename(temporary, location), (problem) => toBundleError(error(problem)))),
    Effect.ensuring(Effect.ignore(fs.remove(temporary, { force: true }))),
    Effect.tap(() =>
      Effect.mapError(AtomicFile.syncDirectory(path.dirname(location)), (problem) => toBundleError(error(problem)))
    )
  )
})

/** {@link Bundle.importFrom} a file. */
export const importFile = (location: string) =>
  Effect.flatMap(bytesOf(location), (bytes) => Bundle.importFrom(bytes, location))

/** {@link Bundle.inspect} a file. */
export const inspect = (location: string) =>
  Effect.flatMap(bytesOf(location), (bytes) => Bundle.inspect(bytes, location))
