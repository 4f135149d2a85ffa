import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import { sha1 } from "../../../src/protocol/core/Digest.ts"
import type { Target } from "../../../src/protocol/dht/Record.ts"
import * as Batch from "../../../src/protocol/registry/Batch.ts"
import * as RePutHealth from "../../../src/protocol/registry/RePutHealth.ts"
import * as RePutItem from "../../../src/protocol/registry/RePutItem.ts"
import * as RePutSchedule from "../../../src/protocol/registry/RePutSchedule.ts"

const HOUR = 60 * 60 * 1000
const schedule = RePutSchedule.make({ spread: false })
const fresh = RePutHealth.fresh(RePutItem.page(sha1(new Uint8Array()) as Target), 0)

/** After a put at time 0 that `acks` nodes took, planned without jitter. */
const put = (acks: number | undefined, self = schedule) =>
  RePutSchedule.plan(self, RePutHealth.put(fresh, acks, 0), 0, { put: 0, look: 0 })

const looked = (health: RePutHealth.Health, holders: number | undefined, hours: number, self = schedule) =>
  RePutSchedule.plan(self, RePutHealth.looked(health, holders, hours * HOUR), hours * HOUR, { put: 0, look: 0 })

const hoursUntil = (health: RePutHealth.Health, now = 0): number => (health.nextDue - now * HOUR) / HOUR

describe("RePutSchedule", () => {
  it("puts once an interval, or up to a fifth sooner, whoever holds the item", () => {
    const health = RePutHealth.put(fresh, 15, 0)
    assert.strictEqual(RePutSchedule.putBy(schedule, health, 0, 0), 22 * HOUR)
    assert.approximately(RePutSchedule.putBy(schedule, health, 0, 0.999_999), 0.8 * 22 * HOUR, 1000)
  })

  it("draws the first pause of a crowd from the whole interval", () => {
    const spread = RePutSchedule.make({ spread: true })
    const first = RePutHealth.put(fresh, 15, 0)
    assert.strictEqual(RePutSchedule.putBy(spread, first, 0, 0.5), 11 * HOUR)
    const second = RePutHealth.put(first, 15, 0)
    assert.strictEqual(RePutSchedule.putBy(spread, second, 0, 0.5), 0.9 * 22 * HOUR)
  })

  it("looks once the nodes have gone that forget after two hours", () => {
    const pause = hoursUntil(put(15))
    assert.isAbove(pause, 2)
    assert.isBelow(pause, 3)
  })

  it("looks later the better an item survives, and never later than the check interval", () => {
    const pauses = [14, 12, 10, 8, 7, 6].map((holders) => hoursUntil(looked(put(15), holders, 2.5), 2.5))
    assert.deepStrictEqual(
      pauses,
      pauses.toSorted((a, b) => b - a)
    )
    assert.strictEqual(pauses[0], 6)
    assert.strictEqual(pauses.at(-1), 1.25)
  })

  it("does not look when it puts within the hour anyway", () => {
    const health = looked(put(15), 15, 16)
    assert.strictEqual(health.nextDue, 22 * HOUR)
  })

  it("comes back within the hour, or a little more, to what few nodes took and to what failed", () => {
    assert.strictEqual(hoursUntil(put(5)), 1.25)
    const failed = RePutSchedule.plan(schedule, RePutHealth.failed(put(15)), HOUR, { put: 0, look: 1 })
    assert.strictEqual(hoursUntil(failed, 1), 1)
  })

  it("waits for the put where it cannot tell who holds the item, or does not ask", () => {
    assert.strictEqual(put(undefined).nextDue, 22 * HOUR)
    assert.strictEqual(put(15, RePutSchedule.make({ adaptive: false, spread: false })).nextDue, 22 * HOUR)
  })

  it("puts below the threshold, and else only when it is due", () => {
    const health = put(15)
    assert.strictEqual(RePutSchedule.decide(schedule, health, 5, 3 * HOUR), "put")
    assert.strictEqual(RePutSchedule.decide(schedule, health, 6, 3 * HOUR), "wait")
    assert.strictEqual(RePutSchedule.decide(schedule, health, 20, 22 * HOUR), "put")
  })

  it("puts what it never put and cannot tell who holds once, and then waits", () => {
    assert.strictEqual(RePutSchedule.decide(schedule, fresh, undefined, 0), "put")
    assert.strictEqual(RePutSchedule.decide(schedule, put(15), undefined, 3 * HOUR), "wait")
    assert.strictEqual(RePutSchedule.decide(schedule, put(2), undefined, 3 * HOUR), "put")
  })

  it("takes an item for short-lived when all but all of its holders forget it within hours", () => {
    assert.isDefined(looked(put(15), 1, 2.5).hourlyUntil)
    assert.isUndefined(looked(put(15), 2, 2.5).hourlyUntil)
    assert.isUndefined(looked(put(15), 1, 5).hourlyUntil)
    const once = looked(put(1), 0, 2.5)
    assert.isUndefined(once.hourlyUntil, "one node may have left")
    const again = looked({ ...RePutHealth.put(once, 1, 3 * HOUR) }, 0, 5)
    assert.isDefined(again.hourlyUntil)
  })

  it("does not take a put by somebody else for a loss", () => {
    const health = looked(put(8), 15, 3)
    assert.deepStrictEqual(health.survival, fresh.survival)
  })

  it("measures the rate at which holders are lost", () => {
    const perHour = 0.05
    let health = put(1000)
    for (let hour = 2; hour <= 20; hour += 2) {
      health = looked(health, Math.round(1000 * Math.exp(-perHour * hour)), hour)
    }
    assert.approximately(RePutHealth.lossPerMs(health.survival) * HOUR, perHour, 0.005)
  })

  it("refuses schedules that make no sense", () => {
    assert.throws(() => RePutSchedule.make({ jitter: 0.6 }), RangeError)
    assert.throws(() => RePutSchedule.make({ threshold: 0 }), RangeError)
    assert.throws(() => RePutSchedule.make({ interval: Duration.zero }), RangeError)
    assert.throws(() => RePutSchedule.make({ checkInterval: Duration.infinity }), RangeError)
  })
})

describe("Batch", () => {
  it("grows by five above 95 % and shrinks by five below 90 %, between 5 and 50", () => {
    const next = (size: number, failedOf100: number, latencyMs = 10) =>
      Batch.next(size, { succeeded: 100 - failedOf100, failed: failedOf100, latencyMs })
    assert.deepStrictEqual([next(10, 0), next(10, 4), next(10, 5), next(10, 10), next(10, 11)], [15, 15, 10, 10, 5])
    assert.deepStrictEqual([next(50, 0), next(48, 0), next(5, 100), next(7, 100)], [50, 50, 5, 5])
  })

  it("shrinks over the latency target, and does not grow at it", () => {
    const next = (latencyMs: number) => Batch.next(20, { succeeded: 20, failed: 0, latencyMs })
    assert.deepStrictEqual([next(4999), next(5000), next(5001)], [25, 20, 15])
  })

  it("learns nothing from nothing", () => {
    assert.strictEqual(Batch.next(20, { succeeded: 0, failed: 0, latencyMs: 0 }), 20)
  })
})
