/**
 * `@libreseed/protocol/esbuild`: bundles packages of the lock file straight from the store. The lookup says
 * which package an import means; esbuild itself then finds the file in it, by its own conditions and
 * main fields, as it does for a package that imports itself.
 */
import { isBuiltin } from "node:module"
import * as Path from "node:path"
import * as Lookup from "./Lookup.ts"
import * as PluginLookup from "./PluginLookup.ts"

export type Options = PluginLookup.PluginOptions

type Kind =
  | "entry-point"
  | "import-statement"
  | "require-call"
  | "dynamic-import"
  | "require-resolve"
  | "import-rule"
  | "composes-from"
  | "url-token"

interface Arguments {
  readonly path: string
  readonly importer: string
  readonly namespace: string
  readonly resolveDir: string
  readonly kind: Kind
  readonly pluginData: unknown
}

interface Resolved {
  readonly errors: Array<{ readonly text: string }>
  readonly warnings: Array<{ readonly text: string }>
  readonly path: string
  readonly external: boolean
  readonly sideEffects: boolean
  readonly namespace: string
  readonly suffix: string
}

/** As much of esbuild's `PluginBuild` as is needed. */
export interface Build {
  readonly initialOptions: {
    platform?: "browser" | "node" | "neutral"
    conditions?: Array<string>
    mainFields?: Array<string>
    absWorkingDir?: string
  }
  onStart(callback: () => void): void
  onResolve(
    options: { readonly filter: RegExp },
    callback: (args: Arguments) => Promise<Partial<Resolved> | undefined>
  ): void
  resolve(
    path: string,
    options: {
      readonly importer: string
      readonly resolveDir: string
      readonly kind: Kind
      readonly pluginData: unknown
    }
  ): Promise<Resolved>
}

export interface EsbuildPlugin {
  readonly name: string
  readonly setup: (build: Build) => void
}

/** No path: not relative, not absolute. In the syntax of Go's expressions. */
const NOT_A_PATH = /^[^./]/

const NAME = "libreseed"

/** Marks what this plugin asks esbuild itself. */
const OURS = Symbol(NAME)

const isRequire = (kind: Kind): boolean => kind === "require-call" || kind === "require-resolve"

/** The conditions that esbuild has for `imports`, which it resolves without asking a plugin about what they name. */
const conditionsOf = ({ conditions = ["module"], platform = "browser" }: Build["initialOptions"], kind: Kind) =>
  new Set([...conditions, isRequire(kind) ? "require" : "import", ...(platform === "neutral" ? [] : [platform])])

const plugin = (options: Options = {}): EsbuildPlugin => ({
  name: NAME,
  setup: (build) => {
    const { initialOptions } = build
    const { mainFields, platform = "browser" } = initialOptions
    const isBrowser = mainFields?.includes("browser") ?? platform === "browser"
    const open = PluginLookup.make(options)
    const directory = initialOptions.absWorkingDir ?? process.cwd()
    let lookup: Lookup.Lookup | undefined
    build.onStart(() => {
      lookup = open(directory)
    })
    build.onResolve({ filter: NOT_A_PATH }, async ({ importer, kind, namespace, path, pluginData, resolveDir }) => {
      if (pluginData === OURS || kind === "entry-point") return undefined
      if (isBuiltin(path) && (platform === "node" || path.startsWith("node:"))) return undefined
      lookup ??= open(directory)
      const file = namespace === "file" && importer !== "" ? importer : Path.join(resolveDir, "[text]")
      if (isBrowser && lookup.isReplaced(path, file)) return undefined
      if (path.startsWith("#")) {
        const conditions = conditionsOf(initialOptions, kind)
        const answer = lookup.resolve(path, file, { ...Lookup.BUNDLED, conditions, isRequire: isRequire(kind) })
        return answer?._tag === "File" ? { path: answer.path } : undefined
      }
      const found = lookup.locate(path, file, isRequire(kind))
      if (found === undefined) return undefined
      const { errors, warnings, ...resolved } = await build.resolve(found.inside, {
        importer: found.manifest.location,
        resolveDir: found.directory,
        kind,
        pluginData: OURS
      })
      return errors.length > 0 ? { errors, warnings } : { ...resolved, warnings, pluginData: undefined }
    })
  }
})

export default plugin
