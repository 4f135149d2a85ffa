/**
 * Who takes part in a trace, and the lane of each on the timeline: one for each host, and a few rows for all
 * storage nodes together, as there may be thousands of them.
 */
import type { Entry } from "../Trace.ts"
import { visible } from "./Text.ts"

/** Lanes of hosts; those who come later share one more. */
export const HOST_LANES_MAX = 24

/** Rows of storage nodes, and of hostile ones that came to besiege a target. */
export const NODE_ROWS_MAX = 48
export const HOSTILE_ROWS_MAX = 8

/** Storage nodes that are told apart; churn may bring more in a long run. */
export const NODES_SHOWN_MAX = 50_000

/** Characters of a host's name. */
const NAME_MAX = 40

/** Storage nodes as the networks name them: `n0`, and `h0` for those that besiege. */
const NODE = /^([nh])(\d{1,7})$/

/** Receivers that nobody is: `10.0.0.1:6881`. */
const ADDRESS = /^[\d.]+:\d+$|^\[/

/** A participant, or nobody. */
export const NOBODY = -1

export interface Cast {
  /** Names of the lanes of hosts. */
  readonly hosts: ReadonlyArray<string>
  /** Numbers of the storage nodes, rising: participants after the hosts. */
  readonly nodes: ReadonlyArray<number>
  /** Numbers of the hostile ones: participants after the nodes. */
  readonly hostile: ReadonlyArray<number>
  readonly nodeRows: number
  readonly hostileRows: number
  readonly lanes: number
  /** The participant of that name. */
  readonly of: (name: string | undefined) => number
  /** The lane of a participant. */
  readonly laneOf: (participant: number) => number
}

const rising = (numbers: Iterable<number>): ReadonlyArray<number> =>
  [...numbers].slice(0, NODES_SHOWN_MAX).toSorted((a, b) => a - b)

/** Entries that are no message name hosts too, but also steps, faults and goals. */
const namesOf = (trace: ReadonlyArray<Entry>, planned: ReadonlySet<string>): ReadonlySet<string> => {
  const names = new Set<string>()
  for (const { from, kind, to } of trace) {
    if (to !== undefined) {
      names.add(from)
      if (kind !== "lost" || !ADDRESS.test(to)) names.add(to)
    } else if (kind === "disk" || (kind === "fault" && !planned.has(from))) names.add(from)
  }
  return names
}

export const castOf = (trace: ReadonlyArray<Entry>, planned: ReadonlySet<string>): Cast => {
  const found: { [kind: string]: Map<number, string> } = { n: new Map(), h: new Map() }
  const hostNames: Array<string> = []
  for (const name of namesOf(trace, planned)) {
    const [, kind = "", digits = ""] = NODE.exec(name) ?? []
    const group = found[kind]
    if (group === undefined) hostNames.push(name)
    else group.set(Number(digits), name)
  }
  const isOver = hostNames.length > HOST_LANES_MAX
  const hosts = hostNames.slice(0, HOST_LANES_MAX).map((name) => visible(name, NAME_MAX))
  if (isOver) hosts.push(`${hostNames.length - HOST_LANES_MAX} others`)
  const participants = new Map(hostNames.map((name, index) => [name, Math.min(index, HOST_LANES_MAX)]))
  const nodes = rising(found["n"]?.keys() ?? [])
  const hostile = rising(found["h"]?.keys() ?? [])
  nodes.forEach((number, rank) => participants.set(found["n"]?.get(number) ?? "", hosts.length + rank))
  hostile.forEach((number, rank) => participants.set(found["h"]?.get(number) ?? "", hosts.length + nodes.length + rank))
  const nodeRows = Math.min(nodes.length, NODE_ROWS_MAX)
  const hostileRows = Math.min(hostile.length, HOSTILE_ROWS_MAX)
  return {
    hosts,
    nodes,
    hostile,
    nodeRows,
    hostileRows,
    lanes: hosts.length + nodeRows + hostileRows,
    of: (name) => (name === undefined ? NOBODY : (participants.get(name) ?? NOBODY)),
    laneOf: (participant) => {
      const rank = participant - hosts.length
      if (rank < 0) return participant
      if (rank < nodes.length) return hosts.length + Math.floor((rank * nodeRows) / nodes.length)
      return hosts.length + nodeRows + Math.floor(((rank - nodes.length) * hostileRows) / hostile.length)
    }
  }
}
