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

  static {
    // Node tells the name of the class too where it is another, which it is in a bundle that was made short.
    Object.defineProperty(this, "name", { value: "ModuleError" })
  }

  constructor(reason: Reason, code: Code, problem: string, hint: string) {
    super(`${problem}\n${hint}`)
    this.reason = reason
    this.code = code
    this.hint = hint
    // Of what it has, Node shows the code alone, as for errors of its own: the message has said the rest.
    for (const key of ["_tag", "reason", "hint"]) Object.defineProperty(this, key, { enumerable: false })
    Object.defineProperty(this, "name", { value: "ModuleError", enumerable: false })
  }
}

/** Frames that are looked at: Node's own loader takes ten, which is all that there are by default. */
const FRAMES_MAX = 50

/** A frame of the file that this is bundled into. */
const isOurs = (frame: string): boolean => frame.includes(import.meta.filename)

const isOfNode = (frame: string): boolean => /^ +at (?:async )?(?:.*\()?node:/.test(frame)

/**
 * Leaves in the stack the files of whoever imports, without what Node and we do in between, `entry` being what Node
 * calls. Gives back the error.
 *
 * Node shows the line of a file that an error was thrown in, which is all of ours where that was made short, except where
 * the words stand in it that `_hidden` is for (`GetErrorSource` in its node_errors.cc; its own loaders are written so).
 */
export const fromOutside = (
  error: unknown,
  entry: (...args: ReadonlyArray<never>) => unknown,
  _hidden: "node-do-not-add-exception-line"
): unknown => {
  if (!(error instanceof ModuleError)) return error
  const limit = Error.stackTraceLimit
  Reflect.set(Error, "stackTraceLimit", FRAMES_MAX)
  Error.captureStackTrace(error, entry)
  const { stack } = error
  Reflect.set(Error, "stackTraceLimit", limit)
  const head = `${error.name}: ${error.message}`
  // Programs may have stacks written in a way of their own.
  if (typeof stack !== "string" || !stack.startsWith(head)) return error
  const frames = stack
    .slice(head.length)
    .split("\n")
    .filter((frame) => !isOurs(frame))
  const outside = frames.filter((frame) => !isOfNode(frame))
  // Modules are linked before any of them runs: then nobody stands in it but Node.
  const left = outside.some((frame) => frame !== "") ? outside : frames.slice(0, 1 + limit)
  Object.defineProperty(error, "stack", { value: head + left.join("\n"), configurable: true, writable: true })
  return error
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
