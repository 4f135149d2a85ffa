import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import * as Bootstrap from "../../../../src/runtime/dht/entry/Bootstrap.ts"

/** Nodes that are up, the table that they get into, and everybody who was asked. */
const setUp = Effect.fnUntraced(function* (options: Partial<Bootstrap.Options> = {}, up: Iterable<string> = []) {
  const living = new Set(up)
  const table = new Set<string>()
  const asked: Array<string> = []
  const heard = { count: 0, isSilent: false }
  const never = () => Effect.succeed([])
  const bootstrap = yield* Bootstrap.make({
    boundHost: "0.0.0.0",
    configured: [],
    dnsSeeds: [],
    isPublic: true,
    remembered: () => [],
    lookup: { addresses: never, texts: never },
    known: () => [...table],
    accepted: () => (heard.isSilent ? heard.count : ++heard.count),
    ask: (address, _way, onAnswer) => {
      asked.push(address)
      if (living.has(address)) table.add(address)
      onAnswer(living.has(address))
    },
    ...options
  })
  const start = Effect.forkScoped(bootstrap.keepLooking)
  return { bootstrap, living, table, asked, heard, start }
})

const A = "20.1.1.1:6881"
const B = "20.2.1.1:6881"

/** Enough to be well known, each of a network of its own. */
const ENOUGH = Array.from({ length: Bootstrap.NODES_ENOUGH }, (_, i) => `30.${i}.1.1:6881`)

const isDone = (fiber: Fiber.Fiber<unknown>) => fiber.pollUnsafe() !== undefined

