/**
 * The storage nodes of a simulated DHT, as scenarios and faults see them. Two networks implement it: the
 * model (`ModelNodes`), hundreds of nodes in memory, and the real client library on a simulated wire.
 */
import type * as Layer from "effect/Layer"
import type { Ed25519 } from "../../core/Ed25519.ts"
import type { Dht } from "../../dht/Dht.ts"
import type { DhtError } from "../../dht/DhtError.ts"
import type { Target } from "../../dht/Record.ts"
import type { Chance } from "./Chance.ts"
import type { Kernel, Process } from "./Kernel.ts"
import type { Trace } from "./Trace.ts"
import type { Weather } from "./Weather.ts"

/** What every part of a simulation stands on. */
export interface Ground {
  readonly kernel: Kernel
  readonly chance: Chance
  readonly weather: Weather
  readonly trace: Trace
  readonly ed25519: Ed25519["Service"]
}

/**
 * How a node treats those who ask it.
 *
 * - `silent`: takes everything, answers nothing.
 * - `stale`: answers, and takes no write after the first of each item, though it says so, as of every write: it goes on
 *   giving what it had.
 * - `rollback`: gives the oldest valid record that it ever saw of a target.
 * - `garbage`: gives random bytes as values, signatures, tokens and neighbours.
 * - `oversized`: gives values and lists of neighbours far over every limit.
 * - `withholding`: says that it stored, and never gives anything.
 * - `misleading`: names neighbours that are close to the target and do not exist.
 */
export const behaviours = [
  "honest",
  "silent",
  "stale",
  "rollback",
  "garbage",
  "oversized",
  "withholding",
  "misleading"
] as const

export type Behaviour = (typeof behaviours)[number]

export interface NodesOptions {
  readonly count: number
  /** Items that a node keeps; past it the one put longest ago goes. */
  readonly capacity: number
  /** Shares of the nodes that forget an item two hours, or a day, after its last put; the others never do. */
  readonly forgetsAfter2h: number
  readonly forgetsAfter24h: number
  /**
   * Share of the nodes, of those that never forget first, that answer the very record which they hold with error 302, as
   * bittorrent-dht does by itself. Only the model knows it: on the wire all nodes stand behind the guard.
   */
  readonly refusesSame: number
}

export const DEFAULT_NODES: NodesOptions = {
  count: 50,
  capacity: 1_000,
  forgetsAfter2h: 0.1,
  forgetsAfter24h: 0.3,
  refusesSame: 0.3
}

/** Who else is among the three nodes that somebody starts from; the others are honest when the list is made. */
export interface EntranceMix {
  /** Of the nodes that do not behave honestly then, as far as there are such. */
  readonly hostile: number
  /** Addresses at which nobody lives. */
  readonly dead: number
}

/** That a node holds an item, for maps and laws. */
export interface Holding {
  readonly node: string
  /** Target in hex. */
  readonly target: string
  /** Of a mutable item. */
  readonly seq: number | undefined
}

/** Who joins the network with one of its processes. */
export interface Member {
  readonly name: string
  /** Dotted IPv4. */
  readonly host: string
  readonly process: Process
}

export interface Nodes {
  /** Nodes that are up, in the order in which they came: `n0`, `n1`, … */
  readonly names: () => ReadonlyArray<string>
  /**
   * The network as a process of a host uses it, until the scope closes. Its requests leave under the member's address.
   * The nodes that it starts from are chosen once for each process, at its start or when it asks anybody first.
   */
  readonly dht: (member: Member) => Layer.Layer<Dht, DhtError, Ed25519>
  /** Stops a node at once. */
  readonly crash: (name: string) => void
  /** Stops a node for ever. It is no error to ask anything more of it, and has no effect. */
  readonly leave: (name: string) => void
  /** Starts a crashed node again under its id and address, with what it held or with nothing. */
  readonly restart: (name: string, keepDisk: boolean) => void
  /** A new node. Gives its name. */
  readonly join: () => string
  /** False where this network does not know the behaviour. */
  readonly behave: (name: string, behaviour: Behaviour) => boolean
  /** New nodes with the ids next to a target, closest of all. Gives their names; none where this network cannot do it. */
  readonly besiege: (target: Target, count: number, behaviour: Behaviour) => ReadonlyArray<string>
  /** Whom those start from who come, or ask somebody first, from now on; three honest nodes unless told. */
  readonly leadIn: (entrances: Partial<EntranceMix>) => void
  /** Everything that nodes that are up hold now. */
  readonly holdings: () => ReadonlyArray<Holding>
}

export type MakeNodes = (ground: Ground, options: NodesOptions) => Nodes
