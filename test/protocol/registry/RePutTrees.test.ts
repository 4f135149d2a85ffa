import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Option from "effect/Option"
import { TestClock } from "effect/testing"
import * as Bencode from "../../../src/protocol/core/Bencode.ts"
import { Dht } from "../../../src/protocol/dht/Dht.ts"
import { PageStore } from "../../../src/protocol/dht/PageStore.ts"
import * as Record from "../../../src/protocol/dht/Record.ts"
import { RecordStore } from "../../../src/protocol/dht/RecordStore.ts"
import * as Tree from "../../../src/protocol/dht/Tree.ts"
import * as RePut from "../../../src/protocol/registry/RePut.ts"
import * as Fixtures from "./Fixtures.ts"
import * as World from "./RePutWorld.ts"

const { mainline, still } = World

/** A tree of so many entries, and a record that refers to it. */
const catalogue = Effect.fnUntraced(function* (count: number, seq = 1) {
  const entries = Array.from({ length: count }, (_, i) => ({
    key: Fixtures.text(`package-${String(i).padStart(5, "0")}`),
    value: Fixtures.text(`${seq}.0.0`)
  }))
  const { pages, root } = Tree.build(entries)
  return { pages, root, record: yield* World.record("catalogue", seq, Bencode.encode({ c: count, r: root })) }
})

const hexes = (targets: ReadonlyArray<Uint8Array>) => targets.map((target) => Hex.encode(target)).toSorted()

const targetsOf = (pages: ReadonlyArray<Uint8Array>) => hexes(pages.map(Record.immutableTargetOf))

