/**
 * A DHT whose nodes come and go, and forget, as Mainline's do: with the figures of {@link mainline} a
 * record starts on 15 nodes, 6 to 7 still hold it after a day and 4 after two. Time is Effect's clock,
 * chance a seed of its own, so a run repeats exactly.
 */
import * as Bytes from "effect/Bytes"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Hex from "effect/encoding/Hex"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import { Dht, type Holders, type PutReceipt } from "../../../src/protocol/dht/Dht.ts"
import { DhtError, StaleSeq } from "../../../src/protocol/dht/DhtError.ts"
import * as KeyString from "../../../src/protocol/dht/KeyString.ts"
import * as Record from "../../../src/protocol/dht/Record.ts"
import { RecordStore } from "../../../src/protocol/dht/RecordStore.ts"
import * as RePut from "../../../src/protocol/registry/RePut.ts"
import type { RePutEvent } from "../../../src/protocol/registry/RePutEvent.ts"
import * as RePutSchedule from "../../../src/protocol/registry/RePutSchedule.ts"
import * as DhtMemory from "../../../src/protocol/testing/DhtMemory.ts"
import * as Fixtures from "./Fixtures.ts"

export const HOUR = 60 * 60 * 1000
export const DAY = 24 * HOUR

export interface Churn {
  readonly nodes: number
  /** Nodes that take one item. */
  readonly holders: number
  /** Share of the nodes that leave in an hour, each replaced by an empty one. */
  readonly leavePerHour: number
  /** Share of the nodes that forget an item two hours after it was put. */
  readonly forgetful: number
  /** After how long all others forget, in ms. */
  readonly memoryMs: number
  /** Whether answers name the nodes that gave them. */
  readonly tells: boolean
  readonly seed: number
}

/** 15 × 0.7 × e^(−0.0203 × 24) = 6.5, and 4.0 after 48 hours. */
export const mainline: Churn = {
  nodes: 60,
  holders: 15,
  leavePerHour: 0.0203,
  forgetful: 0.3,
  memoryMs: Number.POSITIVE_INFINITY,
  tells: true,
  seed: 1
}

/** Nobody leaves and nobody forgets. */
export const still: Churn = { ...mainline, leavePerHour: 0, forgetful: 0 }

/** Nodes asked in a look-up. */
const ASKED = 20

type Stored = { readonly record: Record.Record } | { readonly page: Uint8Array }

interface Node {
  readonly id: number
  readonly leavesAt: number
  readonly memoryMs: number
  readonly items: Map<string, { readonly value: Stored; readonly at: number }>
}

