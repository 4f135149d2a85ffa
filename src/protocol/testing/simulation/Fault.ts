/**
 * What can befall a network and its machines. A fault begins at a time and is healed at another, or
 * never; it draws on a stream of chance of its own, so that leaving one out changes no other.
 * Ranges are those that a registry without operators has to survive.
 */
import type { Target } from "../../dht/Record.ts"
import type { Chance } from "./Chance.ts"
import type { Behaviour } from "./Nodes.ts"
import { DAY, HOUR } from "./Times.ts"
import type { Conditions } from "./Weather.ts"
import type { World } from "./World.ts"

export interface Fault {
  readonly title: string
  /** Virtual ms after the play begins. */
  readonly atMs: number
  /** How long it lasts, in ms; what is never healed does not keep goals waiting. */
  readonly forMs: number | undefined
  /** Does it; gives back what heals it. */
  readonly begin: (world: World, chance: Chance) => () => void
}

/** When a fault is there. */
export interface Span {
  readonly atMs: number
  readonly forMs?: number | undefined
}

/** Longest time before a fault, or that it lasts: a century. */
const SPAN_MAX_MS = 100 * 365 * DAY

/** A time or a share that makes no sense is the scenario's bug: it throws, and the run says so. */
const make = ({ atMs, forMs }: Span, title: string, begin: Fault["begin"]): Fault => {
  for (const ms of [atMs, forMs ?? 0]) {
    if (!(ms >= 0 && ms <= SPAN_MAX_MS)) throw new RangeError(`${title}: ${ms} ms is no time for a fault`)
  }
  return { title, atMs, forMs, begin }
}

const machineOf = (world: World, name: string) => {
  const machine = world.hostNamed(name)
  if (machine !== undefined) return machine
  const there = world.hosts.map((host) => host.name).join(", ") || "none"
  throw new RangeError(`there is no host ${name}; there are: ${there}`)
}

/** One end for several. */
const all =
  (ends: ReadonlyArray<() => void>): (() => void) =>
  () => {
    for (const end of ends) end()
  }

const powerCut = (world: World, host: string, keepDisk: boolean) => {
  const machine = machineOf(world, host)
  return world.afflictions.begin(
    `power of ${host}`,
    () => machine.crash({ keepDisk }),
    () => machine.start()
  )
}

const hidden = (world: World, name: string) =>
  world.afflictions.begin(
    `reach of ${name}`,
    () => world.weather.translate(name, true),
    () => world.weather.translate(name, false)
  )

const percent = (share: number): string => {
  if (!(share >= 0 && share <= 1)) throw new RangeError(`${share} is no share: it has to be from 0 to 1`)
  return `${Math.round(share * 100)} %`
}

/** Changes what packets meet with. */
export const weather = (span: Span, title: string, change: (conditions: Conditions) => Conditions): Fault =>
  make(span, title, (world) => world.weather.change(change))

/** Share of the packets that are lost; 0 to 0.3 is the range to survive. */
export const loss = (span: Span, share: number): Fault =>
  weather(span, `${percent(share)} of packets lost`, (before) => ({ ...before, lossShare: share }))

/** Share of the datagrams that arrive twice; 0 to 0.5. */
export const replay = (span: Span, share: number): Fault =>
  weather(span, `${percent(share)} of packets doubled`, (before) => ({ ...before, replayShare: share }))

/** Packets take `meanMs` on average and up to `maxMs`; they overtake each other. Up to 10 s. */
export const slow = (span: Span, meanMs: number, maxMs: number): Fault =>
  weather(span, `packets take ${meanMs} ms on average, up to ${maxMs} ms`, (before) => ({
    ...before,
    delayMeanMs: meanMs,
    delayMaxMs: maxMs
  }))

