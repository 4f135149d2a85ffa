import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { TestClock } from "effect/testing"
import { sha1 } from "../../../src/protocol/core/Digest.ts"
import { Dht, type Holders } from "../../../src/protocol/dht/Dht.ts"
import { DhtError, TooFewAnswers } from "../../../src/protocol/dht/DhtError.ts"
import { PageStore } from "../../../src/protocol/dht/PageStore.ts"
import * as KeyString from "../../../src/protocol/dht/KeyString.ts"
import * as Record from "../../../src/protocol/dht/Record.ts"
import { RecordStore } from "../../../src/protocol/dht/RecordStore.ts"
import * as Bencode from "../../../src/protocol/core/Bencode.ts"
import * as Tree from "../../../src/protocol/dht/Tree.ts"
import * as RePutHealth from "../../../src/protocol/registry/RePutHealth.ts"
import * as RePutItem from "../../../src/protocol/registry/RePutItem.ts"
import * as Fixtures from "./Fixtures.ts"
import * as World from "./RePutWorld.ts"

const { DAY, HOUR, still } = World

const fresh = RePutHealth.fresh(RePutItem.page(sha1(new Uint8Array()) as Record.Target), 0)
const named = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => `203.0.113.${from + i}:6881`)

/** Put at time 0, on nodes 0 to `acks`. */
const put = (acks: number) => RePutHealth.put(fresh, acks, 0, named(0, acks))

const looked = (health: RePutHealth.Health, nodes: ReadonlyArray<string>, hours: number) =>
  RePutHealth.looked(health, nodes.length, hours * HOUR, nodes)

describe("survival", () => {
  it("counts the nodes of the last put that still hold the item, whoever else does by now", () => {
    const health = looked(put(16), [...named(0, 12), ...named(100, 110)], 6)
    assert.include(health, { holders: 22, kept: 12 })
    assert.strictEqual(health.survival.lost, 4)
    assert.approximately(health.survival.nodeMs / HOUR, (6 * 4) / Math.log(16 / 12), 1e-9)
  })

  it("does not count as lost what was silent once and has it after all", () => {
    const health = looked(looked(put(16), named(0, 12), 3), named(0, 15), 6)
    assert.include(health, { kept: 15 })
    assert.strictEqual(health.survival.lost, 1)
  })

  it("halves in the time in which half of the nodes go", () => {
    let health = put(16)
    for (const [i, left] of [8, 4, 2, 1].entries()) health = looked(health, named(0, left), 10 * (i + 1))
    assert.approximately(RePutHealth.halfLifeMs(health.survival)!, 10 * HOUR, 1)
    assert.isUndefined(RePutHealth.halfLifeMs(looked(put(16), named(0, 16), 10).survival), "none was lost")
  })

  it("follows the nodes of the newest put alone", () => {
    const again = RePutHealth.put(looked(put(16), named(0, 12), 6), 10, 7 * HOUR, named(50, 60))
    assert.isUndefined(again.kept)
    assert.include(looked(again, named(50, 59), 9), { kept: 9 })
  })

  it("follows those that held it when first asked, where this host never put it", () => {
    const found = looked(fresh, named(0, 10), 1)
    assert.include(found, { holders: 10, kept: 10 })
    assert.strictEqual(looked(found, [...named(0, 7), ...named(50, 60)], 5).survival.lost, 3)
  })

  it("compares numbers where no node has a name, as long as nobody else put the item", () => {
    const before = RePutHealth.put(fresh, 15, 0)
    assert.strictEqual(RePutHealth.looked(before, 12, HOUR).survival.lost, 3)
    assert.deepStrictEqual(RePutHealth.looked(before, 20, HOUR).survival, before.survival)
  })

  it("watches a bounded number of nodes", () => {
    assert.lengthOf(put(200).keepers, RePutHealth.KEEPERS_MAX)
  })

  it.effect("is told with every look: survivors of the last put, and the half-life once some were lost", () => {
    const world = World.make({ ...World.mainline, leavePerHour: 0.05 })
    return Effect.gen(function* () {
      yield* World.remembered("kept", 1)
      const { of } = yield* World.started()
      yield* TestClock.adjust("20 days")
      const [first] = of("Held")
      assert.isAtLeast(first!.survivors!.of, 10)
      assert.isAtMost(first!.survivors!.kept, first!.survivors!.of)
      // Seven of ten nodes leave at this rate, three of ten forget after two hours.
      const { halfLifeMs } = of("Held").at(-1)!
      assert.isAbove(halfLifeMs!, 4 * HOUR)
      assert.isBelow(halfLifeMs!, (Math.LN2 * HOUR) / 0.05)
    }).pipe(World.on(world))
  })
})

const tooFew = Effect.fail(new DhtError({ reason: new TooFewAnswers({ target: "00", asked: 20, answered: 2 }) }))