/** mulberry32: small, and good enough to make nodes leave. */
const chance = (seed: number) => {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

const nameOf = ({ id }: Node): string => `10.0.${id % 256}.1:${(id >>> 8) % 65_536}`

export interface World {
  readonly dht: Dht["Service"]
  /** When each item was put, in ms, by target (hex). */
  readonly puts: Map<string, Array<number>>
  /** Looks at all items. */
  looks: number
  /** Nodes that a look-up of the target (hex) would find holding it. */
  readonly holdersOf: (target: string, now: number) => number
  /** Items that no node held for a while before they were put again, or that no node holds at `now`. */
  readonly lost: (now: number) => ReadonlyArray<string>
}

export const make = (churn: Churn): World => {
  const random = chance(churn.seed)
  const born = (at: number): Node => ({
    id: Math.floor(random() * 2 ** 32),
    leavesAt:
      churn.leavePerHour === 0 ? Number.POSITIVE_INFINITY : at - (Math.log(1 - random()) / churn.leavePerHour) * HOUR,
    memoryMs: random() < churn.forgetful ? 2 * HOUR : churn.memoryMs,
    items: new Map()
  })
  const nodes = Array.from({ length: churn.nodes }, () => born(0))
  const puts = new Map<string, Array<number>>()
  const lastsUntil = new Map<string, number>()
  const gaps = new Set<string>()

  let births = 0
  const orders = new Map<string, { readonly births: number; readonly order: ReadonlyArray<Node> }>()
  const closest = (target: string, count: number, now: number) => {
    for (let at = 0; at < nodes.length; at++) {
      while (nodes[at]!.leavesAt <= now) {
        nodes[at] = born(nodes[at]!.leavesAt)
        births += 1
      }
    }
    const known = orders.get(target)
    if (known?.births === births) return known.order.slice(0, count)
    const place = Number.parseInt(target.slice(0, 8), 16)
    const order = nodes
      .map((node) => ({ node, distance: (node.id ^ place) >>> 0 }))
      .toSorted((a, b) => a.distance - b.distance)
      .slice(0, ASKED)
      .map(({ node }) => node)
    orders.set(target, { births, order })
    return order.slice(0, count)
  }
  const held = (node: Node, target: string, now: number) => {
    const item = node.items.get(target)
    return item !== undefined && now < item.at + node.memoryMs ? item.value : undefined
  }
  const found = (target: string, now: number) =>
    closest(target, ASKED, now).flatMap((node) => {
      const value = held(node, target, now)
      return value === undefined ? [] : [{ node: nameOf(node), value }]
    })
  const store = (target: string, value: Stored, now: number) => {
    if (now > (lastsUntil.get(target) ?? now)) gaps.add(target)
    const takers = closest(target, churn.holders, now)
    for (const { items } of takers) items.set(target, { value, at: now })
    const until = takers.map(({ leavesAt, memoryMs }) => Math.min(leavesAt, now + memoryMs))
    lastsUntil.set(target, Math.max(...until))
    puts.set(target, [...(puts.get(target) ?? []), now])
    return takers.map(nameOf)
  }
  const receipt = (target: Record.Target, takers: ReadonlyArray<string>): PutReceipt => ({
    target,
    acks: takers.length,
    networks: takers.length,
    asked: takers.length,
    stored: churn.tells ? takers : [],
    refused: [],
    silent: []
  })
  /** A layer that tells nobody's name asked nobody whom it could count. */
  const holders = (all: ReturnType<typeof found>): Holders =>
    churn.tells
      ? {
          holders: all.map(({ node, value }) => ({ node, seq: seqOf(value) })),
          asked: ASKED,
          answered: ASKED
        }
      : { holders: [], asked: 0, answered: 0 }
  const seqOf = (value: Stored) => ("record" in value ? value.record.seq : 0)

  const lookup: Dht["Service"]["lookup"] = (publicKey, salt) =>
    Effect.map(Clock.currentTimeMillis, (now) => {
      world.looks += 1
      const all = found(Hex.encode(Record.targetOf(publicKey, salt)), now)
      const newest = Math.max(...all.map(({ value }) => seqOf(value)))
      const best = all.filter(({ value }) => seqOf(value) === newest)
      const value = Option.fromUndefinedOr(best[0]?.value).pipe(
        Option.flatMap((first) => ("record" in first ? Option.some(first.record) : Option.none()))
      )
      return { value, responders: churn.tells ? best.map(({ node }) => node) : [] }
    })
  const lookupImmutable: Dht["Service"]["lookupImmutable"] = (target) =>
    Effect.map(Clock.currentTimeMillis, (now) => {
      world.looks += 1
      const all = found(Hex.encode(target), now)
      const value = Option.fromUndefinedOr(all[0]?.value).pipe(
        Option.flatMap((first) => ("page" in first ? Option.some(first.page) : Option.none()))
      )
      return { value, responders: churn.tells ? all.map(({ node }) => node) : [] }
    })

  const world: World = {
    puts,
    looks: 0,
    holdersOf: (target, now) => found(target, now).length,
    lost: (now) => [
      ...new Set([...gaps, ...[...lastsUntil].flatMap(([target, until]) => (until < now ? [target] : []))])
    ],
    dht: Dht.of({
      lookup,
      get: (publicKey, salt) => Effect.map(lookup(publicKey, salt), ({ value }) => value),
      put: Effect.fnUntraced(function* (record) {
        const now = yield* Clock.currentTimeMillis
        const target = Record.targetOf(record.publicKey, record.salt)
        const key = Hex.encode(target)
        const isStale = found(key, now).some(
          ({ value }) =>
            "record" in value &&
            value.record.seq >= record.seq &&
            !Bytes.Equivalence(value.record.signature, record.signature)
        )
        if (isStale) {
          return yield* new DhtError({ reason: new StaleSeq({ target: key, seq: record.seq }) })
        }
        return receipt(target, store(key, { record }, now))
      }),
      holders: (publicKey, salt) =>
        Effect.map(Clock.currentTimeMillis, (now) => {
          world.looks += 1
          return holders(found(Hex.encode(Record.targetOf(publicKey, salt)), now))
        }),
      lookupImmutable,
      holdersImmutable: (target) =>
        Effect.map(Clock.currentTimeMillis, (now) => {
          world.looks += 1
          return holders(found(Hex.encode(target), now))
        }),
      getImmutable: (target) => Effect.map(lookupImmutable(target), ({ value }) => value),
      putImmutable: (page) =>
        Effect.map(Clock.currentTimeMillis, (now) => {
          const target = Record.immutableTargetOf(page)
          return receipt(target, store(Hex.encode(target), { page }, now))
        }),
      announcePeer: () => Effect.succeed(0),
      findPeers: () => Effect.succeed([]),
      nodeCount: Effect.succeed(churn.nodes)
    })
  }
  return world
}

/** One host on the world, with empty stores of its own. */
export const host = (world: World) => Layer.merge(Fixtures.host(DhtMemory.make()), Layer.succeed(Dht, world.dht))

/** A record of `label` under its own key, and its target in hex. */
export const record = Effect.fnUntraced(function* (
  label: string,
  seq = 1,
  value: Uint8Array = Fixtures.text(`value ${seq}`)
) {
  const pair = yield* Fixtures.keyPair(label)
  return Record.sign(pair, { salt: KeyString.saltOf(label), seq, value })
})

export const targetOf = (each: Record.Record): string => Hex.encode(Record.targetOf(each.publicKey, each.salt))

/** Records `prefix 0`, `prefix 1`, …, remembered by this host. */
export const remembered = Effect.fnUntraced(function* (prefix: string, count: number) {
  const store = yield* RecordStore
  const pair = yield* Fixtures.keyPair(prefix)
  const records = Array.from({ length: count }, (_, i) =>
    Record.sign(pair, { salt: KeyString.saltOf(`${prefix} ${i}`), seq: 1, value: Fixtures.text(`value ${i}`) })
  )
  for (const each of records) yield* store.remember(each)
  return records
})

/** A loop that runs until the test ends, with everything that it told. */
export const started = Effect.fnUntraced(function* (changes?: Partial<RePutSchedule.RePutSchedule>) {
  const rePut = yield* RePut.make(RePutSchedule.make(changes))
  const events: Array<RePutEvent> = []
  yield* Effect.forkChild(Stream.runForEach(rePut.events, (event) => Effect.sync(() => events.push(event))))
  // The stream has to be subscribed before the loop begins.
  yield* TestClock.adjust(0)
  const running = yield* Effect.forkChild(rePut.run)
  return {
    events,
    rePut,
    /** As a process that is asked to end. */
    stop: Fiber.interrupt(running),
    /** Events of these kinds. */
    of: <Tag extends RePutEvent["_tag"]>(...tags: ReadonlyArray<Tag>) =>
      events.filter((event): event is Extract<RePutEvent, { readonly _tag: Tag }> =>
        tags.some((tag) => tag === event._tag)
      )
  }
})

/** Runs a test on a world with stores of one host, with chance from a seed. */
export const on =
  (world: World) =>
  <A, E, R>(test: Effect.Effect<A, E, R>) =>
    test.pipe(Effect.provide(host(world)), Random.withSeed("re-put"))
