/** A project as it lies on disk: what its package.json asks for, and its lock file. */
import * as Effect from "effect/Effect"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as NodePath from "node:path"
import { ExitCode } from "../../protocol/core/Errors.ts"
import type * as DependencyGraph from "../../protocol/registry/DependencyGraph.ts"
import * as LockFile from "../../protocol/registry/LockFile.ts"
import { StorageFailed } from "../../protocol/swarm/Content.ts"
import { isNotFound, problemOf } from "../../runtime/store/PlatformProblem.ts"

const PACKAGE_JSON = "package.json"

/** The project's package.json cannot be read as one. */
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

/** What package.json asks for, what is needed for development among it; nothing where there is no package.json. */
export const wishes = Effect.fnUntraced(function* (dir: string) {
  const location = NodePath.join(dir, PACKAGE_JSON)
  const text = Option.getOrUndefined(yield* readText(location))
  if (text === undefined) return {} satisfies DependencyGraph.Wishes
  const { devDependencies, ...rest } = yield* decode(text).pipe(
    Effect.mapError((error) => new InvalidProject({ location, problem: error.message.split("\n")[0]! }))
  )
  return devDependencies === undefined ? rest : { ...rest, dependencies: { ...devDependencies, ...rest.dependencies } }
})

/** Where the lock file lies. */
export const lockLocation = (dir: string): string => NodePath.join(dir, LockFile.FILE_NAME)

/** `None` where there is no lock file. */
export const lock = Effect.fnUntraced(function* (dir: string) {
  const location = lockLocation(dir)
  const text = yield* readText(location)
  return Option.isNone(text) ? Option.none() : Option.some(yield* LockFile.parse(text.value, location))
})
