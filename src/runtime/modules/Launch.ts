/**
 * Ends a command by running a Node.js program in its place, which finds its modules in the store. The
 * process stays for as long as the program runs, passes signals on to it, and ends as it does.
 */
import * as Effect from "effect/Effect"
import * as ChildProcess from "node:child_process"
import * as Path from "node:path"
import * as Preload from "./Preload.ts"

export interface Program {
  /** Absolute path. */
  readonly file: string
  readonly args: ReadonlyArray<string>
  /** Of the lock file, absolute. */
  readonly lock: string
  /** Directory of the store, absolute. */
  readonly home: string
}

/** What a terminal or a supervisor sends to the process that it knows. */
const SIGNALS: ReadonlyArray<NodeJS.Signals> = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR2"]

/** As it is in the sources; in the build it lies above the directory of the command line. */
export const registerFile = (): string =>
  import.meta.filename.endsWith(".ts")
    ? Path.join(import.meta.dirname, "Register.ts")
    : Path.join(import.meta.dirname, "..", "register.cjs")

/** Of a program that is started with these. */
export const environmentOf = ({ home, lock }: Pick<Program, "home" | "lock">, register: string): NodeJS.ProcessEnv => ({
  ...process.env,
  [Preload.LOCK_VARIABLE]: lock,
  [Preload.HOME_VARIABLE]: home,
  NODE_OPTIONS: Preload.withPreload(process.env["NODE_OPTIONS"], register)
})

/** Dies of a signal as the program did, so that whoever started this one sees the same. */
const dieOf = (signal: NodeJS.Signals): void => {
  process.removeAllListeners(signal)
  process.kill(process.pid, signal)
}

/** Never succeeds: the process ends with the program. Nothing of this process may still be under way. */
export const launch = (program: Program): Effect.Effect<never> =>
  Effect.callback<never>(() => {
    const child = ChildProcess.spawn(process.execPath, [program.file, ...program.args], {
      env: environmentOf(program, registerFile()),
      stdio: "inherit"
    })
    for (const signal of SIGNALS) {
      process.removeAllListeners(signal)
      process.on(signal, () => {
        // A terminal sends Ctrl-C to the program by itself; a second one would mean "now, without cleaning up".
        if (signal !== "SIGINT" || !process.stdin.isTTY) child.kill(signal)
      })
    }
    child.on("exit", (code, signal) => {
      if (signal === null) process.exit(code ?? 0)
      dieOf(signal)
    })
  })