describe("a look that hardly anybody answers", () => {
  /** A loop whose looks say what they say from hour 1 on. */
  const deaf = (world: World.World, dht: Partial<Dht["Service"]>) => {
    let isDeaf = false
    const given: World.World = {
      ...world,
      dht: {
        ...world.dht,
        lookup: (...args) => (isDeaf ? (dht.lookup ?? world.dht.lookup)(...args) : world.dht.lookup(...args)),
        holdersImmutable: (at) =>
          isDeaf ? (dht.holdersImmutable ?? world.dht.holdersImmutable)(at) : world.dht.holdersImmutable(at)
      }
    }
    return { given, deafen: () => (isDeaf = true), heal: () => (isDeaf = false) }
  }

  const unchanged = (before: RePutHealth.Health, after: RePutHealth.Health) =>
    assert.deepStrictEqual({ ...after, nextDue: 0 }, { ...before, nextDue: 0 })

  const looks = {
    "says that it is too few": tooFew,
    "finds something all the same": Effect.succeed({ responders: ["10.0.0.1:1"], asked: 20, answered: 3 })
  }

  for (const [title, look] of Object.entries(looks)) {
    it.effect(`changes nothing but the next try, where it ${title}`, () => {
      const world = World.make(still)
      const { deafen, given, heal } = deaf(world, {
        lookup: (...args) =>
          Effect.flatMap(look, (given) => Effect.map(world.dht.lookup(...args), (answer) => ({ ...answer, ...given })))
      })
      return Effect.gen(function* () {
        yield* World.remembered("kept", 1)
        const { of, rePut } = yield* World.started()
        yield* TestClock.adjust("1 hour")
        const [before] = yield* rePut.health
        deafen()
        yield* TestClock.adjust("8 hours")
        unchanged(before!, (yield* rePut.health)[0]!)
        assert.isAtLeast(of("Unheard").length, 4, "asked again within the hour or so")
        assert.deepStrictEqual(of("Failed", "Held"), [])
        assert.strictEqual(of("Put").length, 1, "nothing is put because nothing was heard")
        heal()
        yield* TestClock.adjust("90 minutes")
        assert.include(of("Held")[0], { holders: 15 })
        assert.strictEqual((yield* rePut.health)[0]!.survival.lost, 0)
      }).pipe(World.on(given))
    })
  }

  it.effect("does not keep from putting what is due whoever holds it", () => {
    const world = World.make(still)
    const { deafen, given } = deaf(world, { lookup: () => tooFew })
    return Effect.gen(function* () {
      yield* World.remembered("kept", 1)
      const { of } = yield* World.started()
      yield* TestClock.adjust("1 hour")
      deafen()
      yield* TestClock.adjust("3 days")
      const times = [...world.puts.values()].flat()
      assert.isAtLeast(times.length, 4)
      assert.isTrue(times.every((at, i) => i === 0 || at - times[i - 1]! <= 22 * HOUR))
      assert.deepStrictEqual(of("Failed"), [])
      assert.deepStrictEqual(world.lost(3 * DAY), [])
    }).pipe(World.on(given))
  })

  it.effect("is not repeated without a pause, where nothing can be put for want of an answer", () => {
    const world = World.make(still)
    let asked = 0
    const { deafen, given } = deaf(world, {
      lookup: () =>
        Effect.flatMap(
          Effect.sync(() => (asked += 1)),
          () => tooFew
        )
    })
    return Effect.gen(function* () {
      const name = Fixtures.name("left-pad")
      const pair = yield* Fixtures.keyPair("publisher")
      const salt = KeyString.saltOf(KeyString.packageOf(name))
      const store = yield* RecordStore
      yield* store.remember(Record.sign(pair, { salt, seq: 1, value: Fixtures.text("d1:n8:left-pade") }))
      yield* World.started()
      yield* TestClock.adjust("1 hour")
      deafen()
      yield* TestClock.adjust("3 days")
      assert.isAtMost(asked, 3 * 24 * 2)
    }).pipe(World.on(given))
  })

  it.effect("leaves a page alone that this host holds, and asks for holders and not for what it knows", () => {
    const world = World.make(still)
    let asked = 0
    const few: Holders = { holders: [], asked: 20, answered: 3 }
    const { deafen, given } = deaf(world, { holdersImmutable: () => Effect.sync(() => ((asked += 1), few)) })
    return Effect.gen(function* () {
      const { pages, root } = Tree.build([{ key: Fixtures.text("a"), value: Fixtures.text("1.0.0") }])
      yield* Effect.flatMap(PageStore, (store) => store.keep(pages))
      const record = yield* World.record("catalogue", 1, Bencode.encode({ r: root }))
      yield* Effect.flatMap(RecordStore, (store) => store.remember(record))
      const { of, rePut } = yield* World.started()
      yield* TestClock.adjust("1 hour")
      const page = Effect.map(rePut.health, (all) => all.find(({ kind }) => kind === "page")!)
      const before = yield* page
      deafen()
      yield* TestClock.adjust("8 hours")
      unchanged(before, yield* page)
      assert.isAtLeast(asked, 4)
      assert.strictEqual(of("Put").filter(({ kind }) => kind === "page").length, pages.length)
    }).pipe(World.on(given))
  })
})

describe("a put", () => {
  it.effect("asks for as many holders as the schedule wants", () => {
    const world = World.make({ ...still, nodes: 4 })
    const asked: Array<number | undefined> = []
    return Effect.gen(function* () {
      yield* World.remembered("kept", 1)
      const dht = yield* Dht
      yield* Effect.provideService(World.started(), Dht, {
        ...dht,
        put: (record, options) => {
          asked.push(options?.minAcks)
          return dht.put(record, options)
        }
      })
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(asked, [4])
    }).pipe(World.on(world))
  })

  it.effect("is made again where all that hold the item are of one network, and may have one owner", () => {
    const world = World.make(still)
    return Effect.gen(function* () {
      const [record] = yield* World.remembered("besieged", 1)
      const dht = yield* Dht
      yield* dht.put(record!)
      world.puts.clear()
      const siege = Array.from({ length: 20 }, (_, i) => `8.8.0.${i}:6881`)
      const { of } = yield* Effect.provideService(World.started(), Dht, {
        ...dht,
        lookup: (...args) => Effect.map(dht.lookup(...args), (answer) => ({ ...answer, responders: siege }))
      })
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(of("Put").length, 1)
    }).pipe(World.on(world))
  })
})
