/** What measurements of the own connection to the network mean, and what to do about each. Pure. */
import * as Duration from "effect/Duration"
import * as PeerAddress from "../../protocol/core/PeerAddress.ts"
import type { External } from "../dht/entry/ExternalAddress.ts"
import { type Mode, QUIET_MS, type Role, SETTLING_MS } from "../dht/entry/Reach.ts"
import type * as HomeDirectory from "./HomeDirectory.ts"

/** What the put of the examination came to. */
export type Attempt =
  | { readonly _tag: "Done"; readonly ms: number; readonly nodes: number; readonly asked: number }
  | { readonly _tag: "Failed"; readonly problem: string }
  | { readonly _tag: "NotTried" }

/** What the get came to. Where there is nothing to be found (`Nothing`) it is as good a measure of time, and of nothing else. */
export type Got =
  | {
      readonly _tag: "Found" | "Lost" | "Nothing"
      readonly ms: number
      readonly holders: number
      readonly answered: number
      readonly asked: number
    }
  | { readonly _tag: "Failed"; readonly problem: string }

/** A daemon of this user that does not answer. */
export interface SilentDaemon {
  readonly problem: string
  readonly advice: string
}

/** The daemon of this user, and how its node does. */
export interface Daemon {
  readonly mode: Mode
  readonly role: Role
  readonly upMs: number
  /** Whether it is in the network that is examined. */
  readonly isSameNetwork: boolean
}

export interface Measurements {
  /** Queries to nodes, and those of them that were answered. */
  readonly queries: number
  readonly answers: number
  /** The address that is bound. */
  readonly bound: { readonly host: string; readonly port: number }
  readonly external: External | undefined
  /** Whether the external address is one of this machine's own. */
  readonly isDirect: boolean
  /** Whether a query to the external address came back to this node. */
  readonly cameBack: boolean
  /** Milliseconds to add to this clock, or why nobody knows. */
  readonly clock: { readonly offsetMs: number } | { readonly problem: string }
  /** Nodes known. */
  readonly nodes: number
  readonly put: Attempt
  readonly get: Got
  readonly daemon: Daemon | SilentDaemon | undefined
  readonly home: HomeDirectory.State
  /** Whether the network is one of this machine or house, where some things do not matter. */
  readonly isPrivate: boolean
}

/** `good`; `poor`: it works, not as it could; `bad`: it does not work; `unknown`: could not be measured. */
export type Verdict = "good" | "poor" | "bad" | "unknown"

export interface Finding {
  readonly check:
    | "udp"
    | "replies"
    | "nodes"
    | "address"
    | "nat"
    | "inbound"
    | "clock"
    | "put"
    | "get"
    | "daemon"
    | "home"
  readonly verdict: Verdict
  readonly summary: string
  /** What to do; absent where nothing has to be done. */
  readonly advice?: string
}

/** A third of Mainline's nodes do not answer; hosts of some clouds hear a quarter. */
export const REPLIES_GOOD = 0.4
export const REPLIES_BAD = 0.1

/** A look-up ends with twenty nodes. */
export const NODES_GOOD = 20

/** Others take dates up to ten minutes ahead; half of that is a warning in time. */
export const CLOCK_GOOD_MS = Duration.toMillis(Duration.seconds(30))
export const CLOCK_BAD_MS = Duration.toMillis(Duration.minutes(5))

/** As long as a user waits gladly, and as long as one waits at all. */
export const ATTEMPT_GOOD_MS = 2_000
export const ATTEMPT_BAD_MS = 10_000

/** Nodes that should hold what was put. */
export const HOLDERS_GOOD = 8

const finding = (check: Finding["check"], verdict: Verdict, summary: string, advice?: string): Finding =>
  advice === undefined ? { check, verdict, summary } : { check, verdict, summary, advice }

const percent = (share: number): string => `${Math.round(share * 100)} %`

const queriesOf = (count: number): string => (count === 1 ? "1 query" : `${count} queries`)

