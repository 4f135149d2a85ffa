/** The flags that every command shares, and what they come to. */
import * as Effect from "effect/Effect"
import * as Flag from "effect/cli/Flag"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Os from "node:os"
import * as Path from "node:path"
import { ExitCode } from "../protocol/core/Errors.ts"
import * as PeerAddress from "../protocol/core/PeerAddress.ts"

/** Nodes that the public DHT is entered by where none are given. */
export const PUBLIC_ROUTERS: ReadonlyArray<string> = [
  "router.bittorrent.com:6881",
  "dht.transmissionbt.com:6881",
  "router.utorrent.com:6881"
]

const DEFAULT_TIMEOUT_SECONDS = 60
const TIMEOUT_MAX_SECONDS = 24 * 60 * 60
const ALL_INTERFACES = "0.0.0.0"
const LOOPBACK = "127.0.0.1"

/** Something on the command line cannot be used. */
export class InvalidArgument extends Schema.TaggedError<InvalidArgument>()("InvalidArgument", {
  argument: Schema.String,
  problem: Schema.String,
  hint: Schema.String
}) {
  readonly exitCode = ExitCode.usage
  override get message() {
    return `${this.argument} ${this.problem}`
  }
}

export const flags = {
  home: Flag.String("home").pipe(
    Flag.withMetavar("directory"),
    Flag.withDescription("Where keys and packages are kept (default: $LIBRESEED_HOME, else ~/.libreseed)"),
    Flag.optional
  ),
  bootstrap: Flag.String("bootstrap").pipe(
    Flag.withMetavar("host:port,…"),
    Flag.withDescription("DHT nodes to start from (default: the public routers, and nodes remembered from last time)"),
    Flag.optional
  ),
  listen: Flag.String("listen").pipe(
    Flag.withMetavar("host:port"),
    Flag.withDescription(
      "Address to bind for UDP and TCP (default: every interface, or loopback where all --bootstrap nodes are there; any free port)"
    ),
    Flag.optional
  ),
  json: Flag.Boolean("json").pipe(
    Flag.withDescription("Print one JSON document on stdout; failures as JSON on stderr"),
    Flag.withDefault(false)
  ),
  timeout: Flag.Finite("timeout").pipe(
    Flag.withMetavar("seconds"),
    Flag.withDescription(`Overall limit for the work of a command (default: ${DEFAULT_TIMEOUT_SECONDS})`),
    Flag.withDefault(DEFAULT_TIMEOUT_SECONDS)
  )
}

/** The shared flags as they were parsed. */
export interface Raw {
  readonly home: Option.Option<string>
  readonly bootstrap: Option.Option<string>
  readonly listen: Option.Option<string>
  readonly json: boolean
  readonly timeout: number
}

export interface Settings {
  readonly home: string
  readonly bootstrap: ReadonlyArray<string>
  /** Whether nobody said where to start, so that the public network is meant. */
  readonly isPublic: boolean
  readonly isListenGiven: boolean
  readonly host: string
  readonly port: number
  readonly json: boolean
  readonly timeoutMs: number
}

const invalid = (argument: string, problem: string, hint: string) =>
  Effect.fail(new InvalidArgument({ argument, problem, hint }))

const NODE = /^([A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?):([1-9]\d{0,4})$/

const isNode = (text: string): boolean => {
  const match = NODE.exec(text)
  return match !== null && Number(match[2]) <= 65_535
}

const isLoopback = (node: string): boolean => node.startsWith("127.") || node.startsWith("localhost:")

const parseBootstrap = Effect.fnUntraced(function* (text: string) {
  const nodes = text.split(",").map((node) => node.trim())
  const wrong = nodes.find((node) => !isNode(node))
  if (wrong === undefined) return nodes
  return yield* invalid(
    "--bootstrap",
    `has "${wrong}", which is not host:port`,
    "Give one or more nodes, like 127.0.0.1:20001,127.0.0.1:20002"
  )
})

const parseListen = Effect.fnUntraced(function* (text: string) {
  const hint = "Give an IPv4 address and a port, like 127.0.0.1:6881; port 0 takes a free one."
  const [, host = "", portText = ""] = /^([^:]*):(\d{1,5})$/.exec(text) ?? []
  const port = Number(portText)
  if (!PeerAddress.isIpv4(host) || portText === "" || port > 65_535) {
    return yield* invalid("--listen", `"${text}" is not an address`, hint)
  }
  return { host, port }
})

/** Reads the environment for what was not given. Fails with `InvalidArgument`. */
export const resolve = Effect.fnUntraced(function* (raw: Raw) {
  const bootstrap = Option.isSome(raw.bootstrap) ? yield* parseBootstrap(raw.bootstrap.value) : PUBLIC_ROUTERS
  const isLocal = bootstrap.every(isLoopback)
  const listen = Option.isSome(raw.listen)
    ? yield* parseListen(raw.listen.value)
    : { host: isLocal ? LOOPBACK : ALL_INTERFACES, port: 0 }
  if (!(raw.timeout > 0 && raw.timeout <= TIMEOUT_MAX_SECONDS)) {
    return yield* invalid(
      "--timeout",
      `${raw.timeout} is out of range`,
      `Give seconds, more than 0 and up to ${TIMEOUT_MAX_SECONDS}.`
    )
  }
  const named = Option.getOrElse(raw.home, () => process.env["LIBRESEED_HOME"] ?? "")
  if (named === "" && Os.homedir() === "") {
    return yield* invalid("--home", "is not given, and you have no home directory", "Name a directory for your keys.")
  }
  return {
    home: named === "" ? Path.join(Os.homedir(), ".libreseed") : Path.resolve(named),
    bootstrap,
    isPublic: Option.isNone(raw.bootstrap),
    isListenGiven: Option.isSome(raw.listen),
    ...listen,
    json: raw.json,
    timeoutMs: raw.timeout * 1000
  } satisfies Settings
})
