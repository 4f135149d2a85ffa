/**
 * Puts fetched releases into a project's `node_modules`, all of them or none.
 *
 * Every package is unpacked beside its place and compared file by file with its signed manifest.
 * Only when all of them are complete are they moved in; what they replace is kept aside until the
 * last move has succeeded, and moved back otherwise. Lifecycle scripts are never run.
 */
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { ExitCode } from "../../protocol/core/Errors.ts"
import { type Content, StorageFailed } from "../../protocol/swarm/Content.ts"
import type { Fetched } from "../../protocol/swarm/FetchRelease.ts"
import { PackageStore } from "../../protocol/swarm/PackageStore.ts"
import * as Extract from "../archive/Extract.ts"
import { problemOf } from "../store/PlatformProblem.ts"

const MODULES = "node_modules"
/** Work in progress; on the same file system as its destination, so that moving is one step. */
const STAGING_PREFIX = ".libreseed-install-"
const READ_CHUNK_BYTES = 256 * 1024
/** Packages unpacked at a time. */
const CONCURRENCY = 4

/** What was unpacked is not what the manifest lists. */
export class ContentMismatch extends Schema.TaggedError<ContentMismatch>()("ContentMismatch", {
  package: Schema.String,
  problem: Schema.String
}) {
  readonly exitCode = ExitCode.untrusted
  readonly hint = "Nothing was installed. Tell the publisher, or choose another version or publisher."
  override get message() {
    return `The files of ${this.package} are not those of its manifest: ${this.problem}`
  }
}

const labelOf = ({ release }: Fetched): string => `${release.n}@${release.v}`

const tarballStream = (content: Content, { torrent }: Fetched) => {
  const { length, offset } = torrent.tarball
  const chunks = Array.from({ length: Math.ceil(length / READ_CHUNK_BYTES) }, (_, i) => i * READ_CHUNK_BYTES)
  return Stream.fromIterable(chunks).pipe(
    Stream.mapEffect((at) => content.read(offset + at, Math.min(READ_CHUNK_BYTES, length - at)))
  )
}

const compare = Effect.fnUntraced(function* (fetched: Fetched, listing: Extract.Listing) {
  const refuse = (problem: string) => new ContentMismatch({ package: labelOf(fetched), problem })
  const { files } = fetched.manifest
  if (listing.files.length !== Object.keys(files).length) {
    return yield* refuse(`there are ${listing.files.length} files, not ${Object.keys(files).length}`)
  }
  for (const { mode, path, sha256, size } of listing.files) {
    const signed = Object.hasOwn(files, path) ? files[path] : undefined
    if (signed === undefined) return yield* refuse(`${path} is not among them`)
    if (signed.size !== size || signed.sha256 !== Hex.encode(sha256)) return yield* refuse(`${path} has other content`)
    if (Number.parseInt(signed.mode, 8) !== mode) return yield* refuse(`${path} has another mode`)
  }
})

interface Staged {
  readonly unpacked: string
  readonly replaced: string
  readonly destination: string
}

/**
 * Moves everything into place; what cannot be finished is undone. Not to be interrupted: between
 * its steps the tree is neither old nor new. `onStuck` is told when undoing fails too, so that
 * nobody removes what was there before.
 */
const moveIn = Effect.fnUntraced(function* (staged: ReadonlyArray<Staged>, onStuck: Effect.Effect<void>) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const undo: Array<Effect.Effect<void, PlatformError>> = []
  const move = (from: string, to: string) =>
    fs.rename(from, to).pipe(Effect.tap(() => Effect.sync(() => undo.push(fs.rename(to, from)))))
  const undoAll = Effect.suspend(() =>
    Effect.forEach(undo.toReversed(), (step) => step, { discard: true }).pipe(Effect.catch(() => onStuck))
  )
  yield* Effect.forEach(
    staged,
    Effect.fnUntraced(function* ({ destination, replaced, unpacked }) {
      yield* fs.makeDirectory(path.dirname(destination), { recursive: true })
      if (yield* fs.exists(destination)) yield* move(destination, replaced)
      yield* move(unpacked, destination)
    }),
    { discard: true }
  ).pipe(
    Effect.tapError(() => undoAll),
    Effect.uninterruptible
  )
})

/** Installs into `<project>/node_modules`, which is made where it is missing. Succeeds when every file is in place. */
export const install = Effect.fn("Install.install")(function* (project: string, releases: ReadonlyArray<Fetched>) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const store = yield* PackageStore
  const modules = path.join(path.resolve(project), MODULES)
  const failed = (location: string, operation: string) => (error: PlatformError) =>
    new StorageFailed({ location, operation, problem: problemOf(error) })

  const unpack = Effect.fnUntraced(function* (fetched: Fetched, staging: string, index: number) {
    const unpacked = path.join(staging, `${index}-new`)
    const listing = yield* Effect.scoped(
      Effect.flatMap(store.open(fetched), (content) =>
        Extract.extract({ name: fetched.torrent.tarball.path, stream: tarballStream(content, fetched) }, unpacked)
      )
    )
    yield* compare(fetched, listing)
    const replaced = path.join(staging, `${index}-old`)
    return { unpacked, replaced, destination: path.join(modules, fetched.release.n) } satisfies Staged
  })

  let keepsStaging = false
  const staging = Effect.acquireRelease(
    fs
      .makeDirectory(modules, { recursive: true })
      .pipe(
        Effect.andThen(fs.makeTempDirectory({ directory: modules, prefix: STAGING_PREFIX })),
        Effect.mapError(failed(modules, "write to"))
      ),
    (directory) =>
      Effect.suspend(() => (keepsStaging ? Effect.void : fs.remove(directory, { recursive: true, force: true }))).pipe(
        Effect.ignore
      )
  )

  yield* Effect.scoped(
    Effect.gen(function* () {
      const directory = yield* staging
      const staged = yield* Effect.forEach(releases, (fetched, index) => unpack(fetched, directory, index), {
        concurrency: CONCURRENCY
      })
      const onStuck = Effect.sync(() => void (keepsStaging = true))
      yield* moveIn(staged, onStuck).pipe(
        Effect.mapError((error) => {
          const kept = keepsStaging ? `; what was there before is kept in ${directory}` : ""
          return new StorageFailed({ location: modules, operation: "install into", problem: problemOf(error) + kept })
        })
      )
    })
  )
})
