/**
 * The package managers that installs are measured beside, and the registry that they install from: npm, pnpm and a
 * Verdaccio on loopback, with what it has taken from the npm registry so far in `.cache/bench`. They are put there on
 * first use, which takes the network.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Net from "node:net"
import * as Path from "node:path"
import * as Scratch from "./Scratch.ts"

const place = Path.resolve(import.meta.dirname, "../../.cache/bench")
const tools = Path.join(place, "tools")
const modules = Path.join(tools, "node_modules")

const WANTED = ["verdaccio@6.10.4", "pnpm@12"]

/** Verdaccio asks for a tag of this one, which not every registry keeps. */
const PACKAGE_JSON = { private: true, overrides: { "node-fetch": "2.6.7" } }

const UPSTREAM = process.env["BENCH_REGISTRY"] ?? "https://registry.npmjs.org/"

const START_TRIES = 200
const START_PAUSE_MS = 100

/** What npm would take from whoever runs the bench has no place in it. */
const environment = (): NodeJS.ProcessEnv => {
  const kept = Object.entries(process.env).filter(([name]) => !name.toLowerCase().startsWith("npm_"))
  return { ...Object.fromEntries(kept), NPM_CONFIG_UPDATE_NOTIFIER: "false" }
}

/** Runs a program to its end; throws what it said where it fails. */
export const run = (program: string, args: ReadonlyArray<string>, cwd: string): void => {
  const { error, status, stderr, stdout } = spawnSync(program, args, { cwd, env: environment() })
  if (error !== undefined) throw error
  if (status !== 0) throw new Error(`${program} ${args.join(" ")}: ${String(stdout)}${String(stderr)}`)
}

const installTools = (): void => {
  if (WANTED.every((spec) => Fs.existsSync(Path.join(modules, spec.split("@")[0]!, "package.json")))) return
  Fs.mkdirSync(tools, { recursive: true })
  Fs.writeFileSync(Path.join(tools, "package.json"), JSON.stringify(PACKAGE_JSON))
  run("npm", ["install", "--ignore-scripts", "--no-audit", "--no-fund", ...WANTED], tools)
}

/** The program itself, not the script that looks for it. */
const pnpmProgram = (): readonly [program: string, args: ReadonlyArray<string>] => {
  const native = Path.join(modules, "@pnpm", `exe.${process.platform}-${process.arch}`, "pnpm")
  return Fs.existsSync(native) ? [native, []] : [process.execPath, [Path.join(modules, "pnpm", "bin", "pnpm.mjs")]]
}

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = Net.createServer()
    server.on("error", reject)
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0))
    })
  })

const CONFIG = (storage: string): string => `
storage: ${storage}
web: { enable: false }
uplinks: { upstream: { url: "${UPSTREAM}", maxage: 1d, timeout: 60s } }
packages: { "**": { access: $all, proxy: upstream } }
log: { type: stdout, format: json, level: error }
`

const isUp = (url: string): Promise<boolean> =>
  fetch(`${url}-/ping`).then(
    ({ ok }) => ok,
    () => false
  )

export interface Rivals {
  /** Address of the Verdaccio. */
  readonly registry: string
  /** Install what the lock file in `project` says, with the cache or store at `cache`. */
  readonly npm: (project: string, cache: string) => void
  readonly pnpm: (project: string, store: string) => void
  /** Makes both lock files in a project that has a package.json, and fills the registry's storage. */
  readonly prepare: (project: string, scratch: string) => void
  readonly stop: () => void
}

const npmArgs = (registry: string, cache: string): ReadonlyArray<string> =>
  `--registry ${registry} --cache ${cache} --ignore-scripts --no-audit --no-fund --loglevel error`.split(" ")

export const start = async (): Promise<Rivals> => {
  installTools()
  const port = await freePort()
  const registry = `http://127.0.0.1:${port}/`
  const config = Path.join(place, "verdaccio.yaml")
  Fs.writeFileSync(config, CONFIG(Path.join(place, "verdaccio")))
  const verdaccio: ChildProcess = spawn(
    process.execPath,
    [Path.join(modules, "verdaccio", "bin", "verdaccio"), "--config", config, "--listen", `127.0.0.1:${port}`],
    { stdio: ["ignore", "ignore", "inherit"], env: environment() }
  )
  for (let tries = 0; !(await isUp(registry)); tries++) {
    if (tries === START_TRIES || verdaccio.exitCode !== null) throw new Error("Verdaccio did not start")
    await new Promise((resolve) => setTimeout(resolve, START_PAUSE_MS))
  }
  const [pnpm, pnpmArgs] = pnpmProgram()
  const pnpmInstall = (project: string, store: string, ...more: ReadonlyArray<string>) =>
    run(
      pnpm,
      [...pnpmArgs, "install", ...more, "--ignore-scripts", "--store-dir", store, "--registry", registry],
      project
    )
  return {
    registry,
    npm: (project, cache) => run("npm", ["ci", ...npmArgs(registry, cache)], project),
    pnpm: (project, store) => pnpmInstall(project, store, "--frozen-lockfile"),
    prepare: (project, scratch) => {
      run("npm", ["install", ...npmArgs(registry, Path.join(scratch, "npm"))], project)
      Scratch.putAway(scratch, Path.join(project, "node_modules"))
      pnpmInstall(project, Path.join(scratch, "pnpm"))
      Scratch.putAway(scratch, Path.join(project, "node_modules"))
    },
    stop: () => void verdaccio.kill()
  }
}
