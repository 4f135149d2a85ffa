/**
 * Hosts on one switch, made by the kernel: each a network namespace with an address of its own, all inside a
 * namespace without a way out. Nothing of it has a name outside, and the kernel takes it down with the process
 * that holds it, however that ends: so nothing can be left over.
 *
 * Needs Linux, iproute2 and util-linux, and the right to make namespaces: root, or users who may have their own.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import * as Path from "node:path"
import * as Readline from "node:readline"
import { PYTHON } from "./Libtorrent.ts"
import * as Requirement from "./Requirement.ts"

/** 10.0.0.0/8 is private (RFC 1918); each host is in a /16 of its own, as hosts of several providers are. */
const addressOf = (number: number): string => `10.${number}.0.1`
const PREFIX_BITS = 8

const repository = Path.resolve(import.meta.dirname, "../..")
const bundle = Path.join(repository, "dist/cli/ls-cli.js")

const isRoot = process.getuid?.() === 0
const sandbox = [...(isRoot ? [] : ["--user", "--map-root-user"]), "--mount", "--net", "--pid"]

/** Why there are no hosts here, or nothing. */
export const obstacle: Requirement.Obstacle | undefined = (() => {
  if (process.platform !== "linux") return { isProgram: false, reason: "network namespaces are Linux's" }
  if (Requirement.problemOf("ip", ["-Version"]) !== undefined) {
    return { isProgram: true, reason: "iproute2 is not installed" }
  }
  const problem = Requirement.problemOf("unshare", [...sandbox, "--fork", "mount", "-t", "tmpfs", "none", "/run"])
  if (problem === undefined) return undefined
  return { isProgram: false, reason: `network namespaces are not permitted here (${problem})` }
})()

/** What makes a link slow and lossy: the kernel's netem, or a cable of our own between two TAP devices. */
export type Impairment = "netem" | "cable"

const canNetem = (): boolean =>
  Requirement.problemOf("unshare", [
    ...sandbox,
    "--fork",
    "sh",
    "-c",
    "ip link add name a type veth peer name b && tc qdisc add dev a root netem delay 1ms loss 1%"
  ]) === undefined

const canCable = (): boolean =>
  Requirement.problemOf("unshare", [
    ...sandbox,
    "--fork",
    PYTHON,
    Path.join(import.meta.dirname, "cable.py"),
    JSON.stringify({ cables: [{ near: "a", far: "b" }], seed: 0 })
  ]) === undefined

/** What there is of the two here, the kernel's own first. */
export const impairment: Impairment | undefined =
  obstacle !== undefined ? undefined : canNetem() ? "netem" : canCable() ? "cable" : undefined

export class HostFailed extends Schema.TaggedError<HostFailed>()("HostFailed", {
  command: Schema.String,
  problem: Schema.String
}) {
  override get message() {
    return `${this.command}: ${this.problem}`
  }
}

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** A link of these qualities, each way. */
export interface Quality {
  readonly delayMs: number
  /** Share of the packets that are lost, of 1. */
  readonly loss: number
}

export interface Host {
  readonly name: string
  readonly address: string
  /** Runs a program there to its end. */
  readonly run: (program: string, args: ReadonlyArray<string>) => Effect.Effect<Ended>
  /** Starts a program that stays until the scope closes; gives its first line on stdout. `stop` ends it before that. */
  readonly start: (
    program: string,
    args: ReadonlyArray<string>
  ) => Effect.Effect<{ readonly line: string; readonly stop: Effect.Effect<void> }, HostFailed, Scope.Scope>
}

/** Waits for the first line on stdout. */
const firstLine = (child: ChildProcess, command: string): Effect.Effect<string, HostFailed> =>
  Effect.callback((resume) => {
    let complaint = ""
    child.stderr?.setEncoding("utf8").on("data", (text: string) => (complaint += text))
    child.on("error", (error) => resume(Effect.fail(new HostFailed({ command, problem: error.message }))))
    child.on("close", (code) => {
      const problem = complaint.trim() || `it ended with ${code}`
      resume(Effect.fail(new HostFailed({ command, problem })))
    })
    if (child.stdout !== null) {
      Readline.createInterface({ input: child.stdout }).on("line", (line) => resume(Effect.succeed(line)))
    }
  })

const closed = (child: ChildProcess): Effect.Effect<void> =>
  Effect.callback((resume) => {
    if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
    child.on("close", () => resume(Effect.void))
  })

/** Ends a process that ends with its stdin. */
const end = (child: ChildProcess): Effect.Effect<void> =>
  Effect.andThen(
    Effect.sync(() => child.stdin?.end()),
    closed(child)
  )

const stays = (command: ReadonlyArray<string>) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const [program = "", ...args] = command
      return spawn(program, args, { cwd: repository, stdio: ["pipe", "pipe", "pipe"] })
    }),
    end
  )

/** Runs a program until it ends, or stdin does: then it is asked to end. */
const UNTIL_STDIN_ENDS =
  'exec 3<&0; "$@" </dev/null 3<&- & child=$!; { cat <&3; kill -TERM $child; } >/dev/null 2>&1 & wait $child'

/** How hosts hang on their switch. */
export type Links = "good" | "impairable"

