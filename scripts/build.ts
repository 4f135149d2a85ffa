/**
 * Builds what is published. `tsc -b` emits the declarations; rolldown bundles, in three passes, the library
 * (its entries share chunks, dependencies stay imports), what programs preload (one file), and the command
 * line (minified, with what its start needs inlined). `@effect/platform-node` is inlined in both, because its peer `redis` would otherwise land in
 * every user's install. With `--cli` there are no declarations: only what the command line runs, as fast as that goes.
 */
import { spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { type OutputChunk, type RolldownOptions, type RolldownOutput, build } from "rolldown"
import * as BundleStamp from "./BundleStamp.js"
import * as LeanStart from "./LeanStart.ts"
import { withLock } from "./Lock.js"
import { root, say } from "./setup.js"

const dist = Path.join(root, "dist")

const manifest: { readonly version: string; readonly dependencies: Readonly<Record<string, string>> } = JSON.parse(
  Fs.readFileSync(Path.join(root, "package.json"), "utf8")
)

/** What the command line imports instead of inlining: old CommonJS trees, and what only some commands need. */
const cliExternal = ["bittorrent-dht", "npm-packlist", "peer-wire-protocol", "torrent-stream"]

/** The package that a bare specifier names, for example `@noble/hashes` of `@noble/hashes/sha2.js`. */
const packageOf = (specifier: string): string => specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/")

const isBare = (id: string): boolean => !id.startsWith(".") && !id.startsWith("\0") && !Path.isAbsolute(id)

const externalWhen =
  (packages: ReadonlyArray<string>) =>
  (id: string): boolean =>
    id.startsWith("node:") || (isBare(id) && packages.includes(packageOf(id)))

const common = {
  cwd: root,
  platform: "node",
  transform: { define: { __LIBRESEED_VERSION__: JSON.stringify(manifest.version) } },
  onLog: (level, log, handler) => {
    // A name that nothing provides would only show when a user runs the command that needs it.
    if (log.code === "UNRESOLVED_IMPORT" || log.code === "IMPORT_IS_UNDEFINED") throw new Error(log.message)
    handler(level, log)
  }
} satisfies RolldownOptions

const library = {
  ...common,
  input: {
    index: "src/protocol/index.ts",
    testing: "src/protocol/testing/index.ts",
    node: "src/runtime/index.ts",
    vite: "src/runtime/modules/Vite.ts",
    webpack: "src/runtime/modules/Webpack.ts",
    esbuild: "src/runtime/modules/Esbuild.ts",
    // What `ls-cli sim` starts in threads of its own: with the library, so that a user's scenarios meet the one copy of it.
    "sim-worker": "src/runtime/simulation/SimWorker.ts"
  },
  external: externalWhen(Object.keys(manifest.dependencies)),
  output: { dir: dist, format: "esm", chunkFileNames: "chunks/[name]-[hash].js" }
} satisfies RolldownOptions

/**
 * What programs preload: one file of CommonJS, which every Node there is can load before anything else, and from which
 * it takes its own modules as they are (LeanStart.ts says what an import costs).
 */
const preload = {
  ...common,
  input: { register: "src/runtime/modules/Register.ts" },
  output: { dir: dist, format: "cjs", entryFileNames: "[name].cjs", minify: true }
} satisfies RolldownOptions

/** What package.json names for it; whoever has only `import` gets it this way. */
const registerEntry = Path.join(dist, "register.js")

const leanStart = LeanStart.make(root)

const cli = {
  ...common,
  input: {
    main: "src/cli/CommandLine.ts",
    shortcut: "src/cli/Shortcut.ts",
    // What an install starts as a thread of its own.
    "store-worker": "src/runtime/store/StoreWorker.ts"
  },
  external: externalWhen(cliExternal),
  plugins: [leanStart.plugin],
  output: {
    dir: Path.join(dist, "cli"),
    format: "esm",
    chunkFileNames: "[name]-[hash].js",
    codeSplitting: leanStart.codeSplitting,
    minify: true
  }
} satisfies RolldownOptions

/** What stands in the file that package.json names: the code cache halves the start, and must be on before the import. */
const launcher = `#!/usr/bin/env node
import * as Module from "node:module"
Module.enableCompileCache?.()
const args = process.argv.slice(2)
const { take } = await import("./shortcut.js")
if (!(await take(args))) (await import("./main.js")).main(args)
`

/** All passes; the command line last, because it starts a part of the others. */
const bundle = async (): Promise<{
  readonly library: RolldownOutput
  readonly preload: RolldownOutput
  readonly cli: RolldownOutput
}> => {
  const stamp = BundleStamp.take()
  const libraryOutput = await build(library)
  const preloadOutput = await build(preload)
  Fs.writeFileSync(registerEntry, 'import "./register.cjs"\n')
  const cliOutput = await build(cli)
  Fs.writeFileSync(BundleStamp.entry, launcher, { mode: 0o755 })
  Fs.chmodSync(BundleStamp.entry, 0o755)
  BundleStamp.leave(stamp)
  return { library: libraryOutput, preload: preloadOutput, cli: cliOutput }
}

const filesBelow = (directory: string): ReadonlyArray<string> =>
  Fs.readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => Path.join(entry.parentPath, entry.name))

const emitDeclarations = (): void => {
  const tsc = Path.join(root, "node_modules", "typescript", "bin", "tsc")
  const { status } = spawnSync(process.execPath, [tsc, "-b", "src/cli"], { cwd: root, stdio: "inherit" })
  if (status !== 0) process.exit(status ?? 1)
}