const seconds = (ms: number): string => (ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`)

const udp = ({ answers, bound, queries }: Measurements): Finding => {
  const at = `${bound.host}:${bound.port}`
  if (answers > 0) return finding("udp", "good", `UDP works, bound to ${at}`)
  const advice =
    queries === 0
      ? "Nobody was there to ask: name nodes with --bootstrap host:port,…"
      : "Let UDP out of this machine: look at its firewall, that of the network, and a VPN; or name nodes that you can reach with --bootstrap."
  return finding("udp", "bad", `No answer to ${queriesOf(queries)} over UDP from ${at}`, advice)
}

const replies = ({ answers, isPrivate, queries }: Measurements): Finding => {
  if (answers === 0) return finding("replies", "unknown", "Nobody answered at all")
  const share = answers / queries
  const summary = `${percent(share)} of ${queriesOf(queries)} were answered`
  if (share >= REPLIES_GOOD) return finding("replies", "good", summary)
  const advice = isPrivate
    ? "Many nodes of this network are gone: start from others with --bootstrap."
    : "Much is lost on the way: a crowded or mobile line, or a host whose provider drops UDP. A daemon (ls-cli daemon) hides most of it, since it learns who answers."
  return finding("replies", share < REPLIES_BAD ? "bad" : "poor", summary, advice)
}

const nodes = ({ isPrivate, nodes }: Measurements): Finding => {
  const summary = nodes === 1 ? "1 node is known" : `${nodes} nodes are known`
  if (nodes >= NODES_GOOD || (isPrivate && nodes > 0)) return finding("nodes", "good", summary)
  if (nodes > 0) {
    return finding("nodes", "poor", summary, "Wait a minute and ask again; a daemon (ls-cli daemon) keeps in touch.")
  }
  return finding("nodes", "bad", "No node is known", "Check the addresses given with --bootstrap, and see UDP above.")
}

const address = ({ external }: Measurements): Finding =>
  external === undefined
    ? finding("address", "unknown", "Too few nodes said how they see this machine")
    : finding("address", "good", `Others see this machine at ${external.host}, say ${external.voters} networks`)

/**
 * After so long an adaptive node serves if strangers come in, and only then: it may begin to do so because a query to
 * itself came back, and stops again where nobody else follows. In ms.
 */
export const DAEMON_KNOWS_MS = SETTLING_MS + QUIET_MS

/** Whether strangers come in, by the word of the daemon; `undefined` while it does not know. */
const isReached = ({ daemon, isPrivate }: Measurements): boolean | undefined => {
  if (daemon === undefined || "problem" in daemon || !daemon.isSameNetwork || daemon.mode !== "adaptive")
    return undefined
  if (isPrivate && daemon.role === "server") return true
  return daemon.upMs > DAEMON_KNOWS_MS ? daemon.role === "server" : undefined
}

const FORWARD = "forward a UDP and a TCP port in the router to this machine and name it with --listen 0.0.0.0:PORT."

const nat = (measured: Measurements): Finding => {
  const { bound, external, isDirect, isPrivate } = measured
  if (external === undefined) return finding("nat", "unknown", "Not to be told without an address that others see")
  if (isPrivate) return finding("nat", "good", "None within this network")
  if (isDirect) return finding("nat", "good", "None: others see an address of this machine")
  if (!external.portIsStable) {
    const advice = `Others cannot call back, so this host only asks. To serve as well, ${FORWARD}`
    return finding("nat", "poor", "A NAT that gives each connection another port (symmetric)", advice)
  }
  const kind =
    external.port === bound.port
      ? `A NAT that keeps the port ${external.port}, or an address given by the provider`
      : `A NAT that shows port ${external.port} to everybody (cone)`
  // Whom it lets in cannot be seen from the inside.
  return isReached(measured) === true
    ? finding("nat", "good", kind)
    : finding("nat", "unknown", `${kind}; whom it lets in is not known`, `To be reached for sure, ${FORWARD}`)
}

const age = (ms: number): string => (ms < 60_000 ? `${Math.floor(ms / 1_000)} s` : `${Math.floor(ms / 60_000)} min`)

const WATCH = "Leave a daemon running (ls-cli daemon), which sees who comes in, and run this again after an hour."

const inbound = (measured: Measurements): Finding => {
  const { cameBack, external, isDirect, isPrivate } = measured
  const reached = isReached(measured)
  if (reached === true) return finding("inbound", "good", "Yes: others reach the daemon, and it serves them")
  if (reached === false) {
    const advice = `Let UDP in through this machine's firewall; behind a router, ${FORWARD}`
    return finding("inbound", "poor", "No: nobody reaches the daemon", advice)
  }
  if (external === undefined) return finding("inbound", "unknown", "Not to be told without an address that others see")
  if (!external.portIsStable) {
    const advice = "Packages can be fetched and published all the same; to serve them, see NAT above."
    return finding("inbound", "poor", "No: each connection is given another port", advice)
  }
  if (isPrivate && cameBack) return finding("inbound", "good", "Yes, within this network: this node reached itself")
  if (isDirect) {
    return finding("inbound", "unknown", "Perhaps: no NAT, but a firewall could keep strangers out", WATCH)
  }
  return cameBack
    ? finding("inbound", "unknown", "Perhaps: a query to the own outer address came back, but no stranger's did", WATCH)
    : finding("inbound", "unknown", "Not to be told from here: the router sends nothing back to its inside", WATCH)
}

