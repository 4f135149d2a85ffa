import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import { TestClock } from "effect/testing"
import * as fc from "fast-check"
import { sha1 } from "../src/protocol/core/Digest.ts"
import type { Target } from "../src/protocol/dht/Record.ts"
import * as Batch from "../src/protocol/registry/Batch.ts"
import * as RePutHealth from "../src/protocol/registry/RePutHealth.ts"
import * as RePutItem from "../src/protocol/registry/RePutItem.ts"
import * as RePutSchedule from "../src/protocol/registry/RePutSchedule.ts"
import * as World from "../test/protocol/registry/RePutWorld.ts"
import { runs, runsUpTo } from "./Runs.ts"

const { DAY, HOUR } = World

const hours = (min: number, max: number) => fc.double({ min, max, noNaN: true }).map((n) => Duration.millis(n * HOUR))

const schedule = fc
  .record({
    interval: hours(0.01, 48),
    jitter: fc.double({ min: 0, max: RePutSchedule.JITTER_MAX, noNaN: true }),
    spread: fc.boolean(),
    threshold: fc.integer({ min: 1, max: 20 }),
    checkInterval: hours(0.01, 48),
    weakInterval: hours(0.01, 4),
    adaptive: fc.boolean()
  })
  .map(RePutSchedule.make)

/** From 0 to just under 1, as `Random.next` gives. */
const chance = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
const count = fc.option(fc.nat(20), { nil: undefined })
const step = fc.record({
  what: fc.constantFrom("put", "look", "fail", "miss", "supersede"),
  count,
  afterMs: fc.nat(30 * HOUR),
  put: chance,
  look: chance
})

const fresh = RePutHealth.fresh(RePutItem.page(sha1(new Uint8Array()) as Target), 0)

/** A health as a life of puts, looks and failures leaves it, and the time then. */
const lived = (self: RePutSchedule.RePutSchedule) =>
  fc.array(step, { maxLength: 12 }).map((steps) => {
    let now = 0
    let health = fresh
    for (const { afterMs, count, what, ...random } of steps) {
      now += afterMs
      const changed = {
        put: () => RePutHealth.put(health, count, now),
        look: () => RePutHealth.looked(health, count, now),
        fail: () => RePutHealth.failed(health),
        miss: () => RePutHealth.missing(health, now),
        supersede: () => RePutHealth.superseded(health)
      }[what]
      health = RePutSchedule.plan(self, changed(), now, random)
    }
    return { health, now }
  })

const life = schedule.chain((self) => fc.tuple(fc.constant(self), lived(self)))

describe("re-put schedules", () => {
  it("the next step is always due after now and at most one interval later, whatever happened", () => {
    fc.assert(
      fc.property(life, chance, ([self, { health, now }], random) => {
        const due = RePutSchedule.next(self, health, now, random)
        assert.isAbove(due, now)
        assert.isAtMost(due, now + Duration.toMillis(self.interval))
        assert.isTrue(Number.isInteger(due))
      }),
      runs
    )
  })

  it("no pause is shorter than the weak interval, so nothing is written more often", () => {
    fc.assert(
      fc.property(life, chance, ([self, { health, now }], random) => {
        const least = Math.min(Duration.toMillis(self.weakInterval), Duration.toMillis(self.interval))
        assert.isAtLeast(RePutSchedule.next(self, health, now, random), now + Math.floor(least))
      }),
      runs
    )
  })

  it("an item that this host put is due again within one interval of it", () => {
    fc.assert(
      fc.property(life, chance, count, ([self, { health, now }], random, acks) => {
        const put = RePutHealth.put(health, acks, now)
        assert.isAtMost(RePutSchedule.putBy(self, put, now, random), now + Duration.toMillis(self.interval))
      }),
      runs
    )
  })

  it("what enough nodes hold and is not due is never put", () => {
    fc.assert(
      fc.property(life, fc.nat(20), fc.nat(30 * HOUR), ([self, { health, now }], more, laterMs) => {
        fc.pre(!RePutSchedule.isDue(health, now + laterMs))
        assert.strictEqual(RePutSchedule.decide(self, health, self.threshold + more, now + laterMs), "wait")
      }),
      runs
    )
  })

  it("what fewer nodes hold than the threshold is always put", () => {
    fc.assert(
      fc.property(life, chance, ([self, { health, now }], share) => {
        assert.strictEqual(RePutSchedule.decide(self, health, Math.floor(share * self.threshold), now), "put")
      }),
      runs
    )
  })

  it("fewer holders never make the next look later", () => {
    fc.assert(
      fc.property(life, fc.nat(20), fc.nat(20), chance, ([self, { health, now }], one, other, random) => {
        const dueWith = (holders: number) =>
          RePutSchedule.next(self, { ...health, holders, acks: holders, lastLook: now }, now, random)
        assert.isAtMost(dueWith(Math.min(one, other)), dueWith(Math.max(one, other)))
      }),
      runs
    )
  })
})

