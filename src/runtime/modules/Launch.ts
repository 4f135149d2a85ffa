/**
 * Ends a command by running a Node.js program in its place, which finds its modules in the store. The
 * process stays for as long as the program runs, passes signals on to it, and ends as it does.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as ChildProcess from "node:child_process"
import * as Path from "node:path"
import { ExitCode } from "../../protocol/core/Errors.ts"
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

/** What the system says, Windows last, of arguments that are too many. */
const TOO_LONG: ReadonlySet<string> = new Set(["E2BIG", "ENAMETOOLONG"])

/** The system starts no process for the program. */
export class ProgramNotStarted extends Schema.TaggedError<ProgramNotStarted>()("ProgramNotStarted", {
  file: Schema.String,
  /** The system's word, such as EAGAIN. */
  code: Schema.String,
  problem: Schema.String
}) {
  readonly exitCode = ExitCode.usage
  get hint() {
    return TOO_LONG.has(this.code)
      ? "Give it fewer or shorter arguments: together with the environment they are more than a process may have."
      : "The system may be out of memory, processes or files: end some programs, or raise its limits (ulimit -a), and try again."
  }
  override get message() {
    return `${this.file} could not be started: ${this.problem}`
  }
}

const notStarted = (file: string, cause: unknown): ProgramNotStarted =>
  new ProgramNotStarted({
    file,
    code: cause instanceof Error && "code" in cause ? String(cause.code) : "",
    problem: cause instanceof Error ? cause.message : String(cause)
  })

const start = (program: Program): ChildProcess.ChildProcess =>
  ChildProcess.spawn(process.execPath, [program.file, ...program.args], {
    env: environmentOf(program, registerFile()),
    stdio: "inherit"
  })

/** Hands signals of this process on to the program from now on. */
const passSignals = (child: ChildProcess.ChildProcess): void => {
  for (const signal of SIGNALS) {
    process.removeAllListeners(signal)
    process.on(signal, () => {
      // A terminal sends Ctrl-C to the program by itself; a second one would mean "now, without cleaning up".
      if (signal !== "SIGINT" || !process.stdin.isTTY) child.kill(signal)
    })
  }
}

/**
 * Never succeeds: the process ends with the program. Nothing of this process may still be under way. Fails with
 * {@link ProgramNotStarted}.
 */
export const launch = (program: Program): Effect.Effect<never, ProgramNotStarted> =>
  Effect.callback((resume) => {
    const fail = (cause: unknown) => resume(Effect.fail(notStarted(program.file, cause)))
    // Some failures are thrown (E2BIG, ENOMEM), and some told afterwards (EAGAIN, EMFILE).
    try {
      const child = start(program)
      child.on("spawn", () => passSignals(child))
      child.on("error", (cause) => {
        // Of a program that runs it tells only that a signal did not reach it.
        if (child.pid === undefined) fail(cause)
      })
      child.on("exit", (code, signal) => {
        if (signal === null) process.exit(code ?? 0)
        dieOf(signal)
      })
    } catch (cause) {
      fail(cause)
    }
  })