/** Parts `share` of the nodes, and the named hosts, from all others. One way: those inside hear the others and are not heard. */
export const partition = (
  span: Span,
  options: { readonly share: number; readonly hosts?: ReadonlyArray<string>; readonly isOneWay?: boolean }
): Fault => {
  const isOneWay = options.isOneWay === true
  const hosts = options.hosts ?? []
  const parts = [...(options.share > 0 ? [`${percent(options.share)} of the nodes`] : []), ...hosts]
  const isOne = parts.length === 1 && options.share === 0
  const who = parts.join(", ") || "nobody"
  const title = isOneWay
    ? `${who} ${isOne ? "is" : "are"} not heard by the others`
    : `${who} ${isOne ? "is" : "are"} cut off from the others`
  return make(span, title, (world, chance) => {
    const nodes = world.nodes.names()
    for (const host of hosts) machineOf(world, host)
    const inside = new Set([...chance.sample(nodes, Math.round(nodes.length * options.share)), ...hosts])
    return world.weather.cut((from, to) =>
      isOneWay ? inside.has(from) && !inside.has(to) : inside.has(from) !== inside.has(to)
    )
  })
}

/** Share of the nodes that lose power; they come back when it is healed, with their disks or without. */
export const nodesCrash = (span: Span, share: number, keepDisk: boolean): Fault =>
  make(span, `${percent(share)} of the nodes crash${keepDisk ? "" : " and lose their disks"}`, (world, chance) => {
    const nodes = world.nodes.names()
    const crashed = chance.sample(nodes, Math.round(nodes.length * share))
    return all(
      crashed.map((name) =>
        world.afflictions.begin(
          `power of ${name}`,
          () => world.nodes.crash(name),
          () => world.nodes.restart(name, keepDisk)
        )
      )
    )
  })

/** Nodes leave for ever, each replaced by a new one; `sharePerHour` from 0 to 1. */
export const churn = (span: Span, sharePerHour: number): Fault =>
  make(span, `${percent(sharePerHour)} of the nodes leave in an hour, others join`, (world, chance) => {
    let isOver = false
    const next = () => {
      const rate = world.nodes.names().length * sharePerHour
      if (rate <= 0) return
      world.kernel.after(Math.ceil((chance.exponential() * HOUR) / rate), () => {
        if (isOver) return
        const nodes = world.nodes.names()
        if (nodes.length > 0) world.nodes.leave(chance.pick(nodes))
        world.nodes.join()
        next()
      })
    }
    next()
    return () => {
      isOver = true
    }
  })

/** Share of the nodes that behave badly; 0 to 0.5. */
export const byzantine = (span: Span, share: number, behaviour: Behaviour): Fault =>
  make(span, `${percent(share)} of the nodes turn ${behaviour}`, (world, chance) => {
    const nodes = world.nodes.names()
    return all(
      chance.sample(nodes, Math.round(nodes.length * share)).map((name) =>
        world.afflictions.begin(
          `honesty of ${name}`,
          () => world.nodes.behave(name, behaviour),
          () => world.nodes.behave(name, "honest")
        )
      )
    )
  })

/** Hostile nodes with the ids next to a target: the 20 closest of all, say. They leave when it is healed. */
export const siege = (span: Span, about: string, target: Target, count: number, behaviour: Behaviour): Fault =>
  make(span, `${count} ${behaviour} nodes settle next to ${about}`, (world) => {
    const names = world.nodes.besiege(target, count, behaviour)
    return () => {
      for (const name of names) world.nodes.leave(name)
    }
  })

/** A host's clock is wrong by so much; -600,000 to 600,000 ms. */
export const skew = (span: Span, host: string, ms: number): Fault =>
  make(span, `the clock of ${host} is ${Math.abs(ms)} ms ${ms < 0 ? "behind" : "ahead"}`, (world) => {
    const machine = machineOf(world, host)
    return world.afflictions.begin(
      `clock of ${host}`,
      () => machine.skew(ms),
      () => machine.skew(0)
    )
  })

/** Share of a host's disk accesses that fail; 0 to 0.1. */
export const disk = (span: Span, host: string, share: number): Fault =>
  make(span, `${percent(share)} of the disk accesses of ${host} fail`, (world) => {
    const { device } = machineOf(world, host)
    const fail = (of: number) => () => {
      device.failShare = of
    }
    return world.afflictions.begin(`disk of ${host}`, fail(share), fail(0))
  })

