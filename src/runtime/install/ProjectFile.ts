/**
 * package.json of a project: what it asks for, what it says to ls-cli (`"libreseed"`), and how it is
 * changed: by single members, so that everything else in it stays as its owner wrote it.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import type { SecureRandom } from "effect/crypto/SecureRandom"
import * as JsonProblem from "../../protocol/core/JsonProblem.ts"
import type * as DependencyGraph from "../../protocol/registry/DependencyGraph.ts"
import { StorageFailed } from "../../protocol/swarm/Content.ts"
import * as AtomicFile from "../store/AtomicFile.ts"
import { isNotFound, problemOf } from "../store/PlatformProblem.ts"
import { InvalidProject } from "./InstallError.ts"
import { PACKAGE_JSON, wishesDigest } from "./InstalledState.ts"
import * as JsonText from "./JsonText.ts"

const Texts = Schema.optionalKey(Schema.Record(Schema.String, Schema.String))

/** Everything else in it is none of our business. */
const PackageJson = Schema.Struct({
  name: Schema.optionalKey(Schema.String),
  version: Schema.optionalKey(Schema.String),
  dependencies: Texts,
  devDependencies: Texts,
  optionalDependencies: Texts,
  peerDependencies: Texts,
  peerDependenciesMeta: Schema.optionalKey(
    Schema.Record(Schema.String, Schema.Struct({ optional: Schema.optionalKey(Schema.Boolean) }))
  ),
  overrides: Schema.optionalKey(Schema.Unknown),
  resolutions: Schema.optionalKey(Schema.Unknown),
  workspaces: Schema.optionalKey(Schema.Unknown),
  libreseed: Schema.optionalKey(Schema.Struct({ allowScripts: Schema.optionalKey(Schema.Array(Schema.String)) }))
})
type PackageJson = typeof PackageJson.Type

const parseJson = Schema.decodeUnknownEffect(Schema.fromJsonString(Schema.Unknown))
const decode = Schema.decodeUnknownEffect(PackageJson)

/** Where a dependency is written down. */
export type Section = "dependencies" | "devDependencies" | "optionalDependencies"
const SECTIONS: ReadonlyArray<Section> = ["dependencies", "devDependencies", "optionalDependencies"]

/** A package.json that does not exist has no text, and asks for nothing. */
export interface ProjectFile {
  readonly location: string
  readonly text: string | undefined
  readonly json: PackageJson
}

const BOM = /^\uFEFF/
const NEW = "{}\n"

const parse = Effect.fnUntraced(function* (location: string, text: string | undefined) {
  const plain = text === undefined ? NEW : text.replace(BOM, "")
  const json = yield* parseJson(plain).pipe(
    Effect.flatMap(decode),
    Effect.mapError((error) => JsonProblem.of(plain) ?? error.message.split("\n")[0]!),
    Effect.mapError((problem) => new InvalidProject({ location, problem }))
  )
  return { location, text, json } satisfies ProjectFile
})

/** package.json of the project in `directory` (absolute). Fails where it is none, and where the directory is no directory. */
export const read = Effect.fn("ProjectFile.read")(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const location = path.join(directory, PACKAGE_JSON)
  const text = yield* fs.readFileString(location).pipe(
    Effect.catchIf(isNotFound, () => Effect.undefined),
    Effect.mapError((error) => new StorageFailed({ location, operation: "read", problem: problemOf(error) }))
  )
  return yield* parse(location, text)
})

/** What the project wishes for, what only development needs among it. */
export const wishesOf = ({ json }: ProjectFile): DependencyGraph.Wishes => {
  const { dependencies, devDependencies, optionalDependencies, peerDependencies, peerDependenciesMeta } = json
  const all = devDependencies === undefined ? dependencies : { ...devDependencies, ...dependencies }
  return {
    ...(all === undefined ? {} : { dependencies: all }),
    ...(optionalDependencies === undefined ? {} : { optionalDependencies }),
    ...(peerDependencies === undefined ? {} : { peerDependencies }),
    ...(peerDependenciesMeta === undefined ? {} : { peerDependenciesMeta })
  }
}

/** Digest of what an install depends on. */
export const digestOf = ({ text }: ProjectFile): string =>
  wishesDigest(text === undefined ? undefined : JSON.parse(text.replace(BOM, "")))

/** Names that only development needs. */
export const developmentOnly = ({ json }: ProjectFile): ReadonlySet<string> => {
  const others = { ...json.dependencies, ...json.optionalDependencies, ...json.peerDependencies }
  return new Set(Object.keys(json.devDependencies ?? {}).filter((name) => !Object.hasOwn(others, name)))
}

/** Packages whose scripts may run. */
/** Fields that others obey and an install here does not: whoever relies on them has to know. */
const NOT_OBEYED = ["overrides", "resolutions", "workspaces"] as const

export const warningsOf = ({ json }: ProjectFile): ReadonlyArray<string> =>
  NOT_OBEYED.filter((field) => json[field] !== undefined).map(
    (field) => `package.json has ${field}, which ls-cli does not obey`
  )

export const allowedOf = ({ json }: ProjectFile): ReadonlyArray<string> => json.libreseed?.allowScripts ?? []

/** The section that a dependency stands in. */
export const sectionOf = ({ json }: ProjectFile, name: string): Section | undefined =>
  SECTIONS.find((section) => Object.hasOwn(json[section] ?? {}, name))

export interface Edits {
  readonly remove: ReadonlyArray<string>
  readonly set: ReadonlyArray<{ readonly section: Section; readonly name: string; readonly range: string }>
  /** Names of packages whose scripts may run, all of them. */
  readonly allowScripts?: ReadonlyArray<string>
}

/** The file as it is to be written; the same where nothing changes. */
export const edit = Effect.fnUntraced(function* (file: ProjectFile, { allowScripts, remove, set }: Edits) {
  const before = file.text ?? NEW
  let text = before
  for (const name of remove) for (const section of SECTIONS) text = JsonText.remove(text, section, name)
  for (const { name, range, section } of set) {
    for (const other of SECTIONS) if (other !== section) text = JsonText.remove(text, other, name)
    text = JsonText.set(text, section, name, range, { sorted: true })
  }
  if (allowScripts !== undefined && allowScripts.join() !== allowedOf(file).join()) {
    text = JsonText.set(text, "libreseed", "allowScripts", allowScripts)
  }
  return text === before ? file : yield* parse(file.location, text)
})

/** Writes what was edited. The file keeps its permissions, and where it is a link what it leads to is changed. */
export const write: (
  file: ProjectFile
) => Effect.Effect<void, StorageFailed, FileSystem.FileSystem | Path.Path | SecureRandom> = Effect.fnUntraced(
  function* ({ location, text }: ProjectFile) {
    const fs = yield* FileSystem.FileSystem
    const place = yield* fs.realPath(location).pipe(Effect.orElseSucceed(() => location))
    const mode = yield* fs.stat(place).pipe(
      Effect.map((info) => info.mode & 0o777),
      Effect.orElseSucceed(() => NEW_MODE)
    )
    yield* AtomicFile.replace(place, new TextEncoder().encode(text ?? NEW), mode).pipe(
      Effect.mapError((error) => new StorageFailed({ location, operation: "write", problem: problemOf(error) }))
    )
  }
)

/** Everybody who works on the project reads it. */
const NEW_MODE = 0o644