/** So many hosts on one switch. They are gone with the scope. `impairable` links are good until they are worsened. */
export const make = Effect.fn("Hosts.make")(function* (count: number, links: Links = "good") {
  // The mount is of the namespace: outside, /run stays as it is.
  const hold =
    'mount -t tmpfs none /run && mkdir /run/netns && read -r pid _ </proc/self/stat && echo "$pid" && exec cat >/dev/null'
  const holder = yield* stays(["unshare", ...sandbox, "--fork", "--kill-child", "sh", "-c", hold])
  const pid = (yield* firstLine(holder, "unshare")).trim()
  const inside = [
    "nsenter",
    `--target=${pid}`,
    ...(isRoot ? [] : ["--user", "--preserve-credentials"]),
    "--mount",
    "--net",
    "--pid"
  ]

  /** One command of iproute2 in the namespace that has the switch. */
  const ip = Effect.fnUntraced(function* (program: "ip" | "tc", ...args: ReadonlyArray<string>) {
    const [enter = "", ...entering] = inside
    const { status, stderr } = spawnSync(enter, [...entering, program, ...args], { encoding: "utf8" })
    if (status !== 0) return yield* new HostFailed({ command: [program, ...args].join(" "), problem: stderr.trim() })
  })

  const numbers = Array.from({ length: count }, (_, i) => i + 1)
  const nameOf = (number: number): string => `host${number}`
  const portOf = (number: number): string => `port${number}`

  for (const name of ["switch0", "switch1"]) {
    yield* ip("ip", "link", "add", "name", name, "type", "bridge")
    yield* ip("ip", "link", "set", name, "up")
  }
  for (const number of numbers) yield* ip("ip", "netns", "add", nameOf(number))
  let worsen: (quality: Quality) => Effect.Effect<void, HostFailed>
  if (links === "impairable" && impairment === "cable") {
    const cables = numbers.map((number) => ({ near: portOf(number), far: `far${number}` }))
    const program = [PYTHON, Path.join(import.meta.dirname, "cable.py"), JSON.stringify({ cables, seed: 1 })]
    const cable = yield* stays([...inside, ...program])
    yield* firstLine(cable, "cable.py")
    for (const number of numbers) {
      yield* ip("ip", "link", "set", `far${number}`, "netns", nameOf(number), "name", "eth0")
    }
    worsen = ({ delayMs, loss }) =>
      Effect.sync(() => void cable.stdin?.write(`${JSON.stringify({ delay: delayMs, loss })}\n`))
  } else {
    for (const number of numbers) {
      const peer = ["peer", "name", "eth0", "netns", nameOf(number)]
      yield* ip("ip", "link", "add", "name", portOf(number), "type", "veth", ...peer)
    }
    worsen = ({ delayMs, loss }) =>
      Effect.forEach(
        numbers,
        (number) => {
          const netem = ["netem", "delay", `${delayMs}ms`, "loss", `${loss * 100}%`]
          return ip("tc", "-n", nameOf(number), "qdisc", "replace", "dev", "eth0", "root", ...netem)
        },
        { discard: true }
      )
  }
  for (const number of numbers) {
    const of = ["-n", nameOf(number)]
    yield* ip("ip", "link", "set", portOf(number), "master", "switch0", "up")
    yield* ip("ip", ...of, "addr", "add", `${addressOf(number)}/${PREFIX_BITS}`, "dev", "eth0")
    yield* ip("ip", ...of, "link", "set", "lo", "up")
    yield* ip("ip", ...of, "link", "set", "eth0", "up")
  }

  const hosts = numbers.map((number): Host => {
    const there = [...inside, "nsenter", `--net=/run/netns/${nameOf(number)}`]
    return {
      name: nameOf(number),
      address: addressOf(number),
      run: (program, args) =>
        Effect.callback<Ended>((resume) => {
          const [enter = "", ...entering] = there
          const child = spawn(enter, [...entering, program, ...args], {
            cwd: repository,
            stdio: ["ignore", "pipe", "pipe"]
          })
          let [stdout, stderr] = ["", ""]
          child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text))
          child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text))
          child.on("close", (code) => resume(Effect.succeed({ code, stdout, stderr })))
        }),
      start: Effect.fnUntraced(function* (program, args) {
        const child = yield* stays([...there, "sh", "-c", UNTIL_STDIN_ENDS, "sh", program, ...args])
        const line = yield* firstLine(child, `${nameOf(number)}: ${program} ${args.join(" ")}`)
        return { line, stop: end(child) }
      })
    }
  })

  const moveTo = (name: string, moved: ReadonlyArray<Host>) =>
    Effect.forEach(moved, (host) => ip("ip", "link", "set", portOf(hosts.indexOf(host) + 1), "master", name), {
      discard: true
    })

  return {
    hosts,
    /** Every link has this quality from now on. */
    worsen,
    /** Puts some on another switch, which has no way to the first one. */
    partition: (away: ReadonlyArray<Host>) => moveTo("switch1", away),
    /** Brings them back. */
    heal: moveTo("switch0", hosts)
  }
})

/** The program and arguments that run `ls-cli`, as it was bundled last. */
export const lsCli = (args: ReadonlyArray<string>): readonly [string, ReadonlyArray<string>] => [
  process.execPath,
  [bundle, ...args]
]
