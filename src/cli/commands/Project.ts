/** A project as it lies on disk: what its package.json asks for, and its lock file. */
import * as Effect from "effect/Effect"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as NodePath from "node:path"
import { ExitCode } from "../../protocol/core/Errors.ts"
import { DependencyError, InvalidLockFile } from "../../protocol/registry/DependencyError.ts"
import type * as DependencyGraph from "../../protocol/registry/DependencyGraph.ts"
import * as LockFile from "../../protocol/registry/LockFile.ts"
import { StorageFailed } from "../../protocol/swarm/Content.ts"
import { isNotFound, problemOf } from "../../runtime/store/PlatformProblem.ts"

const PACKAGE_JSON = "package.json"

/** The project's directory is none, or its package.json cannot be read as one. */
export class InvalidProject extends Schema.TaggedError<InvalidProject>()("InvalidProject", {
  location: Schema.String,
  problem: Schema.String
}) {
  readonly exitCode = ExitCode.usage
  readonly hint = "Correct it, or give another project with --dir."
  override get message() {
    return `${this.location} cannot be used: ${this.problem}`
  }
}

const Texts = Schema.optionalKey(Schema.Record(Schema.String, Schema.String))

/** Everything else in it is none of our business. */
const PackageJson = Schema.Struct({
  dependencies: Texts,
  devDependencies: Texts,
  optionalDependencies: Texts,
  peerDependencies: Texts,
  peerDependenciesMeta: Schema.optionalKey(
    Schema.Record(Schema.String, Schema.Struct({ optional: Schema.optionalKey(Schema.Boolean) }))
  )
})

const decode = Schema.decodeUnknownEffect(Schema.fromJsonString(PackageJson))

/** The text of a file; `None` where there is none. */
const readText = Effect.fnUntraced(function* (location: string) {
  const fs = yield* FileSystem.FileSystem
  return yield* fs.readFileString(location).pipe(
    Effect.map(Option.some),
    Effect.catchIf(isNotFound, () => Effect.succeedNone),
    Effect.mapError((error) => new StorageFailed({ location, operation: "read", problem: problemOf(error) }))
  )
}, Effect.provide(NodeFileSystem.layer))

const requireDirectory = Effect.fnUntraced(function* (dir: string) {
  const fs = yield* FileSystem.FileSystem
  const info = yield* fs.stat(dir).pipe(
    Effect.map(Option.some),
    Effect.catchIf(isNotFound, () => Effect.succeedNone),
    Effect.mapError((error) => new StorageFailed({ location: dir, operation: "read", problem: problemOf(error) }))
  )
  if (Option.isSome(info) && info.value.type === "Directory") return
  return yield* new InvalidProject({
    location: dir,
    problem: Option.isNone(info) ? "it does not exist" : "it is not a directory"
  })
}, Effect.provide(NodeFileSystem.layer))

/**
 * What package.json asks for, what is needed for development among it; `None` where there is no
 * package.json. A directory that does not exist is `InvalidProject`.
 */
export const wishes = Effect.fnUntraced(function* (dir: string) {
  yield* requireDirectory(dir)
  const location = NodePath.join(dir, PACKAGE_JSON)
  const text = Option.getOrUndefined(yield* readText(location))
  if (text === undefined) return Option.none<DependencyGraph.Wishes>()
  const { devDependencies, ...rest } = yield* decode(text).pipe(
    Effect.mapError((error) => new InvalidProject({ location, problem: error.message.split("\n")[0]! }))
  )
  return Option.some<DependencyGraph.Wishes>(
    devDependencies === undefined ? rest : { ...rest, dependencies: { ...devDependencies, ...rest.dependencies } }
  )
})

/** A file that is too long to be a lock is not read at all. */
const requireShort = Effect.fnUntraced(function* (location: string) {
  const fs = yield* FileSystem.FileSystem
  const info = yield* Effect.option(fs.stat(location))
  if (Option.isNone(info) || info.value.size <= BigInt(LockFile.MAX_BYTES)) return
  const problem = `it is longer than ${LockFile.MAX_BYTES} bytes`
  return yield* new DependencyError({ reason: new InvalidLockFile({ location, problem }) })
}, Effect.provide(NodeFileSystem.layer))

/** Where the lock file lies. */
export const lockLocation = (dir: string): string => NodePath.join(dir, LockFile.FILE_NAME)

/** `None` where there is no lock file. */
export const lock = Effect.fnUntraced(function* (dir: string) {
  const location = lockLocation(dir)
  yield* requireShort(location)
  const text = yield* readText(location)
  return Option.isNone(text) ? Option.none() : Option.some(yield* LockFile.parse(text.value, location))
})