describe("batches", () => {
  const size = fc.integer({ min: Batch.SIZE_MIN, max: Batch.SIZE_MAX })
  const latencyMs = fc.double({ min: 0, max: 20_000, noNaN: true })

  it("a batch has from 5 to 50 items, whatever came before", () => {
    const result = fc.record({ succeeded: fc.nat(50), failed: fc.nat(50), latencyMs })
    fc.assert(
      fc.property(fc.array(result), (results) => {
        const last = results.reduce(Batch.next, Batch.SIZE_FIRST)
        assert.isAtLeast(last, 5)
        assert.isAtMost(last, 50)
      }),
      runs
    )
  })

  it("more successes never make the next batch smaller, nor does less latency", () => {
    fc.assert(
      fc.property(size, size, fc.nat(50), fc.nat(50), latencyMs, latencyMs, (size, total, a, b, slow, fast) => {
        const after = (succeeded: number, latencyMs: number) =>
          Batch.next(size, { succeeded, failed: total - succeeded, latencyMs })
        const [less, more] = [Math.min(a, b, total), Math.min(Math.max(a, b), total)]
        assert.isAtMost(after(less, Math.max(slow, fast)), after(more, Math.min(slow, fast)))
      }),
      runs
    )
  })
})

describe("re-put in a network that forgets", () => {
  /** Up to half as much again as was measured on Mainline. */
  const churn = fc.record({
    nodes: fc.integer({ min: 30, max: 60 }),
    holders: fc.integer({ min: 12, max: 20 }),
    leavePerHour: fc.double({ min: 0, max: 0.03, noNaN: true }),
    forgetful: fc.double({ min: 0, max: 0.3, noNaN: true }),
    memoryMs: fc.constantFrom(DAY, 2 * DAY, Number.POSITIVE_INFINITY),
    seed: fc.nat()
  })

  it("no record is lost in a week of random churn, and none is written more than once an hour", async () => {
    await fc.assert(
      fc.asyncProperty(churn, fc.nat(), async (churn, chance) => {
        const world = World.make({ ...World.mainline, ...churn })
        const week = Effect.gen(function* () {
          const records = yield* World.remembered("kept", 1)
          yield* World.started()
          yield* TestClock.adjust("7 days")
          return records.map(World.targetOf)
        })
        const targets = await Effect.runPromise(
          week.pipe(
            Effect.scoped,
            Effect.provide(Layer.mergeAll(World.host(world), TestClock.layer())),
            Random.withSeed(String(chance))
          )
        )
        assert.deepStrictEqual(world.lost(7 * DAY), [])
        for (const target of targets) {
          const puts = world.puts.get(target) ?? []
          assert.isAtLeast(puts.length, 7)
          assert.isTrue(puts.every((at, i) => i === 0 || at - puts[i - 1]! >= HOUR))
        }
      }),
      runsUpTo(25)
    )
  })

  it("nothing is written before its time where no node leaves or forgets", async () => {
    const calm = fc.record({
      nodes: fc.integer({ min: 30, max: 60 }),
      holders: fc.integer({ min: 6, max: 20 }),
      seed: fc.nat()
    })
    await fc.assert(
      fc.asyncProperty(calm, fc.nat(), async (churn, chance) => {
        const world = World.make({ ...World.still, ...churn })
        const week = Effect.gen(function* () {
          yield* World.remembered("kept", 1)
          yield* World.started()
          yield* TestClock.adjust("7 days")
        })
        await Effect.runPromise(
          week.pipe(
            Effect.scoped,
            Effect.provide(Layer.mergeAll(World.host(world), TestClock.layer())),
            Random.withSeed(String(chance))
          )
        )
        const [puts] = [...world.puts.values()]
        assert.isTrue(puts!.every((at, i) => i === 0 || at - puts![i - 1]! >= 0.8 * 22 * HOUR - 1))
      }),
      runsUpTo(25)
    )
  })
})