describe("Bootstrap", () => {
  it.effect("hands out what needs no name to be looked up, and asks it again only in the next round", () =>
    Effect.gen(function* () {
      const { asked, bootstrap, start } = yield* setUp({ configured: [A], remembered: () => [B] })
      assert.sameMembers([...bootstrap.first], [A, B])
      yield* start
      yield* bootstrap.entered
      assert.deepStrictEqual(asked, [])
      yield* TestClock.adjust(Bootstrap.PAUSE_FIRST_MS * 1.5)
      assert.sameMembers(asked, [A, B])
    })
  )

  it.effect("finds dead nodes when they come up later, at growing pauses, for hours", () =>
    Effect.gen(function* () {
      const { asked, living, start, table } = yield* setUp({ configured: [A] })
      yield* start
      yield* TestClock.adjust("10 seconds")
      assert.isAtLeast(asked.length, 3)
      yield* TestClock.adjust("2 hours")
      assert.strictEqual(table.size, 0)
      const roundsInAnHour = (60 * 60_000) / Bootstrap.PAUSE_LONGEST_MS
      assert.isAtMost(asked.length, 2 * roundsInAnHour + 15)
      assert.isAtLeast(asked.length, roundsInAnHour)
      living.add(A)
      yield* TestClock.adjust(Bootstrap.PAUSE_LONGEST_MS * 1.5)
      assert.deepStrictEqual([...table], [A])
    })
  )

  it.effect("begins anew, with short pauses, when the table has run empty, and leaves it alone while it is well", () =>
    Effect.gen(function* () {
      const { asked, start, table } = yield* setUp({ configured: [A] }, [A])
      for (const node of ENOUGH) table.add(node)
      yield* start
      yield* TestClock.adjust("50 minutes")
      assert.deepStrictEqual(asked, [])
      table.clear()
      yield* TestClock.adjust(Bootstrap.WATCH_MS * 1.5)
      assert.deepStrictEqual([...table], [A])
    })
  )

  it.effect(
    "goes on with all its ways while only a neighbour is known, or few, and begins anew when they are gone",
    () =>
      Effect.gen(function* () {
        const texts: Array<string> = []
        const { asked, living, start, table } = yield* setUp({
          configured: ["router.example:6881", A],
          dnsSeeds: ["seed.example"],
          lookup: {
            addresses: () => Effect.succeed(["20.3.1.1"]),
            texts: (domain) => Effect.sync(() => (texts.push(domain), []))
          }
        })
        table.add("192.168.1.2:6881").add(B)
        yield* start
        yield* TestClock.adjust("30 minutes")
        assert.isAbove(texts.length, 5)
        assert.isAbove(asked.filter((address) => address === "20.3.1.1:6881").length, 5)
        const before = asked.length
        table.clear()
        living.add(A)
        yield* TestClock.adjust(Bootstrap.WATCH_MS * 1.5)
        assert.isAbove(asked.length, before)
        assert.deepStrictEqual([...table], [A])
      })
  )

  it.effect("does not take many nodes of one owner, or of the LAN, for the network", () =>
    Effect.gen(function* () {
      const owners = ["30.1.1", "192.168.1"]
      for (const owner of owners) {
        const { asked, start, table } = yield* setUp({ configured: [A] })
        for (let i = 1; i <= 40; i++) table.add(`${owner}.${i}:6881`)
        yield* start
        yield* TestClock.adjust("30 minutes")
        assert.isAbove(asked.length, 5, owner)
      }
    })
  )

  it.effect("asks all its ways again where nobody was heard for minutes, and each hour whoever is known", () =>
    Effect.gen(function* () {
      const { asked, heard, start, table } = yield* setUp({ configured: [A], remembered: () => [B] })
      yield* start
      yield* TestClock.adjust(1)
      for (const node of ENOUGH) table.add(node)
      yield* TestClock.adjust(Bootstrap.REFRESH_MS * 1.3)
      assert.deepStrictEqual(asked, [A, B])
      heard.isSilent = true
      yield* TestClock.adjust(Bootstrap.SILENCE_MS + 2 * Bootstrap.WATCH_MS)
      assert.isAtLeast(asked.length, 4)
      heard.isSilent = false
      yield* TestClock.adjust("1 minute")
      const before = asked.length
      yield* TestClock.adjust("40 minutes")
      assert.strictEqual(asked.length, before)
    })
  )

  it.effect("costs a network of few nodes one question to each of its ways in five minutes", () =>
    Effect.gen(function* () {
      const { asked, start, table } = yield* setUp(
        { boundHost: "127.0.0.1", isPublic: false, configured: ["127.0.0.1:7001"] },
        ["127.0.0.1:7001"]
      )
      for (let i = 1; i <= 3; i++) table.add(`127.0.0.1:700${i}`)
      yield* start
      yield* TestClock.adjust("30 minutes")
      const before = asked.length
      yield* TestClock.adjust("1 hour")
      assert.isAtMost(asked.length - before, 13)
    })
  )

  it.effect("does not wait for a name when somebody has answered already", () =>
    Effect.gen(function* () {
      const { bootstrap, start } = yield* setUp({
        configured: ["router.example:6881"],
        remembered: () => [B],
        lookup: { addresses: () => Effect.never, texts: () => Effect.succeed([]) }
      })
      yield* start
      const waiting = yield* Effect.forkChild(bootstrap.entered)
      yield* TestClock.adjust("10 millis")
      assert.isFalse(isDone(waiting))
      bootstrap.noteNode(B)
      yield* Fiber.join(waiting)
      assert.deepStrictEqual(bootstrap.report(), [{ way: "remembered", asked: 1, answered: 1 }])
    })
  )

  it.effect("waits for the names where nobody else is known, but not for ever", () =>
    Effect.gen(function* () {
      const found = yield* Deferred.make<ReadonlyArray<string>>()
      const { asked, bootstrap, start } = yield* setUp({
        configured: ["router.example:6881"],
        lookup: { addresses: () => Deferred.await(found), texts: () => Effect.succeed([]) }
      })
      yield* start
      const waiting = yield* Effect.forkChild(bootstrap.entered)
      yield* TestClock.adjust("10 millis")
      assert.isFalse(isDone(waiting))
      yield* Deferred.succeed(found, ["20.1.1.1"])
      yield* Fiber.join(waiting)
      assert.deepStrictEqual(asked, [A])

      const stuck = yield* setUp({
        configured: ["router.example:6881"],
        lookup: { addresses: () => Effect.never, texts: () => Effect.succeed([]) }
      })
      yield* stuck.start
      const patient = yield* Effect.forkChild(stuck.bootstrap.entered)
      yield* TestClock.adjust(Bootstrap.PATIENCE_MS - 1)
      assert.isFalse(isDone(patient))
      yield* TestClock.adjust(1)
      yield* Fiber.join(patient)
    })
  )

  it.effect("takes the first way that answers, while another one hangs", () =>
    Effect.gen(function* () {
      const { bootstrap, start, table } = yield* setUp(
        {
          configured: ["router.example:6881"],
          dnsSeeds: ["seed.example"],
          lookup: { addresses: () => Effect.never, texts: () => Effect.succeed([`dht=${B}`]) }
        },
        [B]
      )
      yield* start
      yield* bootstrap.entered
      assert.deepStrictEqual([...table], [B])
      assert.deepStrictEqual(bootstrap.report(), [{ way: "dns-seed", asked: 1, answered: 1 }])
    })
  )

  it.effect("asks others of the remembered nodes in each round, until all had their turn", () =>
    Effect.gen(function* () {
      const all = Array.from({ length: 3 * Bootstrap.REMEMBERED_PER_ROUND }, (_, i) => `20.${i}.1.1:6881`)
      const { asked, bootstrap, start } = yield* setUp({ remembered: () => all })
      assert.deepStrictEqual(bootstrap.first, all.slice(0, Bootstrap.REMEMBERED_PER_ROUND))
      yield* start
      yield* TestClock.adjust("10 seconds")
      assert.sameMembers([...new Set([...bootstrap.first, ...asked])], all)
    })
  )

  it.effect(
    "keeps private addresses, and those that peers tell of elsewhere, out of the public network and the reverse",
    () =>
      Effect.gen(function* () {
        const seeds = {
          dnsSeeds: ["seed.example"],
          lookup: {
            addresses: () => Effect.succeed([]),
            texts: () => Effect.succeed(["dht=192.168.1.1:6881"])
          }
        }
        const open = yield* setUp(seeds)
        yield* open.start
        open.bootstrap.offer("192.168.1.1:6881", "torrent-peer")
        open.bootstrap.offer("no address", "torrent-peer")
        open.bootstrap.offer("240.0.0.1:6881", "lan")
        yield* TestClock.adjust("10 seconds")
        assert.deepStrictEqual(open.asked, [])

        const apart = yield* setUp({ ...seeds, isPublic: false })
        yield* apart.start
        apart.bootstrap.offer(A, "torrent-peer")
        yield* TestClock.adjust("10 seconds")
        assert.deepStrictEqual([...new Set(apart.asked)], ["192.168.1.1:6881"])
      })
  )

  it.effect(
    "asks nodes that peers and neighbours tell of, not too many at once, and those of the last minutes again",
    () =>
      Effect.gen(function* () {
        const { asked, bootstrap, start } = yield* setUp()
        for (let i = 0; i < 100; i++) bootstrap.offer(`20.${i}.1.1:6881`, "torrent-peer")
        assert.strictEqual(asked.length, 1)
        yield* start
        yield* TestClock.adjust("10 millis")
        assert.isAtMost(asked.length, 40)
        bootstrap.offer("192.168.1.7:6881", "lan")
        yield* TestClock.adjust("10 seconds")
        assert.include(asked, "192.168.1.7:6881")
      })
  )
})
