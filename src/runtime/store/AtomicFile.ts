/**
 * Files that are seen old or new, never torn: written beside their place, flushed, then moved there
 * in one step. A crash leaves at most a temporary file, which the next write of it replaces.
 */
import { SecureRandom } from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"

/** Readable and writable by its owner alone. */
export const PRIVATE_MODE = 0o600
export const PRIVATE_DIRECTORY_MODE = 0o700

const writeFlushed = (path: string, bytes: Uint8Array, mode: number) =>
  Effect.scoped(
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const file = yield* fs.open(path, { flag: "wx", mode })
      yield* file.writeAll(bytes)
      yield* file.sync
    })
  )

/** Makes a rename in the directory durable. Where directories cannot be opened (Windows) the rename itself has to do. */
export const syncDirectory = (path: string) =>
  Effect.scoped(
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const directory = yield* fs.open(path, { flag: "r" })
      yield* directory.sync
    })
  ).pipe(Effect.ignore)

/** Writes beside `path` and hands the temporary file's path to `place`, which moves it; it is gone afterwards in any case. */
const beside = <E, R>(
  path: string,
  bytes: Uint8Array,
  mode: number,
  place: (temporary: string) => Effect.Effect<void, E, R>
) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const paths = yield* Path.Path
    const random = yield* SecureRandom
    const temporary = `${path}.${Hex.encode(yield* random.randomBytes(6))}.tmp`
    yield* writeFlushed(temporary, bytes, mode).pipe(
      Effect.andThen(place(temporary)),
      Effect.ensuring(Effect.ignore(fs.remove(temporary, { force: true })))
    )
    yield* syncDirectory(paths.dirname(path))
  })

/** Replaces the file. */
export const replace = Effect.fnUntraced(function* (path: string, bytes: Uint8Array, mode: number = PRIVATE_MODE) {
  const fs = yield* FileSystem.FileSystem
  yield* beside(path, bytes, mode, (temporary) => fs.rename(temporary, path))
})

/** Makes the file; fails with `AlreadyExists` where there is one, whoever made it in the meantime. */
export const create = Effect.fnUntraced(function* (path: string, bytes: Uint8Array, mode: number = PRIVATE_MODE) {
  const fs = yield* FileSystem.FileSystem
  yield* beside(path, bytes, mode, (temporary) => fs.link(temporary, path))
})
