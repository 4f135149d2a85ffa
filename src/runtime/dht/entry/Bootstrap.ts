/**
 * The ways into the DHT, all tried together: nodes that were configured, public routers among them, nodes
 * remembered from last time, those that a DNS domain lists, and those that peers of torrents and neighbours on the
 * LAN tell of. A node that knows too few goes through them again, at growing pauses, for as long as it lives: one
 * neighbour is no network, and one owner's nodes may be a wall around us. Now and then it does so in any case.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as PeerAddress from "../../../protocol/core/PeerAddress.ts"
import { RecentMap } from "../../../protocol/core/RecentMap.ts"
import * as Networks from "../../../protocol/dht/client/Networks.ts"
import * as DnsSeed from "./DnsSeed.ts"
import type { HostLookup } from "./HostLookup.ts"
import * as MetNodes from "./MetNodes.ts"
import * as SteadyClock from "./SteadyClock.ts"

/** Where an address came from. */
export type Way = "configured" | "remembered" | "dns-seed" | "torrent-peer" | "lan"

/** What has come of a way so far. */
export interface WayReport {
  readonly way: Way
  /** Addresses that were asked, and how often one of them answered. */
  readonly asked: number
  readonly answered: number
}

/** Remembered nodes that are asked in one round: of 16, some are nearly always there. */
export const REMEMBERED_PER_ROUND = 16

/** Fewer nodes are too few: the K of BEP 5, one bucket's worth. In the public network they are of several networks too. */
export const NODES_ENOUGH = 8

/** After so long without a datagram that is of use, in ms, whoever is known may be gone. */
export const SILENCE_MS = 10 * 60 * 1000

/** Between rounds of a node that lacks nothing, in ms: whoever owns all that it knows must not do so for good. */
export const REFRESH_MS = 60 * 60 * 1000

/** Between rounds while too few are known, in ms: doubled each time from the first to the longest. */
export const PAUSE_FIRST_MS = 1000
export const PAUSE_LONGEST_MS = 5 * 60 * 1000
/** Between looks at the table, in ms. */
export const WATCH_MS = 10 * 1000
/** Of a pause, the share that chance may add: many nodes that lost one router must not come back as one. */
const JITTER = 0.25

/** Who wants to ask the DHT waits at most so long for the first address, in ms. */
export const PATIENCE_MS = 5000

/** Nodes that peers of torrents told of, kept for the next round. */
const OFFERS_MAX = 32
/** Between two of them that are asked at once, in ms: peers are many, and each could name somebody else's port. */
const OFFER_INTERVAL_MS = 500
/** A table with so many nodes needs no offers. */
const OFFERS_WANTED = 64

export interface Options {
  /** The IPv4 address that is bound. */
  readonly boundHost: string
  /** `host:port`; a host may be a name. */
  readonly configured: ReadonlyArray<string>
  /** Domains that list nodes in TXT records. */
  readonly dnsSeeds: ReadonlyArray<string>
  /** Whether the network is the public one. Peers of torrents speak of that, and private addresses are none of its. */
  readonly isPublic: boolean
  /** `host:port` in the order to be asked in. */
  readonly remembered: () => ReadonlyArray<string>
  readonly lookup: HostLookup
  /** Nodes in the routing table (`host:port`). */
  readonly known: () => ReadonlyArray<string>
  /** A number that changes with each datagram that was of use. */
  readonly accepted: () => number
  /** Asks `host:port`, an IPv4 address; `onAnswer` is told once whether it answered. */
  readonly ask: (address: string, way: Way, onAnswer: (answered: boolean) => void) => void
}

export interface Bootstrap {
  /** `host:port` to start from, IPv4 addresses all: to be asked by the node itself when it opens. */
  readonly first: ReadonlyArray<string>
  /** Goes on for as long as the node lives. */
  readonly keepLooking: Effect.Effect<never>
  /** Waits until it makes sense to ask the DHT: somebody has answered, or every name has been looked up. At most {@link PATIENCE_MS}. */
  readonly entered: Effect.Effect<void>
  /** A node (`host:port`) is in the table now that was not asked from here. */
  readonly noteNode: (address: string) => void
  /** Tells of one more node, `host:port`. */
  readonly offer: (address: string, way: "torrent-peer" | "lan") => void
  readonly report: () => ReadonlyArray<WayReport>
}

/** How well a node is connected: it knows nobody, too few, or enough. */
type Standing = "lost" | "thin" | "well"

const splitName = (text: string): readonly [host: string, port: string] => {
  const colon = text.lastIndexOf(":")
  return [text.slice(0, colon), text.slice(colon + 1)]
}

/** Whether it can be asked as it stands, without a name being looked up. */
export const isAddress = (text: string): boolean => PeerAddress.isIpv4(splitName(text)[0])

