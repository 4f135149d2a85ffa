/**
 * Many libraries in one process: the one on disk, and beside it one for each bug. A variant shares with the first
 * whatever does not depend on the file that is changed: that is what half of the time of a process of its own goes into.
 * To be started before anything of the library is loaded.
 */
import * as Fs from "node:fs"
import { registerHooks, stripTypeScriptTypes } from "node:module"
import * as Path from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import * as MutantSource from "./MutantSource.ts"

const root = Path.resolve(import.meta.dirname, "../..")

/** Properties are collected here in place of being run by vitest. */
const collector = pathToFileURL(Path.join(import.meta.dirname, "Properties.ts")).href

/** Follows the path of a module in a variant; what comes after it is the variant's own. */
const MARK = "?variant="

interface Variant {
  readonly change: MutantSource.Change | undefined
  /** Paths of the modules that are loaded for it alone. */
  readonly own: ReadonlySet<string>
}

const isOurs = (url: string): boolean => url.startsWith("file:") && !url.includes("/node_modules/")

/** The path of a module of a variant, or of the library on disk. */
const pathOf = (url: string): string => fileURLToPath(url.split("?", 1)[0]!)

/** What imports a module, by the module's path, as far as the library on disk has been loaded. */
type Importers = ReadonlyMap<string, ReadonlySet<string>>

/** The module and all that stand on it. */
const dependents = (importers: Importers, path: string): ReadonlySet<string> => {
  const found = new Set([path])
  for (const each of found) for (const importer of importers.get(each) ?? []) found.add(importer)
  return found
}

/** Gives what loads a module of the repository, by its path in there, with a bug in all that it stands on, or anew with none. */
export const start = (): ((path: string, change: MutantSource.Change | undefined) => Promise<unknown>) => {
  const importers = new Map<string, Set<string>>()
  const variants: Array<Variant> = []
  const plain = new Map<string, string>()

  const stripped = (path: string): string => {
    const known = plain.get(path)
    if (known !== undefined) return known
    const text = stripTypeScriptTypes(Fs.readFileSync(path, "utf8"))
    plain.set(path, text)
    return text
  }

  registerHooks({
    resolve: (name, context, next) => {
      if (name === "@effect/vitest") return { url: collector, format: "module-typescript", shortCircuit: true }
      const found = next(name, context)
      const { parentURL } = context
      if (parentURL === undefined || !isOurs(parentURL) || !isOurs(found.url) || found.url.includes("?")) return found
      const [, number] = parentURL.split(MARK)
      const path = pathOf(found.url)
      if (number !== undefined) {
        return variants[Number(number)]!.own.has(path) ? { ...found, url: `${found.url}${MARK}${number}` } : found
      }
      const known = importers.get(path)
      if (known === undefined) importers.set(path, new Set([pathOf(parentURL)]))
      else known.add(pathOf(parentURL))
      return found
    },
    load: (url, context, next) => {
      const [, number] = url.split(MARK)
      if (number === undefined) return next(url, context)
      const path = pathOf(url)
      const { change } = variants[Number(number)]!
      const source =
        change !== undefined && MutantSource.pathOf(change) === path
          ? stripTypeScriptTypes(MutantSource.sourceOf(change))
          : stripped(path)
      return { format: "module", source, shortCircuit: true }
    }
  })

  return async (name, change) => {
    const path = Path.join(root, name)
    const url = pathToFileURL(path).href
    // The library on disk first: it tells what stands on what.
    await import(url)
    const own = change === undefined ? [] : dependents(importers, MutantSource.pathOf(change))
    const number = variants.push({ change, own: new Set([path, ...own]) }) - 1
    return import(`${url}${MARK}${number}`)
  }
}
