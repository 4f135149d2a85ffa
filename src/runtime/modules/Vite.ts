/**
 * `@libreseed/protocol/vite`: builds with packages of the lock file straight from the store, in Vite,
 * Rolldown and Rollup. The lookup says which package an import means; the bundler itself then finds the
 * file in it, as it does for a package that imports itself. Rollup, which finds none, is helped out.
 *
 * Vite's server bundles the dependencies of a project beforehand and knows them by `node_modules` in
 * their paths. Those of the store are told to it one by one.
 */
import { isBuiltin } from "node:module"
import * as Path from "node:path"
import * as Lookup from "./Lookup.ts"
import type * as PackageFile from "./PackageFile.ts"
import * as PluginLookup from "./PluginLookup.ts"

export interface Options extends PluginLookup.PluginOptions {
  /** Conditions of `exports`, for Rollup alone (default: module, import). */
  readonly conditions?: ReadonlyArray<string> | undefined
  /** Fields of package.json that name the main file, for Rollup alone (default: module, main). */
  readonly mainFields?: ReadonlyArray<string> | undefined
}

type Kind =
  | "import-statement"
  | "dynamic-import"
  | "require-call"
  | "import-rule"
  | "url-token"
  | "new-url"
  | "hot-accept"

interface OptimizedDependency {
  readonly file: string
}

/** Vite's, of a server: bundles dependencies beforehand. */
interface Optimizer {
  readonly options: { readonly noDiscovery?: boolean | undefined; readonly exclude?: ReadonlyArray<string> | undefined }
  registerMissingImport(id: string, resolved: string): OptimizedDependency
  getOptimizedDepId(info: OptimizedDependency): string
}

/** What Vite knows of where the code will run. */
interface Environment {
  readonly mode?: string
  readonly config: {
    readonly consumer: "client" | "server"
    readonly isProduction: boolean
    readonly resolve: { readonly mainFields: ReadonlyArray<string>; readonly conditions: ReadonlyArray<string> }
  }
}

/** As much of a plugin's context as is needed, in any of the three. */
export interface Context {
  readonly environment?: Environment
  readonly meta?: { readonly rolldownVersion?: string }
  resolve(
    source: string,
    importer: string,
    options: { readonly skipSelf: boolean; readonly kind?: Kind }
  ): Promise<{ id: string } | null>
}

/** As much of Vite's server as is needed. */
export interface Server {
  readonly watcher: { add(path: string): unknown; on(event: "change", handler: (path: string) => void): unknown }
  restart(): Promise<void>
}

/** A plugin of Vite; Rolldown and Rollup leave the hooks alone that they do not know. */
export interface VitePlugin {
  readonly name: string
  readonly enforce: "pre"
  readonly config: (config: { root?: string }) => {
    optimizeDeps: { rolldownOptions: { plugins: Array<Pick<VitePlugin, "name" | "buildStart" | "resolveId">> } }
  }
  readonly configResolved: (config: {
    readonly root: string
    readonly server: { readonly fs: { allow: Array<string> } }
  }) => void
  readonly configureServer: (server: Server) => void
  readonly buildStart: (options: { readonly platform?: string }) => void
  readonly resolveId: (
    this: Context,
    source: string,
    importer: string | undefined,
    options: { readonly kind?: Kind; readonly scan?: boolean }
  ) => Promise<{ id: string } | string | null>
}

const NAME = "libreseed"

const SCHEME = /^[a-z][a-z0-9+.-]*:/i

/** What a server bundles beforehand: scripts, whole. */
const OPTIMIZABLE = /\.[cm]?js$/

/** A path that can only be a directory. */
const DIRECTORY = /(?:^|\/)\.\.?$/