/** Asks nobody yet. */
export const make = Effect.fnUntraced(function* (options: Options) {
  const { accepted, ask, boundHost, configured, dnsSeeds, isPublic, known, lookup, remembered } = options
  const clock = yield* Clock.Clock
  const now = SteadyClock.make(() => clock.currentTimeMillisUnsafe())
  const open = yield* Latch.make()
  const reports = new Map<Way, { asked: number; answered: number }>()
  const offers = new RecentMap<string, { readonly address: string; readonly way: "torrent-peer" | "lan" }>(OFFERS_MAX)
  let offeredAt = -Infinity
  let wave = 0
  let isFirst = true

  const reportOf = (way: Way) => {
    const report = reports.get(way) ?? { asked: 0, answered: 0 }
    reports.set(way, report)
    return report
  }

  const introduce = (way: Way, addresses: ReadonlyArray<string>): void => {
    const report = reportOf(way)
    for (const address of addresses) {
      report.asked++
      ask(address, way, (answered) => {
        if (!answered) return
        report.answered++
        open.openUnsafe()
      })
    }
  }

  /** The next of the remembered ones: others than last time, should those be gone. */
  const nextWave = (): ReadonlyArray<string> => {
    const all = remembered()
    const from = all.length === 0 ? 0 : (wave * REMEMBERED_PER_ROUND) % all.length
    wave++
    return [...all.slice(from), ...all.slice(0, from)].slice(0, REMEMBERED_PER_ROUND)
  }

  const byName = configured.filter((text) => !isAddress(text)).map(splitName)

  const atHand = configured.filter(isAddress)
  const born = new Map<string, Way>()
  for (const address of nextWave()) born.set(address, "remembered")
  for (const address of atHand) born.set(address, "configured")
  for (const way of born.values()) reportOf(way).asked++

  const round = Effect.suspend(() => {
    if (isFirst) isFirst = false
    else {
      introduce("configured", atHand)
      introduce("remembered", nextWave())
    }
    for (const { address, way } of offers.values()) introduce(way, [address])
    const names = byName.map(([host, port]) =>
      Effect.map(lookup.addresses(host), (hosts) =>
        introduce(
          "configured",
          hosts.map((address) => `${address}:${port}`)
        )
      )
    )
    const seeds = dnsSeeds.map((domain) =>
      Effect.map(DnsSeed.nodesOf(domain, lookup), (addresses) =>
        introduce(
          "dns-seed",
          addresses.filter((address) => !isPublic || MetNodes.isOfNetwork(address, boundHost))
        )
      )
    )
    return Effect.all([...names, ...seeds], { concurrency: "unbounded", discard: true })
  })

  let heard = { count: NaN, at: -Infinity }

  const look = (): Standing => {
    const count = accepted()
    if (count !== heard.count) heard = { count, at: now() }
    const all = known()
    if (all.length === 0) return "lost"
    const nodes = isPublic ? all.filter((address) => MetNodes.isOfNetwork(address, boundHost)) : all
    const isThin = nodes.length < NODES_ENOUGH || (isPublic && Networks.count(nodes) < Networks.NETWORKS_MIN)
    return isThin || now() - heard.at >= SILENCE_MS ? "thin" : "well"
  }

  const keepLooking = Effect.gen(function* () {
    const jitter = Effect.map(Random.next, (chance) => 1 + JITTER * chance)
    let before: Standing = "lost"
    let rounds = 0
    let dueAt = -Infinity
    let refreshAt = now() + REFRESH_MS * (yield* jitter)
    for (;;) {
      const standing = look()
      // It has become worse, and whoever was asked for the last time may be there now.
      if (standing === "well" || (standing === "lost" && before === "thin")) {
        rounds = 0
        dueAt = -Infinity
      }
      before = standing
      if ((standing !== "well" && now() >= dueAt) || now() >= refreshAt) {
        yield* round
        dueAt = now() + Math.min(PAUSE_FIRST_MS * 2 ** rounds, PAUSE_LONGEST_MS) * (yield* jitter)
        refreshAt = now() + REFRESH_MS * (yield* jitter)
        rounds++
      }
      // Nothing more is to come that would be worth waiting for.
      yield* open.open
      const watch = WATCH_MS * (yield* jitter)
      yield* Effect.sleep(standing === "well" ? watch : Math.max(1, Math.min(watch, dueAt - now())))
    }
  })

  const offer = (address: string, way: "torrent-peer" | "lan"): void => {
    if (way === "torrent-peer" && !(isPublic && MetNodes.isOfNetwork(address, boundHost))) return
    const node = Option.getOrUndefined(PeerAddress.parse(address))
    if (node === undefined || PeerAddress.reachOf(node.host) === "reserved") return
    offers.set(address, { address, way })
    const at = now()
    if (known().length >= OFFERS_WANTED || at - offeredAt < OFFER_INTERVAL_MS) return
    offeredAt = at
    introduce(way, [address])
  }

  return {
    first: [...born.keys()],
    keepLooking,
    entered: Effect.suspend(() =>
      Latch.isOpen(open)
        ? Effect.void
        : Effect.timeoutOrElse(open.await, { duration: PATIENCE_MS, orElse: () => Effect.void })
    ),
    noteNode: (address) => {
      const way = born.get(address)
      if (way !== undefined && born.delete(address)) reportOf(way).answered++
      open.openUnsafe()
    },
    offer,
    report: () => [...reports].map(([way, { answered, asked }]) => ({ way, asked, answered }))
  } satisfies Bootstrap
})
