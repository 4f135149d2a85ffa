import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as SqlClient from "effect/sql/SqlClient"
import { TestClock } from "effect/testing"
import * as fc from "fast-check"
import { ITEMS_MAX, RePutState } from "../src/protocol/registry/RePutState.ts"
import type { Health } from "../src/protocol/registry/RePutHealth.ts"
import { KINDS } from "../src/protocol/registry/RePutItem.ts"
import * as RePutSchedule from "../src/protocol/registry/RePutSchedule.ts"
import * as Sqlite from "../src/runtime/store/Sqlite.ts"
import * as SqliteRePutState from "../src/runtime/store/SqliteRePutState.ts"
import * as World from "../test/protocol/registry/RePutWorld.ts"
import { runs, runsUpTo } from "./Runs.ts"

const { HOUR } = World

const INTERVAL = 22 * HOUR

const count = fc.nat(100)
const time = fc.integer({ min: 0, max: 4_102_444_800_000 })
/** JSON knows no -0. */
const amount = fc.double({ min: Number.MIN_VALUE, max: 1e12, noNaN: true })
const maybe = <A>(arbitrary: fc.Arbitrary<A>) => fc.option(arbitrary, { nil: undefined })
const node = fc.tuple(fc.ipV4(), fc.integer({ min: 1, max: 65_535 })).map(([host, port]) => `${host}:${port}`)

const health: fc.Arbitrary<Health> = fc.record({
  kind: fc.constantFrom(...KINDS),
  target: fc.string({ unit: fc.constantFrom(..."0123456789abcdef"), minLength: 40, maxLength: 40 }),
  keyString: maybe(fc.string({ unit: "grapheme" })),
  acks: maybe(count),
  holders: maybe(count),
  keepers: fc.array(node, { maxLength: 20 }),
  kept: maybe(count),
  puts: count,
  lastPut: maybe(time),
  lastLook: maybe(time),
  putBy: maybe(time),
  isInStep: fc.boolean(),
  nextDue: time,
  failures: count,
  isMissing: fc.boolean(),
  survival: fc.record({ lost: amount, nodeMs: amount, longestMs: amount }),
  shortLives: count,
  hourlyUntil: maybe(time)
})

const healths = fc.uniqueArray(health, { maxLength: 8, selector: ({ kind, target }) => `${kind} ${target}` })

const sorted = (some: ReadonlyArray<Health>) =>
  some.toSorted((a, b) => (a.target + a.kind < b.target + b.kind ? -1 : 1))

const sqlite = Layer.provideMerge(SqliteRePutState.layer, Sqlite.layerMemory)

describe("the state of what is kept alive", () => {
  for (const [name, layer] of [["memory", RePutState.layerMemory] as const, ["SQLite", sqlite] as const]) {
    it(`what is loaded is what was saved, in ${name}`, async () => {
      await fc.assert(
        fc.asyncProperty(healths, time, async (some, now) => {
          const roundTrip = Effect.gen(function* () {
            const { load, save } = yield* RePutState
            yield* save(some, now)
            return yield* load
          })
          const loaded = await Effect.runPromise(Effect.provide(roundTrip, layer))
          assert.deepStrictEqual(sorted(loaded.healths), sorted(some))
          assert.strictEqual(loaded.savedAt, now)
        }),
        runsUpTo(100)
      )
    })
  }

  it("what an earlier run planned stays, and no plan lies further off than the schedule allows", () => {
    fc.assert(
      fc.property(health, time, fc.integer({ min: 1, max: 48 }), (before, now, hours) => {
        const schedule = RePutSchedule.make({ interval: Duration.hours(hours) })
        const after = RePutSchedule.resumed(schedule, before, now)
        assert.isAtMost(after.nextDue, before.nextDue)
        assert.isAtMost(after.nextDue, now + hours * HOUR)
        if (after.putBy !== undefined) assert.isAtMost(after.putBy, (before.lastPut ?? now) + hours * HOUR)
        assert.deepStrictEqual({ ...after, nextDue: 0, putBy: 0 }, { ...before, nextDue: 0, putBy: 0 })
      }),
      runs
    )
  })

  it("of more than it remembers, those longest unheard of go first", async () => {
    const crowded = Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { save } = yield* RePutState
      yield* sql`INSERT INTO keep_alive (kind, target, saved_at, health)
        WITH RECURSIVE counted (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n <= ${ITEMS_MAX})
        SELECT 'page', printf('%040x', n), n, '{}' FROM counted`
      yield* save([], ITEMS_MAX)
      return yield* sql`SELECT count(*), min(saved_at) FROM keep_alive`.values
    })
    const [row] = await Effect.runPromise(Effect.provide(crowded, sqlite))
    assert.deepStrictEqual(row, [ITEMS_MAX, 2])
  })
})

describe("a loop that is stopped and started again", () => {
  /** Hours for which it runs, and then is gone. */
  const life = fc.array(
    fc.record({ runs: fc.integer({ min: 1, max: 400 }), rests: fc.integer({ min: 0, max: 120 }) }),
    {
      minLength: 2,
      maxLength: 6
    }
  )

  it("asks for nothing before it is due, and leaves no gap above the interval but while it is gone", async () => {
    await fc.assert(
      fc.asyncProperty(life, fc.nat(), fc.nat(), async (life, seed, chance) => {
        const world = World.make({ ...World.mainline, seed })
        const lived = Effect.gen(function* () {
          const [record] = yield* World.remembered("kept", 1)
          let longestRest = 0
          let planned: number | undefined
          for (const { rests, runs } of life) {
            const looks = world.looks
            const { rePut, stop } = yield* World.started()
            const now = yield* Effect.clockWith((clock) => clock.currentTimeMillis)
            if (planned !== undefined) {
              const isDue = planned <= now
              yield* TestClock.adjust(isDue ? 1 : Math.min(planned - now - 1, 6 * runs * 60_000))
              assert.strictEqual(world.looks > looks, isDue)
            }
            yield* TestClock.adjust(runs * 6 * 60_000)
            planned = (yield* rePut.health)[0]!.nextDue
            yield* stop
            yield* TestClock.adjust(rests * 60_000)
            longestRest = Math.max(longestRest, rests * 60_000)
          }
          const puts = world.puts.get(World.targetOf(record!)) ?? []
          for (const [i, at] of puts.entries()) {
            if (i > 0) assert.isAtMost(at - puts[i - 1]!, INTERVAL + longestRest)
          }
        })
        const layers = Layer.mergeAll(World.host(world), RePutState.layerMemory, TestClock.layer())
        await Effect.runPromise(lived.pipe(Effect.scoped, Effect.provide(layers), Random.withSeed(String(chance))))
      }),
      runsUpTo(25)
    )
  })
})
