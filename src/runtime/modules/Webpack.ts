/**
 * `@libreseed/protocol/webpack`: bundles packages of the lock file straight from the store. The lookup says
 * which package an import means; webpack's own resolver then finds the file in it. It stands where the
 * resolver would begin to search directories named node_modules, for modules and for loaders.
 */
import * as Path from "node:path"
import type * as Lookup from "./Lookup.ts"
import * as PluginLookup from "./PluginLookup.ts"

export type Options = PluginLookup.PluginOptions

/** As much of enhanced-resolve's request as is needed. */
export interface Request {
  readonly request?: string
  readonly path: string | false
  readonly fullySpecified?: boolean
  readonly context?: object
}

type Callback<R> = (error?: Error | null, result?: R | null) => void

interface Hook<R> {
  tapAsync(
    options: { readonly name: string; readonly stage: number },
    handler: (request: R, context: object, callback: Callback<R>) => void
  ): void
}

/** As much of enhanced-resolve's `Resolver` as is needed. */
interface Resolver<R> {
  ensureHook(name: string): Hook<R>
  getHook(name: string): Hook<R>
  doResolve(
    hook: Hook<R>,
    request: R,
    message: string,
    context: object,
    callback: (error?: Error | null, result?: R) => void
  ): void
}

/** As much of webpack's `Compiler` as is needed. */
export interface Compiler<R> {
  readonly context: string
  readonly hooks: {
    readonly beforeCompile: { tap(name: string, handler: () => void): void }
  }
  readonly resolverFactory: {
    readonly hooks: {
      readonly resolver: { for(type: string): { tap(name: string, handler: (resolver: Resolver<R>) => void): void } }
    }
  }
}

const NAME = "LibreSeedPlugin"

/** What an import of a package comes to, before any search. */
const SOURCE = "raw-module"

/** A request inside of a package whose package.json is still to be read. */
const TARGET = "undescribed-resolve-in-package"

/** A path that is a file, perhaps without its extension, or a directory. */
const ANY_PATH = "described-relative"
const DIRECTORY = "directory"

/** The kinds of resolvers that webpack makes: for modules, for contexts, for loaders. */
const TYPES = ["normal", "context", "loader"]

/** Before all that webpack itself does there. */
const STAGE = -100

/** Who imports: what `issuer` says where it does, else some file of the directory. */
const issuerOf = ({ context, path }: Request): string => {
  const issuer = context !== undefined && "issuer" in context ? context.issuer : undefined
  const file = typeof issuer === "string" ? issuer : ""
  // An import inside of a package that `imports` or an alias led to is resolved for that package.
  return path === false || Path.dirname(file) === path ? file : Path.join(path, "[module]")
}

class LibreSeedPlugin {
  readonly #open: (directory: string) => Lookup.Lookup

  constructor(options: Options = {}) {
    this.#open = PluginLookup.make(options)
  }

  apply<R extends Request>(compiler: Compiler<R>): void {
    let lookup: Lookup.Lookup | undefined
    compiler.hooks.beforeCompile.tap(NAME, () => {
      lookup = this.#open(compiler.context)
    })
    const locate = (request: Request): Lookup.Located | undefined => {
      const { request: specifier } = request
      if (specifier === undefined || specifier === "") return undefined
      lookup ??= this.#open(compiler.context)
      return lookup.locate(specifier, issuerOf(request))
    }
    const isPackage = ({ path }: Request): boolean => path !== false && lookup?.isPackage(path) === true
    for (const type of TYPES) {
      compiler.resolverFactory.hooks.resolver.for(type).tap(NAME, (resolver) => {
        const directory = resolver.ensureHook(DIRECTORY)
        // A file beside the directory may have its name and an extension: it is none of the package.
        resolver
          .getHook(ANY_PATH)
          .tapAsync({ name: NAME, stage: STAGE }, (request, context, callback) =>
            isPackage(request) ? resolver.doResolve(directory, request, "a package", context, callback) : callback()
          )
        const target = resolver.ensureHook(TARGET)
        resolver.getHook(SOURCE).tapAsync({ name: NAME, stage: STAGE }, (request, context, callback) => {
          let found: Lookup.Located | undefined
          try {
            found = locate(request)
          } catch (error) {
            return callback(error instanceof Error ? error : new Error(String(error)))
          }
          if (found === undefined) return callback()
          const inside = {
            ...request,
            path: found.directory,
            request: found.subpath,
            ignoreSymlinks: true,
            fullySpecified: request.fullySpecified === true && found.subpath !== "."
          }
          resolver.doResolve(target, inside, `locked as ${found.id}`, context, (error, result) =>
            callback(error, error ? undefined : (result ?? null))
          )
        })
      })
    }
  }
}

export default LibreSeedPlugin