const clock = ({ clock, isPrivate }: Measurements): Finding => {
  if ("problem" in clock) {
    const advice = isPrivate ? undefined : "Name a time server that you can reach with --time-server host:port."
    return finding("clock", "unknown", clock.problem, advice)
  }
  const off = Math.abs(clock.offsetMs)
  const summary = `This clock is ${seconds(off)} ${clock.offsetMs > 0 ? "behind" : "ahead"}`
  if (off <= CLOCK_GOOD_MS) return finding("clock", "good", summary)
  const advice = "Let the system set its clock from the network: others refuse records dated in the future."
  return finding("clock", off > CLOCK_BAD_MS ? "bad" : "poor", summary, advice)
}

const AGAIN = "See what is said above; then run this again."
const BE_WARM = "A daemon (ls-cli daemon) stays in touch with the network and is faster."

/** The verdict on a duration, where nothing else is amiss. */
const inTime = (check: "put" | "get", ms: number, summary: string): Finding => {
  if (ms <= ATTEMPT_GOOD_MS) return finding(check, "good", summary)
  return finding(check, ms > ATTEMPT_BAD_MS ? "bad" : "poor", summary, BE_WARM)
}

const put = ({ isPrivate, put: tried }: Measurements): Finding => {
  if (tried._tag === "NotTried") return finding("put", "unknown", "A put was not tried")
  if (tried._tag === "Failed") return finding("put", "bad", `A put failed: ${tried.problem}`, AGAIN)
  const { asked, ms, nodes } = tried
  const summary = `A put took ${seconds(ms)}; ${nodes} of ${asked} nodes stored it`
  const isFew = !isPrivate && nodes < HOLDERS_GOOD
  if (isFew && ms <= ATTEMPT_BAD_MS) {
    return finding("put", "poor", summary, "Records would be held by few: seed what you publish (ls-cli seed).")
  }
  return inTime("put", ms, summary)
}

const get = ({ get: got }: Measurements): Finding => {
  if (got._tag === "Failed") return finding("get", "bad", `A get failed: ${got.problem}`, AGAIN)
  const { answered, asked, holders, ms } = got
  const took = `took ${seconds(ms)}`
  const heard = `${answered} of ${asked} nodes answered`
  switch (got._tag) {
    case "Found":
      return inTime("get", ms, `A get of what was put ${took}; ${holders} nodes hold it, ${heard}`)
    case "Lost": {
      const advice =
        "Nodes take records and do not give them out: run this again, or start from others with --bootstrap."
      return finding("get", "bad", `A get did not find what was just put; ${heard}`, advice)
    }
    case "Nothing":
      return inTime("get", ms, `A get of nothing in particular ${took}; ${heard}`)
  }
}

const daemon = ({ daemon }: Measurements): Finding => {
  if (daemon === undefined) {
    return finding("daemon", "good", "No daemon of yours is running; each command starts a node of its own")
  }
  if ("problem" in daemon) return finding("daemon", "bad", daemon.problem, daemon.advice)
  return daemon.isSameNetwork
    ? finding("daemon", "good", `A daemon of yours has been running for ${age(daemon.upMs)}; commands use it`)
    : finding("daemon", "good", "A daemon of yours is running in another network; commands do not use it here")
}

const home = ({ home: { exists, problem } }: Measurements): Finding => {
  if (problem !== undefined) {
    const advice = "Give yourself the right to write to it, or name another directory with --home."
    return finding("home", "bad", `The home ${problem}`, advice)
  }
  return finding("home", "good", exists ? "The home can be written to" : "There is no home yet; it can be made")
}

/** All findings, in the order in which they matter: what fails first explains what comes after. */
export const diagnose = (measured: Measurements): ReadonlyArray<Finding> => [
  udp(measured),
  replies(measured),
  nodes(measured),
  address(measured),
  nat(measured),
  inbound(measured),
  clock(measured),
  put(measured),
  get(measured),
  daemon(measured),
  home(measured)
]

/** Whether the address is one of this machine or a private network. */
export const isPrivateHost = (host: string): boolean =>
  host === "localhost" || (PeerAddress.isIpv4(host) && PeerAddress.reachOf(host) !== "public")

/** The worst of them. */
export const overall = (findings: ReadonlyArray<Finding>): Verdict => {
  const has = (verdict: Verdict) => findings.some((each) => each.verdict === verdict)
  return has("bad") ? "bad" : has("poor") ? "poor" : "good"
}
