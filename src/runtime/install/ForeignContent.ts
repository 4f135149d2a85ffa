/**
 * What is in `node_modules` without our having put it there. A package that npm, pnpm or yarn installed is
 * replaced where one of ours belongs in its place, and left alone elsewhere; so is a link that somebody
 * made to a package. Anything else may be somebody's work: nothing is put over it.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as Predicate from "effect/Predicate"
import { isNothingThere } from "../store/PlatformProblem.ts"
import { ForeignContent } from "./InstallError.ts"
import { MODULES, PACKAGE_JSON, VIRTUAL } from "./InstalledState.ts"
import * as Transaction from "./Transaction.ts"

const parseName = (text: string): string | undefined => {
  try {
    const json: unknown = JSON.parse(text)
    return Predicate.hasProperty(json, "name") && typeof json.name === "string" ? json.name : undefined
  } catch {
    return undefined
  }
}

/** The name in the package.json of a directory; `undefined` where there is none. */
const nameIn = Effect.fnUntraced(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  return yield* fs.readFileString(path.join(directory, PACKAGE_JSON)).pipe(
    Effect.map(parseName),
    Effect.catchIf(isNothingThere, () => Effect.undefined)
  )
})

/** Why the package `name` cannot be put at its place; `undefined` where it can. */
const objectionTo = Effect.fnUntraced(function* (location: string, name: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const kind = yield* Transaction.kindOf(location)
  if (kind === undefined) return undefined
  if (kind === "SymbolicLink") {
    const target = (yield* fs.readLink(location)).replaceAll("\\", "/")
    if (target.includes(`${VIRTUAL}/`)) return undefined
    const isDangling = !(yield* fs.exists(location))
    if (isDangling || (yield* nameIn(location)) !== undefined) return undefined
    return `it is a link to ${target}, which is no package`
  }
  if (kind !== "Directory") return "it is a file"
  const found = yield* nameIn(location)
  if (found === undefined) return "it is a directory without the package.json of a package"
  if (found !== name) return `it is the package ${JSON.stringify(found)}`
  // Somebody works there: npm makes no such directories.
  return (yield* fs.exists(path.join(location, ".git"))) ? "it is a git repository" : undefined
})

/** Fails where something is in the way of the packages to be put, or of the directories that they are put into. */
export const refuse = Effect.fnUntraced(function* (
  modules: string,
  names: ReadonlyArray<string>,
  destinations: ReadonlyArray<string>
) {
  const path = yield* Path.Path
  const parent = yield* Transaction.foreignParent(modules, destinations)
  if (parent !== undefined) {
    const problem = `it is not a directory of its own, so what is put there is not put into ${modules}`
    return yield* new ForeignContent({ location: parent, problem })
  }
  for (const name of names) {
    const location = path.join(modules, name)
    const problem = yield* objectionTo(location, name)
    if (problem !== undefined) return yield* new ForeignContent({ location, problem })
  }
})

/** Fails where `node_modules`, or our directory in it, is there and is no directory of the project's own. */
export const refuseModules = Effect.fnUntraced(function* (modules: string) {
  const path = yield* Path.Path
  for (const location of [modules, path.join(modules, VIRTUAL)]) {
    const kind = yield* Transaction.kindOf(location)
    if (kind === undefined || kind === "Directory") continue
    const problem = kind === "SymbolicLink" ? "it is a link to somewhere else" : "it is not a directory"
    return yield* new ForeignContent({ location, problem })
  }
})

/** Packages in `node_modules` that are not ours: they stay, and other packages may come to see them. */
export const packagesOf = Effect.fnUntraced(function* (modules: string, ours: ReadonlySet<string>) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const found: Array<string> = []
  const names = yield* fs.readDirectory(modules).pipe(Effect.orElseSucceed((): Array<string> => []))
  for (const name of names.toSorted()) {
    if (name.startsWith(".") || name === MODULES) continue
    const inner = name.startsWith("@")
      ? (yield* fs.readDirectory(path.join(modules, name)).pipe(Effect.orElseSucceed((): Array<string> => []))).map(
          (each) => `${name}/${each}`
        )
      : [name]
    found.push(...inner.filter((each) => !ours.has(each)))
  }
  return found
})