describe("RePut of trees", () => {
  it.effect("keeps every page of a held record's tree to be found", () => {
    const world = World.make(mainline)
    return Effect.gen(function* () {
      const { pages, record } = yield* catalogue(300)
      yield* Effect.flatMap(PageStore, (store) => store.keep(pages))
      yield* Effect.flatMap(RecordStore, (store) => store.remember(record))
      yield* World.started()
      yield* TestClock.adjust("7 days")
      assert.deepStrictEqual(
        [...world.puts.keys()].toSorted(),
        [World.targetOf(record), ...targetsOf(pages)].toSorted()
      )
      assert.deepStrictEqual(world.lost(7 * World.DAY), [])
    }).pipe(World.on(world))
  })

  it.effect("fetches the pages that it lacks, level by level, and keeps them from then on", () => {
    const world = World.make(still)
    return Effect.gen(function* () {
      const { pages, record } = yield* catalogue(2000)
      const dht = yield* Dht
      for (const page of pages) yield* dht.putImmutable(page)
      yield* Effect.flatMap(RecordStore, (store) => store.remember(record))
      const { of } = yield* World.started()
      yield* TestClock.adjust("1 minute")
      yield* TestClock.adjust("1 hour")
      const store = yield* PageStore
      assert.deepStrictEqual(hexes(yield* store.targets), targetsOf(pages))
      assert.strictEqual(of("Failed").length, 0)
      assert.strictEqual(of("Put").filter(({ kind }) => kind === "record").length, 1, "which was lacking")
      assert.isBelow(of("Put").length, 10, "an hour's share of what is well held")
    }).pipe(World.on(world))
  })

  it.effect("puts what it holds of a tree, and asks for a lacking page again now and then", () => {
    const world = World.make(still)
    return Effect.gen(function* () {
      const { pages, record } = yield* catalogue(300)
      const [lost, ...held] = pages
      yield* Effect.flatMap(PageStore, (store) => store.keep(held))
      yield* Effect.flatMap(RecordStore, (store) => store.remember(record))
      const { of } = yield* World.started()
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(of("Put").length, held.length + 1)
      assert.strictEqual(of("Failed")[0]?.target, Hex.encode(Record.immutableTargetOf(lost!)))
      yield* Effect.flatMap(Dht, (dht) => dht.putImmutable(lost!))
      yield* TestClock.adjust("6 hours")
      const store = yield* PageStore
      assert.isTrue(Option.isSome(yield* store.find(Record.immutableTargetOf(lost!))))
    }).pipe(World.on(world))
  })

  it.effect("reads the stores no more than once a minute for pages that it fetches", () => {
    const world = World.make(still)
    return Effect.gen(function* () {
      const { pages, record } = yield* catalogue(2000)
      const dht = yield* Dht
      for (const page of pages) yield* dht.putImmutable(page)
      const store = yield* RecordStore
      yield* store.remember(record)
      const readAt: Array<number> = []
      const all = Effect.tap(store.all, () => Effect.map(Clock.currentTimeMillis, (now) => readAt.push(now)))
      yield* Effect.provideService(World.started(), RecordStore, { ...store, all })
      yield* TestClock.adjust("10 minutes")
      assert.deepStrictEqual(hexes(yield* Effect.flatMap(PageStore, ({ targets }) => targets)), targetsOf(pages))
      const least = Duration.toMillis(RePut.FETCHED_SCAN_INTERVAL)
      assert.isTrue(readAt.every((at, i) => i === 0 || at - readAt[i - 1]! >= least))
    }).pipe(World.on(world))
  })

  it.effect("drops pages that no record reaches any more, but only days later", () => {
    const world = World.make(still)
    return Effect.gen(function* () {
      const store = yield* PageStore
      const records = yield* RecordStore
      const [old, newer] = [yield* catalogue(300, 1), yield* catalogue(300, 2)]
      yield* store.keep(old.pages)
      yield* records.remember(old.record)
      const { of } = yield* World.started()
      yield* TestClock.adjust("1 hour")
      yield* store.keep(newer.pages)
      yield* records.remember(newer.record)
      yield* TestClock.adjust("47 hours")
      assert.strictEqual((yield* store.targets).length, old.pages.length + newer.pages.length)
      yield* TestClock.adjust("3 hours")
      assert.deepStrictEqual(hexes(yield* store.targets), targetsOf(newer.pages))
      assert.deepStrictEqual(
        of("PagesDropped").map(({ count }) => count),
        [old.pages.length]
      )
    }).pipe(World.on(world))
  })

  it.effect("keeps pages whose record is yet to come", () => {
    const world = World.make(still)
    return Effect.gen(function* () {
      const store = yield* PageStore
      const { pages, record } = yield* catalogue(300)
      yield* store.keep(pages)
      yield* World.started()
      yield* TestClock.adjust("1 day")
      yield* Effect.flatMap(RecordStore, (records) => records.remember(record))
      yield* TestClock.adjust("10 days")
      assert.deepStrictEqual(hexes(yield* store.targets), targetsOf(pages))
    }).pipe(World.on(world))
  })

  it.effect("keeps longer what may hang under an inner page that is lacking", () => {
    const world = World.make(still)
    return Effect.gen(function* () {
      const store = yield* PageStore
      const { pages, record } = yield* catalogue(300)
      yield* store.keep(pages.slice(0, -1))
      yield* Effect.flatMap(RecordStore, (records) => records.remember(record))
      yield* World.started({ checkInterval: RePut.SCAN_INTERVAL, adaptive: false })
      yield* TestClock.adjust("10 days")
      assert.strictEqual((yield* store.targets).length, pages.length - 1)
    }).pipe(World.on(world))
  })

  it.effect("does not keep alive what a root refers to that is no page of a tree", () => {
    const world = World.make(still)
    return Effect.gen(function* () {
      const store = yield* PageStore
      const stray = Fixtures.text("somebody's item")
      yield* store.keep([stray])
      const value = Bencode.encode({ r: Record.immutableTargetOf(stray) })
      yield* Effect.flatMap(RecordStore, (records) => Effect.flatMap(World.record("odd", 1, value), records.remember))
      yield* World.started()
      yield* TestClock.adjust("3 days")
      assert.strictEqual(world.puts.size, 1)
      assert.deepStrictEqual(yield* store.targets, [])
    }).pipe(World.on(world))
  })

  it.effect("puts pages that are fetched in one round, too", () => {
    const world = World.make(still)
    return Effect.gen(function* () {
      const { pages, record } = yield* catalogue(2000)
      const dht = yield* Dht
      for (const page of pages) yield* dht.putImmutable(page)
      yield* Effect.flatMap(RecordStore, (store) => store.remember(record))
      assert.deepStrictEqual(yield* RePut.once, { stored: pages.length + 1, superseded: 0, failed: 0 })
    }).pipe(World.on(world))
  })
})
