/** Runs `ls-cli` as a user does: a process of its own, arguments in, two streams and an exit code out. */
import { type ChildProcess, spawn } from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"

const repository = Path.resolve(import.meta.dirname, "../..")

/** As it is run in a clone: sets up and bundles what is missing first. */
const launcher = [Path.join(repository, "scripts/launch.js"), "ls-cli"]

/** As it is installed. It is there, and current, once something was run by the launcher. */
const program = [Path.join(repository, "dist/cli/ls-cli.js")]

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** A command that is running. Every one of them is stopped by {@link cleanUp}. */
export class Running {
  readonly ended: Promise<Ended>
  readonly #child: ChildProcess
  #stdout = ""
  #stderr = ""
  #watchers: Array<() => void> = []
  #isOver = false

  constructor(args: ReadonlyArray<string>, environment: Readonly<Record<string, string>>) {
    this.#child = spawn(process.execPath, [...args], {
      cwd: repository,
      env: { ...process.env, LIBRESEED_HOME: "/nonexistent", ...environment },
      stdio: ["ignore", "pipe", "pipe"]
    })
    this.#child.stdout!.setEncoding("utf8").on("data", (text: string) => this.#grow(() => (this.#stdout += text)))
    this.#child.stderr!.setEncoding("utf8").on("data", (text: string) => this.#grow(() => (this.#stderr += text)))
    this.ended = new Promise((resolve) => {
      this.#child.on("close", (code) => {
        this.#isOver = true
        this.#grow(() => {})
        resolve({ code, stdout: this.#stdout, stderr: this.#stderr })
      })
    })
    running.add(this)
    void this.ended.then(() => running.delete(this))
  }

  #grow(change: () => void) {
    change()
    for (const watcher of this.#watchers.splice(0)) watcher()
  }

  /** The first line on stdout, as JSON; rejects when the command ends without one. */
  async document(): Promise<Record<string, unknown>> {
    while (!this.#stdout.includes("\n")) {
      if (this.#isOver) throw new Error(`ended without a result: ${this.#stderr}`)
      await new Promise<void>((resolve) => this.#watchers.push(resolve))
    }
    return JSON.parse(this.#stdout.slice(0, this.#stdout.indexOf("\n")))
  }

  /** Waits until stderr has a text. */
  async says(text: string): Promise<void> {
    while (!this.#stderr.includes(text)) {
      if (this.#isOver) throw new Error(`ended without saying "${text}": ${this.#stderr}`)
      await new Promise<void>((resolve) => this.#watchers.push(resolve))
    }
  }

  stop(signal: NodeJS.Signals = "SIGINT"): Promise<Ended> {
    this.#child.kill(signal)
    return this.ended
  }
}

const running = new Set<Running>()
const directories: Array<string> = []

/** Stops what still runs and removes every directory. */
export const cleanUp = async (): Promise<void> => {
  await Promise.all([...running].map((each) => each.stop("SIGTERM")))
  for (const directory of directories.splice(0)) Fs.rmSync(directory, { recursive: true, force: true })
}

export const start = (args: ReadonlyArray<string>, environment: Readonly<Record<string, string>> = {}): Running =>
  new Running([...launcher, ...args], environment)

/** Without the launcher, which takes its time and cannot pass on SIGKILL. */
export const startProgram = (
  args: ReadonlyArray<string>,
  environment: Readonly<Record<string, string>> = {}
): Running => new Running([...program, ...args], environment)

export const run = (args: ReadonlyArray<string>, environment: Readonly<Record<string, string>> = {}): Promise<Ended> =>
  startProgram(args, environment).ended

/** A directory that is gone after {@link cleanUp}. */
export const directory = (label: string): string => {
  const path = Fs.mkdtempSync(Path.join(Os.tmpdir(), `libreseed-e2e-${label}-`))
  directories.push(path)
  return path
}

/** A package that lies in this project's own node_modules. */
export const installedPackage = (name: string): string => Path.join(repository, "node_modules", name)

/** A package of one small file, with a package.json that has these fields. */
export const packageOf = (
  manifest: { readonly name: string; readonly version: string } & Readonly<Record<string, unknown>>,
  content = manifest.name
): string => {
  const path = directory("package")
  Fs.writeFileSync(Path.join(path, "package.json"), JSON.stringify(manifest))
  Fs.writeFileSync(Path.join(path, "index.js"), `module.exports = ${JSON.stringify(content)}\n`)
  return path
}

/** A package of one small file, at version 1.0.0 unless another is given. */
export const newPackage = (name: string, version = "1.0.0", content = name): string =>
  packageOf({ name, version }, content)

/** The failure on stderr of a command that was run with `--json`. */
export const failure = ({
  stderr
}: Ended): { readonly code: string; readonly message: string; readonly hint: string } =>
  JSON.parse(stderr.trim().split("\n").at(-1)!).error
