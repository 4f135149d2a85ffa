/**
 * Writes a release from bytes in memory: its three files beside each other, flushed, then moved into their place
 * together. It keeps no state, and knows only what it is given.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import type { StoredRelease } from "../../protocol/swarm/PackageStore.ts"
import type { TorrentFile } from "../../protocol/swarm/Torrent.ts"
import * as AtomicFile from "./AtomicFile.ts"
import * as PrivateDirectory from "./PrivateDirectory.ts"
import * as ReleaseDirectory from "./ReleaseDirectory.ts"
import * as StoredFile from "./StoredFile.ts"

/** Where it is written, where its place is, and the directory that its place is in. */
export interface Places {
  readonly staging: string
  readonly directory: string
  readonly packages: string
}

/**
 * Writes the files in the staging directory, whatever is there, and flushes them and the directory, all at a time.
 * Where that fails the directory is gone.
 */
const writeStaged = Effect.fnUntraced(function* (stored: StoredRelease, bytes: Uint8Array, staging: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const { manifest, tarball } = stored.torrent
  const bytesOf = ({ length, offset }: TorrentFile) => bytes.subarray(offset, offset + length)
  const write = Effect.fnUntraced(function* (name: string, content: Uint8Array) {
    const file = yield* fs.open(path.join(staging, name), { flag: "w", mode: AtomicFile.PRIVATE_MODE })
    yield* file.writeAll(content)
    return file.sync
  })
  const written = Effect.gen(function* () {
    const flushes = [
      yield* write(StoredFile.FILE_NAME, StoredFile.encode(stored)),
      yield* write(manifest.path, bytesOf(manifest)),
      yield* write(tarball.path, bytesOf(tarball)),
      AtomicFile.syncDirectory(staging)
    ]
    yield* Effect.all(flushes, { concurrency: "unbounded", discard: true })
  })
  yield* PrivateDirectory.make(fs, staging)
  yield* Effect.onError(Effect.scoped(written), () =>
    Effect.ignore(fs.remove(staging, { recursive: true, force: true }))
  )
})

/** Whether the release is in its place; where that is taken it is left in the staging directory. */
export const write = Effect.fnUntraced(function* (stored: StoredRelease, bytes: Uint8Array, places: Places) {
  yield* writeStaged(stored, bytes, places.staging)
  return yield* ReleaseDirectory.claim(places.staging, places.directory, places.packages)
})

/** Who writes for a package store: this thread, unless another one is given. */
export const Writer = Context.Reference<typeof write>("@libreseed/protocol/runtime/WriteRelease/Writer", {
  defaultValue: () => write
})
