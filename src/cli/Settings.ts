/** The flags that every command shares, and what they come to. */
import * as Effect from "effect/Effect"
import * as Flag from "effect/cli/Flag"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Os from "node:os"
import * as Path from "node:path"
import { ExitCode } from "../protocol/core/Errors.ts"
import * as PeerAddress from "../protocol/core/PeerAddress.ts"
import * as HomeDirectory from "../runtime/doctor/HomeDirectory.ts"
import * as HomePlace from "./HomePlace.ts"
import { isNode } from "./NodeAddress.ts"
import * as TimeLimit from "./TimeLimit.ts"

/** Nodes that the public DHT is entered by where none are given. */
export const PUBLIC_ROUTERS: ReadonlyArray<string> = [
  "router.bittorrent.com:6881",
  "dht.transmissionbt.com:6881",
  "dht.libtorrent.org:25401",
  "router.utorrent.com:6881"
]

/** Bundles of one command. */
const BUNDLES_MAX = 64
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
  dnsSeed: Flag.String("dns-seed").pipe(
    Flag.withMetavar("domain,…"),
    Flag.withDescription(
      "Domains whose TXT records list DHT nodes to start from, as dht=host:port (default: none). For a node of this command's own: a daemon that answers in its place has what it was started with"
    ),
    Flag.optional
  ),
  lan: Flag.Boolean("lan").pipe(
    Flag.withDescription(
      "Look for DHT nodes among the neighbours on the LAN, which tells all of them of this one. For a node of this command's own, as --dns-seed"
    ),
    Flag.withDefault(false)
  ),
  listen: Flag.String("listen").pipe(
    Flag.withMetavar("host:port"),
    Flag.withDescription(
      "Address to bind for UDP and TCP (default: every interface, or loopback where all --bootstrap nodes are there; any free port)"
    ),
    Flag.optional
  ),
  daemon: Flag.Boolean("daemon").pipe(
    Flag.withDescription(
      "Ask the network through the daemon of this home, where one runs in the same network (the default); --no-daemon or --listen: through a node of this command's own"
    ),
    Flag.withDefault(true)
  ),
  offline: Flag.Boolean("offline").pipe(
    Flag.withDescription("Ask nobody: go by what the home and its bundles hold, and say what is missing"),
    Flag.withDefault(false)
  ),
  bundle: Flag.String("bundle").pipe(
    Flag.withMetavar("file"),
    Flag.withDescription("Import this bundle before the work; may be given several times"),
    Flag.atMost(BUNDLES_MAX)
  ),
  json: Flag.Boolean("json").pipe(
    Flag.withDescription("Print one JSON document on stdout; failures as JSON on stderr"),
    Flag.withDefault(false)
  ),
  timeout: Flag.Finite("timeout").pipe(
    Flag.withMetavar("seconds"),
    Flag.withDescription(`Overall limit for the work of a command (default: ${TimeLimit.DEFAULT_SECONDS})`),
    Flag.withDefault(TimeLimit.DEFAULT_SECONDS)
  )
}

/** The shared flags as they were parsed. */
export interface Raw {
  readonly home: Option.Option<string>
  readonly bootstrap: Option.Option<string>
  readonly dnsSeed: Option.Option<string>
  readonly lan: boolean
  readonly listen: Option.Option<string>
  readonly daemon: boolean
  readonly offline: boolean
  readonly bundle: ReadonlyArray<string>
  readonly json: boolean
  readonly timeout: number
}

export interface Settings {
  readonly home: string
  readonly bootstrap: ReadonlyArray<string>
  /** Further ways into the network. */
  readonly sources: { readonly dnsSeeds: ReadonlyArray<string>; readonly lan: boolean }
  /** Whether nobody said where to start, so that the public network is meant. */
  readonly isPublic: boolean
  readonly isListenGiven: boolean
  readonly host: string
  readonly port: number
  /** Whether a daemon may be asked: who names an address means a node of the command's own there. */
  readonly usesDaemon: boolean
  /** Whether nobody is asked for anything. */
  readonly offline: boolean
  /** Files that are imported before the work, as absolute paths. */
  readonly bundles: ReadonlyArray<string>
  readonly json: boolean
  readonly timeoutMs: number
}

const invalid = (argument: string, problem: string, hint: string) =>
  Effect.fail(new InvalidArgument({ argument, problem, hint }))

/** RFC 1035 §2.3.4; underscores are common in names that are no hosts'. */
const DOMAIN =
  /^(?=.{1,253}$)[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?)+$/