/** A host loses power, and starts again when it is healed. */
export const crash = (span: Span, host: string, options?: { readonly keepDisk?: boolean }): Fault => {
  const keepDisk = options?.keepDisk !== false
  return make(span, `${host} crashes${keepDisk ? "" : " and loses its disk"}`, (world) =>
    powerCut(world, host, keepDisk)
  )
}

/** A host loses power at the write numbered `write` from the beginning of the span, right before it or right after; it starts again when it is healed. */
export const crashAtWrite = (span: Span, host: string, write: number, when: "before" | "after"): Fault =>
  make(span, `${host} crashes ${when} its write ${write}`, (world) => {
    let seen = 0
    let restore: () => void = () => undefined
    const unwatch = machineOf(world, host).device.watch((_what, isMade) => {
      if (!isMade) seen++
      if (seen !== write || isMade !== (when === "after")) return
      unwatch()
      restore = powerCut(world, host, true)
    })
    return () => {
      unwatch()
      restore()
    }
  })

/** A host is behind a translator of addresses: nobody can open a connection to it. */
export const nat = (span: Span, host: string): Fault =>
  make(span, `${host} is behind a NAT`, (world) => hidden(world, machineOf(world, host).name))

/** Share of the storage nodes that are behind a translator of addresses. */
export const nodesNat = (span: Span, share: number): Fault =>
  make(span, `${percent(share)} of the nodes are behind a NAT`, (world, chance) => {
    const nodes = world.nodes.names()
    const chosen = chance.sample(nodes, Math.round(nodes.length * share))
    return all(chosen.map((name) => hidden(world, name)))
  })

/** What a host serves as a seeder: wrong bytes, or none. */
export const peer = (span: Span, host: string, behaviour: "corrupt" | "stalls"): Fault =>
  make(span, `${host} ${behaviour === "corrupt" ? "sends corrupt pieces" : "stalls as a seeder"}`, (world) => {
    return world.afflictions.begin(
      `honesty of ${host} as a seeder`,
      () => world.peers.behave(host, behaviour),
      () => world.peers.behave(host, "honest")
    )
  })

/** How strong {@link storm} may be; from 0 to 1. */
export interface Strength {
  readonly hosts?: ReadonlyArray<string>
  /** Of the extremes that the ranges allow. */
  readonly strength?: number
}

/** A handful of faults between two times, each anywhere in its range: the weather of a bad day. */
export const storm = (
  chance: Chance,
  between: { readonly fromMs: number; readonly toMs: number },
  { hosts = [], strength = 1 }: Strength = {}
): ReadonlyArray<Fault> => {
  const span = (): Span => {
    const atMs = chance.between(between.fromMs, between.toMs)
    return { atMs, forMs: chance.between(1_000, Math.max(1_000, between.toMs - atMs)) }
  }
  const share = (max: number) => Math.round(chance.fraction() * max * strength * 1000) / 1000
  const kinds: ReadonlyArray<() => ReadonlyArray<Fault>> = [
    () => [loss(span(), share(0.3))],
    () => [replay(span(), share(0.5))],
    () => [
      slow(span(), chance.between(50, 500), chance.between(1_000, Math.max(1_000, Math.round(10_000 * strength))))
    ],
    () => [
      partition(span(), {
        share: share(0.6),
        hosts: chance.sample(hosts, chance.below(hosts.length + 1)),
        isOneWay: chance.is(0.4)
      })
    ],
    () => [nodesCrash(span(), share(0.5), chance.is(0.5))],
    () => [churn(span(), share(1))],
    () => [
      byzantine(
        span(),
        share(0.5),
        chance.pick(["silent", "stale", "rollback", "garbage", "oversized", "withholding", "misleading"])
      )
    ],
    () => [nodesNat(span(), share(0.4))],
    () => hosts.slice(0, 1).map(() => skew(span(), chance.pick(hosts), chance.between(-600_000, 600_000))),
    () => hosts.slice(0, 1).map(() => disk(span(), chance.pick(hosts), share(0.1)))
  ]
  return chance.sample(kinds, chance.between(1, 5)).flatMap((kind) => kind())
}
