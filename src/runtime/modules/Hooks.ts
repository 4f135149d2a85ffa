/**
 * The lookup in place of Node's own search through node_modules, for one thread. `import` goes through
 * `module.registerHooks`. `require` goes through `Module._resolveFilename`, below those hooks: older Node
 * does not ask them for `require.resolve` nor in CommonJS threads, and none tells them its `paths`.
 *
 * What the lock has nothing to say about is left to Node: relative paths, built-ins, what the project
 * has in a node_modules of its own.
 */
import * as Module from "node:module"
import * as Path from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import * as Lookup from "./Lookup.ts"
import * as ModuleError from "./ModuleError.ts"
import * as PackageFile from "./PackageFile.ts"

/** Node's own function, which is public in all but its name: loaders of every kind have replaced it for years. */
interface CommonJsLoader {
  _resolveFilename: (
    this: unknown,
    request: string,
    parent: { readonly filename?: string | null } | null | undefined,
    isMain?: boolean,
    options?: { readonly paths?: ReadonlyArray<string> }
  ) => string
}

const isLoader = (value: object): value is CommonJsLoader =>
  "_resolveFilename" in value && typeof value._resolveFilename === "function"

const NOT_FOUND: ReadonlySet<unknown> = new Set(["MODULE_NOT_FOUND", "ERR_MODULE_NOT_FOUND"])

const REQUIRE: PackageFile.Manner = {
  ...Lookup.IMPORT,
  conditions: new Set(["node", "require", "module-sync", "node-addons"]),
  isLenient: true,
  isRequire: true
}

/** `file:`, `data:`, `node:`, or a drive of Windows. */
const SCHEME = /^[a-z][a-z0-9+.-]*:/i

/** Whether a specifier is for the lookup at all. */
const isBare = (specifier: string): boolean =>
  specifier !== "" &&
  specifier[0] !== "." &&
  specifier[0] !== "/" &&
  !SCHEME.test(specifier) &&
  !Module.isBuiltin(specifier)

const isNotFound = (error: unknown): boolean => error instanceof Error && "code" in error && NOT_FOUND.has(error.code)

/** A file of the working directory: who imports in a text given to Node. */
const anonymous = (): string => Path.join(process.cwd(), "[eval]")

/** `undefined` for an importer that is no file. */
const fileOf = (url: string | undefined): string | undefined =>
  url === undefined ? anonymous() : url.startsWith("file:") ? fileURLToPath(url) : undefined

/** Where nothing was found for a file of the project: says what to do about it. */
const explained = (lookup: Lookup.Lookup, specifier: string, file: string, isRequire: boolean, error: unknown) =>
  isNotFound(error) && specifier[0] !== "#" && PackageFile.isInside(lookup.project, file) && !lookup.isInStore(file)
    ? ModuleError.notADependency(specifier, Lookup.nameOf(specifier), { id: undefined, file }, isRequire)
    : error

/** `open` is called at the first import of a package. */
export const install = (open: () => Lookup.Lookup): void => {
  let opened: Lookup.Lookup | undefined
  const current = () => (opened ??= open())

  /** Those of the `require` that is being answered: the hooks around it know them. */
  let requireConditions: ReadonlyArray<string> | undefined

  const resolveImport: Module.ResolveHookSync = (specifier, context, next) => {
    const file = fileOf(context.parentURL)
    if (file === undefined) return next(specifier, context)
    const lookup = current()
    const answer = lookup.resolve(specifier, file, { ...Lookup.IMPORT, conditions: new Set(context.conditions) })
    if (answer?._tag === "File") return next(pathToFileURL(answer.path).href, context)
    if (answer?._tag === "Builtin") return next(answer.specifier, context)
    try {
      return next(specifier, context)
    } catch (error) {
      throw explained(lookup, specifier, file, false, error)
    }
  }

  const resolve: Module.ResolveHookSync = (specifier, context, next) => {
    if (!isBare(specifier)) return next(specifier, context)
    if (!context.conditions.includes("require")) {
      try {
        return resolveImport(specifier, context, next)
      } catch (error) {
        throw ModuleError.fromOutside(error, resolve, "node-do-not-add-exception-line")
      }
    }
    const before = requireConditions
    requireConditions = context.conditions
    try {
      return next(specifier, context)
    } finally {
      requireConditions = before
    }
  }

  // Node 20 has none; a child process of such a program may be one.
  Module.registerHooks?.({ resolve })

  const loader: object = Module.Module
  if (!isLoader(loader)) return
  const original = loader._resolveFilename

  /** From the first place that has it. Throws what the first one had to say where none has. */
  const resolveFrom = (lookup: Lookup.Lookup, request: string, files: ReadonlyArray<string>) => {
    const manner = requireConditions === undefined ? REQUIRE : { ...REQUIRE, conditions: new Set(requireConditions) }
    const failures: Array<unknown> = []
    for (const file of files) {
      try {
        const answer = lookup.resolve(request, file, manner)
        if (answer !== undefined) return answer
      } catch (error) {
        if (!isNotFound(error)) throw error
        failures.push(error)
      }
    }
    if (failures.length > 0) throw failures[0]
    return undefined
  }

  const resolveRequire: CommonJsLoader["_resolveFilename"] = function (request, parent, isMain, options) {
    const lookup = current()
    const own = parent?.filename ?? anonymous()
    const answer = resolveFrom(lookup, request, options?.paths?.map((path) => Path.resolve(path, "[paths]")) ?? [own])
    if (answer?._tag === "File") return original.call(this, answer.path, parent, isMain)
    if (answer?._tag === "Builtin") return answer.specifier
    try {
      return original.call(this, request, parent, isMain, options)
    } catch (error) {
      throw explained(lookup, request, own, true, error)
    }
  }

  loader._resolveFilename = function resolveFilename(request, parent, isMain, options) {
    if (isMain === true || !isBare(request)) return original.call(this, request, parent, isMain, options)
    try {
      return resolveRequire.call(this, request, parent, isMain, options)
    } catch (error) {
      throw ModuleError.fromOutside(error, resolveFilename, "node-do-not-add-exception-line")
    }
  }
}
