/** Why a process cannot serve its DHT node to the commands of its user. Commands that find no daemon just do without: that is no failure. */
import * as Schema from "effect/Schema"
import { ExitCode } from "../../protocol/core/Errors.ts"

/** What to do about a process that says nothing. One that is stopped hears of no other signal than KILL. */
const endIt = (pid: number | undefined): string =>
  pid === undefined
    ? "It hangs, or is busy: try again in a moment, or find its process and kill it."
    : `It hangs, or is busy: try again in a moment, or kill it: kill ${pid} (where that does not help: kill -9 ${pid}).`

/** A living process serves this home already; it is never pushed aside. */
export class DaemonRunning extends Schema.TaggedError<DaemonRunning>()("DaemonRunning", {
  location: Schema.String,
  /** Absent where it does not answer, and no file says it. */
  pid: Schema.optionalKey(Schema.Int),
  /** The command that it runs, `daemon` or `seed`; absent where it does not answer. */
  command: Schema.optionalKey(Schema.String)
}) {
  readonly exitCode = ExitCode.usage
  get hint() {
    if (this.command === undefined) return endIt(this.pid)
    return this.command === "daemon"
      ? "One daemon does for a home: use the one that runs, stop it with ls-cli daemon stop, or choose another home with --home."
      : `One of the two is enough: ls-cli ${this.command} serves its node to the commands of this home as a daemon does. To have a daemon instead, end it where it was started, with Ctrl-C.`
  }
  override get message() {
    const who = this.pid === undefined ? "a process" : `process ${this.pid}`
    if (this.command === undefined) {
      return `A daemon of this home is running already: ${who}, which does not answer, serves ${this.location}`
    }
    return this.command === "daemon"
      ? `A daemon of this home is running already: ${who} serves ${this.location}`
      : `This home is served already, by ls-cli ${this.command} (${who}): ${this.location}`
  }
}

/** Somebody listens on the socket of this home and says nothing: it hangs, or has as many connections as it takes. */
export class DaemonSilent extends Schema.TaggedError<DaemonSilent>()("DaemonSilent", {
  location: Schema.String,
  /** Absent where no file says it. */
  pid: Schema.optionalKey(Schema.Int)
}) {
  readonly exitCode = ExitCode.network
  get hint() {
    return endIt(this.pid)
  }
  override get message() {
    const who = this.pid === undefined ? "A daemon" : `A daemon (process ${this.pid})`
    return `${who} is there but does not answer on ${this.location}`
  }
}

/** Nobody serves this home. */
export class DaemonNotRunning extends Schema.TaggedError<DaemonNotRunning>()("DaemonNotRunning", {
  home: Schema.String
}) {
  readonly exitCode = ExitCode.notFound
  readonly hint = "Start one with ls-cli daemon, on the same --home; commands work without one too."
  override get message() {
    return `No daemon runs for ${this.home}`
  }
}

/** The process that serves this home is none that a command may end. */
export class DaemonNotStoppable extends Schema.TaggedError<DaemonNotStoppable>()("DaemonNotStoppable", {
  pid: Schema.Int,
  command: Schema.String
}) {
  readonly exitCode = ExitCode.usage
  readonly hint = "It does other work too: end it where it was started, with Ctrl-C."
  override get message() {
    return `Process ${this.pid} is ls-cli ${this.command}, not a daemon, and was left running`
  }
}

/** Others could take the socket's place, or reach it: it belongs in a directory that only its owner can write to. */
export class DaemonExposed extends Schema.TaggedError<DaemonExposed>()("DaemonExposed", {
  location: Schema.String,
  problem: Schema.String
}) {
  readonly exitCode = ExitCode.storage
  readonly hint = "Make the directory yours alone (chmod 700), or choose another home with --home."
  override get message() {
    return `${this.location} is no safe place for the daemon's socket: ${this.problem}`
  }
}

/** The socket cannot be made, or cannot be listened on. */
export class DaemonSocketFailed extends Schema.TaggedError<DaemonSocketFailed>()("DaemonSocketFailed", {
  location: Schema.String,
  problem: Schema.String
}) {
  readonly exitCode = ExitCode.storage
  readonly hint = "Check that the directory can be written to and is on a file system that has sockets."
  override get message() {
    return `Cannot listen on ${this.location}: ${this.problem}`
  }
}

export class DaemonError extends Schema.TaggedError<DaemonError>()("DaemonError", {
  reason: Schema.Union([
    DaemonRunning,
    DaemonSilent,
    DaemonNotRunning,
    DaemonNotStoppable,
    DaemonExposed,
    DaemonSocketFailed
  ])
}) {
  override get message() {
    return this.reason.message
  }
}
