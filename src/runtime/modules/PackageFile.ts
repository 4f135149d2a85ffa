/**
 * From a package's directory and a subpath to a file of it, for whoever asks: Node's `import`, Node's
 * `require`, or a bundler with main fields of its own. Never a file outside of the directory.
 */
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as ExportsMap from "./ExportsMap.ts"
import * as ModuleError from "./ModuleError.ts"
import type { PackageJson } from "./PackageJson.ts"

/** How the importer looks for files. */
export interface Manner {
  readonly conditions: ExportsMap.Conditions
  /** Fields of package.json that name the main file, the first that is there. */
  readonly mainFields: ReadonlyArray<string>
  /** What is tried behind a path, in this order, with a dot each. */
  readonly extensions: ReadonlyArray<string>
  /** Whether a path may leave out its extension, or name a directory; `import` of Node does not allow it. */
  readonly isLenient: boolean
  readonly isRequire: boolean
}

const isFile = (path: string): boolean => Fs.statSync(path, { throwIfNoEntry: false })?.isFile() === true

const isDirectory = (path: string): boolean => Fs.statSync(path, { throwIfNoEntry: false })?.isDirectory() === true

/** Whether `path` is `directory` or below it; both absolute and normal. */
export const isInside = (directory: string, path: string): boolean =>
  path === directory || path.startsWith(directory.endsWith(Path.sep) ? directory : directory + Path.sep)

const withExtension = (path: string, extensions: ReadonlyArray<string>): string | undefined =>
  isFile(path) ? path : extensions.map((extension) => path + extension).find(isFile)

const index = (directory: string, extensions: ReadonlyArray<string>): string | undefined =>
  extensions.map((extension) => Path.join(directory, `index${extension}`)).find(isFile)

/** Main fields, then the index, as `require` does it and, for packages without exports, `import` too. */
const mainOf = (package_: PackageJson, root: string, { extensions, mainFields }: Manner): string | undefined => {
  for (const field of package_.main(mainFields)) {
    const path = Path.resolve(package_.directory, field)
    // That of a directory inside of a package often names a file further up in it.
    if (!isInside(root, path)) throw ModuleError.invalidTarget(field, package_.location)
    const found = withExtension(path, extensions) ?? index(path, extensions)
    if (found !== undefined) return found
  }
  return index(package_.directory, extensions)
}

/** A path without extension, or a directory, below `root`, as `require` reads it; `undefined` where nothing is there. */
export const lenient = (
  path: string,
  root: string,
  manner: Manner,
  read: (directory: string) => PackageJson | undefined
): string | undefined => {
  // A file beside the package's directory may have its name and an extension: it is none of the package.
  const isDirectoryOnly = path === root || path.endsWith("/") || path.endsWith(Path.sep)
  const found = isDirectoryOnly ? undefined : withExtension(path, manner.extensions)
  if (found !== undefined || !isDirectory(path)) return found
  const inner = read(path)
  return inner === undefined ? index(path, manner.extensions) : mainOf(inner, root, manner)
}

/**
 * The file that `subpath` (`.`, `./…`) of a package is; `id` names it in errors.
 * Throws `ModuleError`: not exported, not there, or not inside of the package.
 */
export const resolve = (
  package_: PackageJson,
  id: string,
  subpath: string,
  manner: Manner,
  read: (directory: string) => PackageJson | undefined
): string => {
  const { directory, location } = package_
  if (package_.exports !== undefined) {
    const target = ExportsMap.resolveExports(package_.exports, subpath, manner.conditions, location)
    if (target === undefined) throw ModuleError.notExported(id, subpath)
    return Path.join(directory, target)
  }
  if (subpath === "." || subpath === "./") {
    const main = mainOf(package_, directory, manner)
    if (main === undefined) throw ModuleError.missingFile(id, ".", manner.isRequire)
    return main
  }
  const path = Path.join(directory, subpath)
  if (!isInside(directory, path))
    throw ModuleError.invalidSpecifier(`${id}${subpath.slice(1)}`, "it leaves the package")
  if (!manner.isLenient) return path
  const found = lenient(path, directory, manner, read)
  if (found === undefined) throw ModuleError.missingFile(id, subpath, manner.isRequire)
  return found
}
