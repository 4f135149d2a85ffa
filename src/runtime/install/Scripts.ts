/**
 * Runs the install scripts of a package that the user allowed, where its files are its own. They get what
 * npm tells scripts (`npm_…`, a PATH with `.bin`) and of the user's environment only what programs need to
 * run: no tokens, no settings of other programs. They are programs of strangers all the same, and can do
 * whatever the user can.
 */
import * as Effect from "effect/Effect"
import * as ChildProcess from "node:child_process"
import * as Path from "node:path"
import { INSTALL_SCRIPTS } from "../store/PackageFacts.ts"
import type { PackageFacts } from "../store/UnpackedIndex.ts"
import { ScriptFailed } from "./InstallError.ts"
import { MODULES, PACKAGE_JSON, packageDirectory, VIRTUAL } from "./InstalledState.ts"

export interface Package {
  readonly name: string
  readonly version: string
  /** Of its instance. */
  readonly directory: string
  readonly facts: PackageFacts
}

/** Of what a script prints the end is kept, in chars. */
const OUTPUT_CHARS = 16_384

/** Time that a script has to end by itself after it was told to, in ms. */
const GRACE_MS = 1000

/** Variables that programs need to run; Windows has more of them. Names are compared in upper case. */
const PASSED =
  /^(?:HOME|USER|LOGNAME|SHELL|LANG|LC_[A-Z_]+|TZ|TERM|TMPDIR|TEMP|TMP|SYSTEMROOT|SYSTEMDRIVE|WINDIR|COMSPEC|PATHEXT|USERPROFILE|APPDATA|LOCALAPPDATA|PROGRAMFILES|PROGRAMFILES\(X86\)|PROGRAMDATA|PROCESSOR_ARCHITECTURE|NUMBER_OF_PROCESSORS|HTTPS?_PROXY|NO_PROXY|CC|CXX|PYTHON)$/i

/** Where commands are looked for before PATH: what the package sees, then what the project sees. */
const binDirectories = (modules: string, { directory, name }: Package): ReadonlyArray<string> => [
  Path.join(packageDirectory(modules, directory, name), MODULES, ".bin"),
  Path.join(modules, VIRTUAL, directory, MODULES, ".bin"),
  Path.join(modules, ".bin")
]

const environment = (modules: string, each: Package, event: string, script: string): NodeJS.ProcessEnv => {
  const passed = Object.entries(process.env).filter(([name]) => PASSED.test(name))
  const path = Object.entries(process.env).find(([name]) => name.toUpperCase() === "PATH")?.[1] ?? ""
  const own = packageDirectory(modules, each.directory, each.name)
  return {
    ...Object.fromEntries(passed),
    PATH: [...binDirectories(modules, each), Path.dirname(process.execPath), path].join(Path.delimiter),
    INIT_CWD: Path.dirname(modules),
    NODE: process.execPath,
    npm_node_execpath: process.execPath,
    npm_command: "install",
    npm_config_user_agent: `libreseed node/${process.version} ${process.platform} ${process.arch}`,
    npm_lifecycle_event: event,
    npm_lifecycle_script: script,
    npm_package_json: Path.join(own, PACKAGE_JSON),
    npm_package_name: each.name,
    npm_package_version: each.version
  }
}

/** Whole groups of processes can be ended where there are such. */
const HAS_GROUPS = process.platform !== "win32"

const end = (child: ChildProcess.ChildProcess, signal: NodeJS.Signals) => {
  try {
    if (HAS_GROUPS && child.pid !== undefined) process.kill(-child.pid, signal)
    else child.kill(signal)
  } catch {
    // It is gone already.
  }
}

const shellOf = (script: string): readonly [command: string, args: ReadonlyArray<string>] =>
  process.platform === "win32"
    ? [process.env["ComSpec"] ?? "cmd.exe", ["/d", "/s", "/c", `"${script}"`]]
    : ["/bin/sh", ["-c", script]]

const runOne = (modules: string, each: Package, event: string, script: string) =>
  Effect.callback<void, ScriptFailed>((resume) => {
    const [command, args] = shellOf(script)
    let output = ""
    const keep = (chunk: Buffer) => {
      output = (output + chunk.toString("utf8")).slice(-OUTPUT_CHARS)
    }
    const fail = (problem: string) =>
      resume(Effect.fail(new ScriptFailed({ package: `${each.name}@${each.version}`, script: event, problem, output })))
    const child = ChildProcess.spawn(command, [...args], {
      cwd: packageDirectory(modules, each.directory, each.name),
      env: environment(modules, each, event, script),
      stdio: ["ignore", "pipe", "pipe"],
      detached: HAS_GROUPS,
      windowsVerbatimArguments: true
    })
    child.stdout.on("data", keep)
    child.stderr.on("data", keep)
    child.on("error", (error) => fail(`could not be started: ${error.message}`))
    child.on("close", (code, signal) =>
      code === 0 ? resume(Effect.void) : fail(signal === null ? `ended with ${code}` : `was ended by ${signal}`)
    )
    return Effect.callback<void>((ended) => {
      if (child.exitCode !== null || child.signalCode !== null) return ended(Effect.void)
      const kill = setTimeout(() => end(child, "SIGKILL"), GRACE_MS)
      child.on("close", () => {
        clearTimeout(kill)
        ended(Effect.void)
      })
      end(child, "SIGTERM")
    })
  })

/** Runs what there is of preinstall, install and postinstall, one after the other. Fails with the first that fails. */
export const run = Effect.fn("Scripts.run")(function* (modules: string, each: Package) {
  for (const event of INSTALL_SCRIPTS) {
    const script = each.facts.scripts?.[event]
    if (script !== undefined) yield* runOne(modules, each, event, script)
  }
})