/** Our declarations of untyped packages: which file of `src` describes which module. */
const ambientModules = (): ReadonlyMap<string, string> => {
  const files = filesBelow(Path.join(root, "src")).filter((path) => path.endsWith(".d.ts"))
  return new Map(
    files.flatMap((path) =>
      [...Fs.readFileSync(path, "utf8").matchAll(/^declare module "([^"]+)"/gm)].map((match) => [match[1] ?? "", path])
    )
  )
}

/**
 * tsc leaves hand-written declarations behind: puts those that the published types refer to beside them, and the
 * reference that lets a consumer's compiler find them. Answers the files that it wrote.
 */
const carryAmbientModules = (): ReadonlyArray<string> => {
  const ambient = ambientModules()
  const carried = new Set<string>()
  for (const path of filesBelow(dist).filter((file) => file.endsWith(".d.ts"))) {
    const text = Fs.readFileSync(path, "utf8")
    const used = [...ambient].filter(([name]) => text.includes(`from "${name}"`) || text.includes(`import("${name}")`))
    const references = used.map(([, source]) => {
      const copy = Path.join(dist, Path.relative(Path.join(root, "src"), source))
      Fs.copyFileSync(source, copy)
      carried.add(copy)
      const relative = Path.relative(Path.dirname(path), copy).replaceAll("\\", "/")
      return `/// <reference path="${relative.startsWith(".") ? relative : `./${relative}`}" />\n`
    })
    const missing = references.filter((reference) => !text.includes(reference))
    if (missing.length > 0) Fs.writeFileSync(path, missing.join("") + text)
  }
  return [...carried]
}

/** Directory of the package below `node_modules` that a bundled module comes from. */
const packageDirectory = (module: string): string | undefined => {
  const match = /^(.*\/node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(module.replaceAll("\\", "/"))
  return match?.[1]
}

/** The notices that the licences of the inlined packages ask for. */
const thirdPartyNotices = (outputs: ReadonlyArray<RolldownOutput>): string => {
  const modules = outputs
    .flatMap((one) => one.output)
    .filter((file): file is OutputChunk => file.type === "chunk")
    .flatMap((chunk) => chunk.moduleIds)
  const directories = new Set(modules.map(packageDirectory).filter((directory) => directory !== undefined))
  const notices = [...directories].toSorted().map((directory) => {
    const { name, version, license } = JSON.parse(Fs.readFileSync(Path.join(directory, "package.json"), "utf8"))
    const file = Fs.readdirSync(directory).find((entry) => /^licen[cs]e/i.test(entry))
    const text = file === undefined ? "" : Fs.readFileSync(Path.join(directory, file), "utf8").trim()
    return `${name} ${version} (${license})\n\n${text}\n`
  })
  return `Parts of the following packages are included in the files of this directory.\n\n${notices.join(`\n${"-".repeat(80)}\n\n`)}`
}

const size = (output: RolldownOutput): string => {
  const bytes = output.output.reduce((sum, file) => sum + (file.type === "chunk" ? file.code.length : 0), 0)
  return `${output.output.length} files, ${Math.round(bytes / 1024)} KiB`
}

/** Removes what an earlier build left and this one did not write. A running command keeps its files until then. */
const sweep = (written: ReadonlySet<string>): void => {
  const isCurrent = (path: string): boolean => {
    const source = Path.join(root, "src", Path.relative(dist, path).replace(/\.d\.ts$/, ".ts"))
    return written.has(path) || path.endsWith(".tsbuildinfo") || (path.endsWith(".d.ts") && Fs.existsSync(source))
  }
  for (const path of filesBelow(dist)) if (!isCurrent(path)) Fs.rmSync(path)
}

/** How long a command may stay, a daemon for instance, and still load the parts that it was built with, in ms. */
const STALE_MS = 24 * 60 * 60 * 1000

/** As {@link sweep}, for the command line alone, which is built anew at every change while others of it run. */
const sweepStale = (cliOutput: RolldownOutput): void => {
  const directory = Path.join(dist, "cli")
  const written = new Set(cliOutput.output.map((file) => file.fileName))
  for (const name of Fs.readdirSync(directory)) {
    const path = Path.join(directory, name)
    if (!name.endsWith(".js") || written.has(name) || path === BundleStamp.entry) continue
    if (Date.now() - Fs.statSync(path).mtimeMs > STALE_MS) Fs.rmSync(path, { force: true })
  }
}

const buildAll = async (): Promise<void> => {
  emitDeclarations()
  const ambient = carryAmbientModules()
  const outputs = await bundle()
  const notices = Path.join(dist, "THIRD-PARTY-LICENSES.txt")
  Fs.writeFileSync(notices, thirdPartyNotices([outputs.library, outputs.preload, outputs.cli]))
  const written = [
    ...ambient,
    notices,
    BundleStamp.entry,
    registerEntry,
    ...[outputs.library, outputs.preload].flatMap(({ output }) => output.map((file) => Path.join(dist, file.fileName))),
    ...outputs.cli.output.map((file) => Path.join(dist, "cli", file.fileName))
  ]
  sweep(new Set(written))
  say(`dist/: library ${size(outputs.library)}; ls-cli ${size(outputs.cli)}`)
}

// launch.js holds the lock already where it asks for the command line alone.
if (process.argv.includes("--cli")) sweepStale((await bundle()).cli)
else await withLock(BundleStamp.lock, buildAll)
