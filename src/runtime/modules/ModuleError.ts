/**
 * Why a module is not found by the lock file. These are thrown inside other people's programs, where
 * neither schemas nor effects are: plain errors, with Node's `code` for those who catch them (an
 * optional dependency is tried with `require` and caught by its code), and a `hint` for whoever reads it.
 */

/** Node's codes, which programs look at. */
export type Code =
  | "MODULE_NOT_FOUND"
  | "ERR_MODULE_NOT_FOUND"
  | "ERR_PACKAGE_PATH_NOT_EXPORTED"
  | "ERR_PACKAGE_IMPORT_NOT_DEFINED"
  | "ERR_INVALID_PACKAGE_TARGET"
  | "ERR_INVALID_PACKAGE_CONFIG"
  | "ERR_INVALID_MODULE_SPECIFIER"

export type Reason =
  /** The importer's package does not depend on what it imports. */
  | "NotADependency"
  /** It is locked, and its files are not in the store. */
  | "NotInStore"
  /** The package has no such file, or does not let it be imported. */
  | "NotInPackage"
  /** Its package.json cannot be understood, or names files outside of the package. */
  | "InvalidPackage"
  /** The lock file cannot be read as one. */
  | "InvalidLock"

/** A module that cannot be had. `message` says which, for whom and why, and ends with what to do about it. */
export class ModuleError extends Error {
  readonly _tag = "ModuleError"
  readonly code: Code
  readonly reason: Reason
  readonly hint: string

  constructor(reason: Reason, code: Code, problem: string, hint: string) {
    super(`${problem}\n${hint}`)
    this.name = "ModuleError"
    this.reason = reason
    this.code = code
    this.hint = hint
  }
}

/** Longest piece of somebody else's text in a message, in characters. */
const SHOWN_CHARS = 200

/** Text from a package or lock file, so that no control character of it reaches a terminal. */
export const shown = (text: string): string => JSON.stringify(text.slice(0, SHOWN_CHARS)).slice(1, -1)

const notFound = (isRequire: boolean): Code => (isRequire ? "MODULE_NOT_FOUND" : "ERR_MODULE_NOT_FOUND")

/** `importer` is a package's id in the lock, or `undefined` for the project itself. */
export const notADependency = (
  specifier: string,
  name: string,
  importer: { readonly id: string | undefined; readonly file: string },
  isRequire: boolean
): ModuleError => {
  const who = importer.id === undefined ? "the project" : shown(importer.id)
  return new ModuleError(
    "NotADependency",
    notFound(isRequire),
    // The first words are Node's: some programs look for them.
    `Cannot find ${isRequire ? "module" : "package"} '${shown(specifier)}': ${shown(name)} is not a dependency of ${who} (imported from ${shown(importer.file)})`,
    importer.id === undefined
      ? `Add it to package.json and run: ls-cli lock (or: ls-cli lock ${shown(name)})`
      : `The package has to declare it. Until its publisher does, nothing but its declared dependencies is visible to it.`
  )
}

export const notInStore = (id: string, isRequire: boolean): ModuleError =>
  new ModuleError(
    "NotInStore",
    notFound(isRequire),
    `${shown(id)} is locked, but its files are not in the store`,
    "Start the program with ls-cli run, which fetches what is missing; or run: ls-cli install"
  )

export const notExported = (id: string, subpath: string): ModuleError =>
  new ModuleError(
    "NotInPackage",
    "ERR_PACKAGE_PATH_NOT_EXPORTED",
    `${shown(subpath)} is not exported by ${shown(id)} under these conditions`,
    `The "exports" of its package.json list what can be imported.`
  )

export const notDefined = (specifier: string, location: string): ModuleError =>
  new ModuleError(
    "NotInPackage",
    "ERR_PACKAGE_IMPORT_NOT_DEFINED",
    `${shown(specifier)} is not defined in ${shown(location)}`,
    `The "imports" of package.json list what can be imported with a #.`
  )

export const missingFile = (id: string, subpath: string, isRequire: boolean): ModuleError =>
  new ModuleError(
    "NotInPackage",
    notFound(isRequire),
    subpath === "." ? `${shown(id)} has no main file` : `${shown(id)} has no file ${shown(subpath)}`,
    "Its package.json and its files tell what it has."
  )

export const invalidTarget = (target: string, location: string): ModuleError =>
  new ModuleError(
    "InvalidPackage",
    "ERR_INVALID_PACKAGE_TARGET",
    `${shown(location)} names ${shown(target)}, which is no file inside of the package`,
    "Tell its publisher, or take another version."
  )

export const invalidConfig = (location: string, problem: string): ModuleError =>
  new ModuleError(
    "InvalidPackage",
    "ERR_INVALID_PACKAGE_CONFIG",
    `${shown(location)} cannot be used: ${problem}`,
    "Tell its publisher, or take another version."
  )

export const invalidSpecifier = (specifier: string, problem: string): ModuleError =>
  new ModuleError(
    "NotInPackage",
    "ERR_INVALID_MODULE_SPECIFIER",
    `${shown(specifier)} cannot be imported: ${problem}`,
    "Import a package by its name, or a file of it by name/path."
  )

export const invalidLock = (location: string, problem: string): ModuleError =>
  new ModuleError(
    "InvalidLock",
    "ERR_MODULE_NOT_FOUND",
    `${shown(location)} is no lock file that can be used: ${problem}`,
    "Make it anew with: ls-cli lock"
  )