/** The part of an id that is a path. */
const pathOf = (id: string): string => id.replace(/[?#].*$/s, "")

const isBare = (source: string): boolean =>
  source !== "" && source[0] !== "." && source[0] !== "/" && source[0] !== "\0" && !SCHEME.test(source)

const optimizerOf = (environment: Environment | undefined): Optimizer | undefined => {
  if (environment === undefined || environment.mode !== "dev" || !("depsOptimizer" in environment)) return undefined
  const optimizer = environment.depsOptimizer
  return isOptimizer(optimizer) ? optimizer : undefined
}

const isOptimizer = (value: unknown): value is Optimizer =>
  typeof value === "object" && value !== null && "registerMissingImport" in value && "getOptimizedDepId" in value

/** Conditions for what the bundler cannot be asked about. */
const conditionsOf = ({ environment }: Context, options: Options): ReadonlySet<string> => {
  if (environment === undefined) return new Set(options.conditions ?? Lookup.BUNDLED.conditions)
  const { conditions } = environment.config.resolve
  const current = environment.config.isProduction ? "production" : "development"
  return new Set([...conditions.map((each) => (each === "development|production" ? current : each)), "import"])
}

const makeResolver = (options: Options, open: (directory: string) => Lookup.Lookup, root: () => string) => {
  let lookup: Lookup.Lookup | undefined
  let platform: string | undefined

  const buildStart: VitePlugin["buildStart"] = (input) => {
    platform = input.platform
    lookup = open(root())
  }

  const mannerOf = (context: Context): PackageFile.Manner => ({
    ...Lookup.BUNDLED,
    conditions: conditionsOf(context, options),
    mainFields: options.mainFields ?? Lookup.BUNDLED.mainFields
  })

  const isBrowser = ({ environment }: Context): boolean =>
    environment === undefined ? platform === "browser" : environment.config.resolve.mainFields.includes("browser")

  const isNode = ({ environment }: Context): boolean =>
    environment === undefined ? platform === "node" : environment.config.consumer === "server"

  const resolveId: VitePlugin["resolveId"] = async function (source, importerId, { kind, scan = false }) {
    const importer = importerId === undefined ? "" : pathOf(importerId)
    if (!Path.isAbsolute(importer)) return null
    lookup ??= open(root())
    const ask = (what: string, from: string) =>
      this.resolve(what, from, kind === undefined ? { skipSelf: true } : { skipSelf: true, kind })
    if (!isBare(source)) {
      if (source[0] !== "." || !lookup.isInStore(importer)) return null
      // A file beside a package's directory may have its name and an extension: it is none of the package.
      const found = DIRECTORY.test(source) ? await ask(`${source}/`, importerId ?? importer) : null
      if (found !== null) return found
      // Rolldown, and Vite with it, knows how packages are written; Rollup knows full paths only.
      const isHelped = this.environment === undefined && this.meta?.rolldownVersion === undefined
      return (isHelped ? lookup.relative(source, importer, mannerOf(this)) : undefined) ?? null
    }
    if (isBuiltin(source) && isNode(this)) return null
    if (isBrowser(this) && lookup.isReplaced(source, importer)) return null
    if (source.startsWith("#")) {
      const own = await ask(source, importerId ?? importer)
      if (own !== null) return own
      const answer = lookup.resolve(source, importer, mannerOf(this))
      return answer?._tag === "File" ? answer.path : null
    }
    const found = lookup.locate(source, importer, kind === "require-call")
    if (found === undefined) return null
    const resolved = await ask(found.inside, found.manifest.location)
    if (resolved === null) return lookup.fileOf(found, mannerOf(this))
    const optimizer = scan ? undefined : optimizerOf(this.environment)
    const isOptimized =
      optimizer !== undefined &&
      optimizer.options.noDiscovery !== true &&
      OPTIMIZABLE.test(resolved.id) &&
      lookup.isInStore(resolved.id) &&
      !lookup.isInStore(importer) &&
      !optimizer.options.exclude?.some((name) => name === source || name === Lookup.nameOf(source))
    return isOptimized ? optimizer.getOptimizedDepId(optimizer.registerMissingImport(source, resolved.id)) : resolved
  }
  return { buildStart, resolveId }
}

const plugin = (options: Options = {}): VitePlugin => {
  let root = process.cwd()
  const open = PluginLookup.make(options)
  const directory = () => root
  return {
    name: NAME,
    enforce: "pre",
    config: (config) => {
      root = Path.resolve(config.root ?? ".")
      // What was bundled beforehand is bundled anew when the name of a plugin has changed, and with it the lock.
      const name = `${NAME}:${PluginLookup.digestOf(open(root))}`
      return { optimizeDeps: { rolldownOptions: { plugins: [{ name, ...makeResolver(options, open, directory) }] } } }
    },
    configResolved: (config) => {
      root = config.root
      // Modules may be served from anywhere; this is for the other files of packages: fonts, images, styles.
      config.server.fs.allow.push(...open(root).store)
    },
    configureServer: (server) => {
      const { lock } = open(root)
      server.watcher.add(lock)
      server.watcher.on("change", (path) => {
        if (Path.resolve(path) === lock) void server.restart()
      })
    },
    ...makeResolver(options, open, directory)
  }
}

export default plugin