const parseDomains = Effect.fnUntraced(function* (text: string) {
  const domains = text.split(",").map((domain) => domain.trim())
  const wrong = domains.find((domain) => !DOMAIN.test(domain))
  if (wrong === undefined) return domains
  return yield* invalid("--dns-seed", `has "${wrong}", which is not a domain`, "Give one or more, like dht.example.org")
})

const isLoopback = (node: string): boolean => node.startsWith("127.") || node.startsWith("localhost:")

/** An IPv6 address, in brackets or not, with a port or without. */
const IPV6 = /^\[.*\](?::\d+)?$|^[0-9A-Fa-f]*:[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*$/

const IPV4_ONLY = "IPv6 is not supported: the DHT is asked over IPv4."

const parseBootstrap = Effect.fnUntraced(function* (text: string) {
  const nodes = text.split(",").map((node) => node.trim())
  const wrong = nodes.find((node) => !isNode(node))
  if (wrong === undefined) return nodes
  const hint = "Give one or more nodes, like 127.0.0.1:20001,127.0.0.1:20002"
  if (text.trim() === "") return yield* invalid("--bootstrap", "is empty", `${hint}; or leave it out`)
  if (wrong === "") return yield* invalid("--bootstrap", `"${text}" has a comma too many`, hint)
  if (IPV6.test(wrong)) return yield* invalid("--bootstrap", `has "${wrong}", an IPv6 address`, `${IPV4_ONLY} ${hint}`)
  return yield* invalid("--bootstrap", `has "${wrong}", which is not host:port`, hint)
})

/** `host:port` to bind. Fails with `InvalidArgument`, which names the flag. */
export const parseAddress = Effect.fnUntraced(function* (flag: string, text: string) {
  const hint = "Give an IPv4 address and a port, like 127.0.0.1:6881; port 0 takes a free one."
  if (IPV6.test(text)) return yield* invalid(flag, `"${text}" is an IPv6 address`, `${IPV4_ONLY} ${hint}`)
  const [, host = "", portText = ""] = /^([^:]*):(\d{1,5})$/.exec(text) ?? []
  const port = Number(portText)
  if (!PeerAddress.isIpv4(host) || portText === "" || port > 65_535) {
    return yield* invalid(flag, `"${text}" is not an address`, hint)
  }
  return { host, port }
})

/** Longer paths are shown by their beginning, in characters: an error is read on a terminal. */
const SHOWN_PATH_CHARS = 100

/** The home cannot be used as it is. */
export const invalidHome = (home: string, problem: string) => {
  const shown = home.length > SHOWN_PATH_CHARS ? `${home.slice(0, SHOWN_PATH_CHARS)}…` : home
  const hint = "Name a directory of your own with --home or $LIBRESEED_HOME; it is made where it is missing."
  return invalid("--home", `${shown} ${problem}`, hint)
}

/** Reads the environment for what was not given. Fails with `InvalidArgument`. */
export const resolve = Effect.fnUntraced(function* (raw: Raw) {
  const bootstrap = Option.isSome(raw.bootstrap) ? yield* parseBootstrap(raw.bootstrap.value) : PUBLIC_ROUTERS
  const dnsSeeds = Option.isSome(raw.dnsSeed) ? yield* parseDomains(raw.dnsSeed.value) : []
  const isLocal = bootstrap.every(isLoopback)
  const listen = Option.isSome(raw.listen)
    ? yield* parseAddress("--listen", raw.listen.value)
    : { host: isLocal ? LOOPBACK : ALL_INTERFACES, port: 0 }
  if (!(raw.timeout > 0 && raw.timeout <= TimeLimit.MAX_SECONDS)) {
    return yield* invalid(
      "--timeout",
      `${raw.timeout} is out of range`,
      `Give seconds, more than 0 and up to ${TimeLimit.MAX_SECONDS}.`
    )
  }
  const named = Option.getOrUndefined(raw.home)
  if (HomePlace.nameOf(named) === "" && Os.homedir() === "") {
    return yield* invalid("--home", "is not given, and you have no home directory", "Name a directory for your keys.")
  }
  const home = HomePlace.homeOf(named)
  const problem = HomeDirectory.problemOf(home)
  if (problem !== undefined) return yield* invalidHome(home, problem)
  return {
    home,
    bootstrap,
    sources: { dnsSeeds, lan: raw.lan },
    isPublic: Option.isNone(raw.bootstrap),
    isListenGiven: Option.isSome(raw.listen),
    ...listen,
    usesDaemon: raw.daemon && !raw.offline && Option.isNone(raw.listen),
    offline: raw.offline,
    bundles: raw.bundle.map((file) => Path.resolve(file)),
    json: raw.json,
    timeoutMs: raw.timeout * 1000
  } satisfies Settings
})
