/**
 * Puts fetched releases into a project's `node_modules`, all of them or none.
 *
 * Every package is unpacked beside its place and compared file by file with its signed manifest. Only
 * when all of them are complete are they moved in; what they replace is kept aside until the last move
 * has succeeded, and moved back otherwise: at once, or by the next install if this process is killed.
 * One install at a time changes a project. Lifecycle scripts are never run.
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
import * as FileLock from "../store/FileLock.ts"
import { problemOf } from "../store/PlatformProblem.ts"
import type * as InstallJournal from "./InstallJournal.ts"
import * as Recovery from "./Recovery.ts"
import * as Staging from "./Staging.ts"
import * as Transaction from "./Transaction.ts"

const MODULES = "node_modules"
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

type Unpacked = Pick<InstallJournal.Move, "destination" | "unpacked" | "setAside">

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

/**
 * Installs into `<project>/node_modules`, which is made where it is missing. Succeeds when every file is
 * in place; of several releases of one name the last one stays. Waits while another install changes the
 * same project. What an earlier install left behind, killed or failed, is undone first, even if there is
 * nothing to install.
 */
export const install = Effect.fn("Install.install")(function* (project: string, releases: ReadonlyArray<Fetched>) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const store = yield* PackageStore
  const modules = path.join(path.resolve(project), MODULES)
  const failed = (location: string, operation: string) => (error: PlatformError) =>
    new StorageFailed({ location, operation, problem: problemOf(error) })

  const unpack = Effect.fnUntraced(function* (fetched: Fetched, staging: string, index: number) {
    const unpacked = `${index}-new`
    const listing = yield* Effect.scoped(
      Effect.flatMap(store.open(fetched), (content) =>
        Extract.extract(
          { name: fetched.torrent.tarball.path, stream: tarballStream(content, fetched) },
          path.join(staging, unpacked)
        )
      )
    )
    yield* compare(fetched, listing)
    return { unpacked, setAside: `${index}-old`, destination: fetched.release.n }
  })

  let keepsStaging = false
  const staging = Effect.acquireRelease(
    Effect.mapError(Staging.make(modules), failed(modules, "write to")),
    (directory) =>
      Effect.suspend(() => (keepsStaging ? Effect.void : fs.remove(directory, { recursive: true, force: true }))).pipe(
        Effect.ignore
      )
  )

  const moveIn = Effect.fnUntraced(function* (directory: string, unpacked: ReadonlyArray<Unpacked>) {
    const site: Transaction.Site = { modules, staging: directory }
    const scope = yield* Transaction.foreignScope(
      modules,
      unpacked.map(({ destination }) => destination)
    )
    if (scope !== undefined) {
      const problem = `${scope} is not a directory of its own, so what is put there is not put into ${modules}`
      return yield* new StorageFailed({ location: modules, operation: "install into", problem })
    }
    const moves = yield* Effect.forEach(unpacked, (each) => Transaction.plan(site, each))
    const onStuck = Effect.sync(() => void (keepsStaging = true))
    yield* Transaction.commit(site, moves, onStuck)
  })

  yield* Effect.scoped(
    Effect.gen(function* () {
      const lock = path.join(modules, Staging.LOCK)
      yield* Effect.mapError(fs.makeDirectory(modules, { recursive: true }), failed(modules, "write to"))
      yield* Effect.mapError(FileLock.hold(lock), failed(lock, "take the lock"))
      yield* Effect.catchTag(Recovery.recover(modules), "PlatformError", (error) =>
        Effect.fail(failed(modules, "undo an interrupted install in")(error))
      )
      const byName = new Map(releases.map((fetched) => [fetched.release.n, fetched]))
      if (byName.size === 0) return
      const directory = yield* staging
      const unpacked = yield* Effect.forEach([...byName.values()], (each, index) => unpack(each, directory, index), {
        concurrency: CONCURRENCY
      })
      yield* Effect.catchTag(moveIn(directory, unpacked), "PlatformError", (error) => {
        const kept = keepsStaging
          ? `; the next install puts back what was there before, which is kept in ${directory}`
          : ""
        return new StorageFailed({ location: modules, operation: "install into", problem: problemOf(error) + kept })
      })
    })
  )
})
