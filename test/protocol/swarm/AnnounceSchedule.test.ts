/** What is announced when, by a clock that is only counted. */
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import {
  ANNOUNCE_INTERVAL,
  ANNOUNCE_JITTER,
  ANNOUNCE_OVERDUE,
  ANNOUNCE_RETRY,
  AnnounceSchedule,
  type Bounds,
  defaultBounds
} from "../../../src/protocol/swarm/AnnounceSchedule.ts"

const MINUTE = 60_000

interface Told {
  readonly key: string
  readonly at: number
}

/** Announces take `tookMs` of counted time, chances repeat themselves, and nothing else goes on. */
const play = (
  schedule: AnnounceSchedule,
  untilMs: number,
  options: { readonly tookMs?: number; readonly fails?: (told: Told) => boolean; readonly fromMs?: number } = {}
) => {
  const told: Array<Told> = []
  const running: Array<{ readonly told: Told; readonly ends: number }> = []
  let now = options.fromMs ?? 0
  let seed = 1
  let most = 0
  while (now <= untilMs) {
    for (const one of running.splice(0)) {
      if (one.ends > now) running.push(one)
      else {
        seed = (seed * 16_807) % 2_147_483_647
        schedule.done(one.told.key, now, options.fails?.(one.told) !== true, seed / 2_147_483_647)
      }
    }
    const step = schedule.next(now)
    if (step._tag === "Announce") {
      told.push({ key: step.key, at: now })
      running.push({ told: told.at(-1)!, ends: now + (options.tookMs ?? 0) })
      most = Math.max(most, running.length)
      continue
    }
    const ends = Math.min(...running.map((one) => one.ends))
    const wakes = step._tag === "Wait" ? now + step.ms : Infinity
    now = Math.max(now + 1, Math.min(ends, wakes, untilMs + 1))
  }
  return { told, most }
}

const many = (count: number, bounds?: Bounds) => {
  const schedule = new AnnounceSchedule(bounds)
  for (let i = 0; i < count; i++) schedule.add(`torrent ${i}`)
  return schedule
}

const byKey = (told: ReadonlyArray<Told>): ReadonlyMap<string, ReadonlyArray<number>> => {
  const times = new Map<string, Array<number>>()
  for (const { at, key } of told) times.set(key, [...(times.get(key) ?? []), at])
  return times
}

const gaps = (times: ReadonlyArray<number>) => times.slice(1).map((at, i) => at - times[i]!)

describe("AnnounceSchedule", () => {
  it("announces a single torrent at once, and again after 15 to 20 minutes", () => {
    const { told } = play(many(1), 120 * MINUTE)
    const times = told.map(({ at }) => at)
    assert.strictEqual(times[0], 0)
    for (const gap of gaps(times)) {
      assert.isAtLeast(gap, Duration.toMillis(ANNOUNCE_INTERVAL))
      assert.isAtMost(gap, Duration.toMillis(ANNOUNCE_INTERVAL) + Duration.toMillis(ANNOUNCE_JITTER))
    }
  })

  it("announces 10,000 within 10 minutes, and each again 15 to 30 minutes after its last announce", () => {
    const { told } = play(many(10_000), 90 * MINUTE, { tookMs: 1_500 })
    const times = byKey(told)
    assert.strictEqual(times.size, 10_000)
    for (const each of times.values()) {
      assert.isAtMost(each[0]!, 10 * MINUTE)
      for (const gap of gaps(each)) assert.isTrue(gap >= 15 * MINUTE && gap <= 30 * MINUTE, `${gap} ms`)
      assert.isAtLeast(each.at(-1)!, 60 * MINUTE)
    }
  })

  it("keeps to its rate and to how many are at work, at every moment", () => {
    const { most, told } = play(many(5_000), 60 * MINUTE, { tookMs: 3_000 })
    assert.isAtMost(most, defaultBounds.atOnce)
    for (let i = defaultBounds.perSecond * 2; i < told.length; i++) {
      // A second's worth may have been saved up.
      assert.isAbove(told[i]!.at - told[i - defaultBounds.perSecond * 2]!.at, 990)
    }
  })

  it("lets those that were announced together part", () => {
    const { told } = play(many(300), 60 * MINUTE)
    const second = [...byKey(told).values()].map((times) => times[1]!).toSorted((a, b) => a - b)
    const perMinute = new Map<number, number>()
    for (const at of second) perMinute.set(Math.floor(at / MINUTE), (perMinute.get(Math.floor(at / MINUTE)) ?? 0) + 1)
    assert.isAtLeast(perMinute.size, 5)
    assert.isAtMost(Math.max(...perMinute.values()), 110)
  })

  it("announces new torrents before those that are due again", () => {
    const schedule = many(200, { perSecond: 1, atOnce: 1 })
    play(schedule, 200_000)
    schedule.add("new")
    const { told } = play(schedule, 16 * MINUTE + 2_000, { fromMs: 16 * MINUTE })
    assert.strictEqual(told[0]!.key, "new")
  })

  it("announces one that is about to be forgotten before new ones", () => {
    const schedule = many(1, { perSecond: 1, atOnce: 1 })
    play(schedule, 1_000)
    for (let i = 0; i < 10_000; i++) schedule.add(`new ${i}`)
    const { told } = play(schedule, Duration.toMillis(ANNOUNCE_OVERDUE) + 5_000, { fromMs: 2_000 })
    const again = told.find(({ key }) => key === "torrent 0")
    assert.isDefined(again)
    assert.isAtLeast(again!.at, Duration.toMillis(ANNOUNCE_OVERDUE))
  })

  it("announces first what somebody waits for, whatever the rate", () => {
    const schedule = many(100, { perSecond: 1, atOnce: 8 })
    play(schedule, 500)
    schedule.hurry("torrent 99")
    schedule.hurry("torrent 98")
    const { told } = play(schedule, 501, { fromMs: 500 })
    assert.deepStrictEqual(told.map(({ key }) => key).slice(0, 2), ["torrent 99", "torrent 98"])
  })

  it("tries what failed again after some seconds, then more and more seldom", () => {
    const { told } = play(many(1), 60 * MINUTE, { fails: () => true })
    const [first, second, third] = gaps(told.map(({ at }) => at))
    const retry = Duration.toMillis(ANNOUNCE_RETRY)
    assert.isTrue(first! >= retry && first! <= 1.4 * retry)
    assert.isTrue(second! >= 2 * retry && second! <= 2.8 * retry)
    assert.isTrue(third! >= 4 * retry)
    assert.isAtMost(Math.max(...gaps(told.map(({ at }) => at))), 20 * MINUTE)
  })

  it("does not make up for a long sleep all at once", () => {
    const schedule = many(1_000)
    play(schedule, 5 * MINUTE)
    const { told } = play(schedule, 10 * 60 * MINUTE + 1_000, { fromMs: 10 * 60 * MINUTE })
    assert.isAtMost(told.length, 2 * defaultBounds.perSecond + 1)
  })

  it("goes on when the clock is set back", () => {
    const schedule = many(3)
    const day = 24 * 60 * MINUTE
    play(schedule, day + 1_000, { fromMs: day })
    const { told } = play(schedule, 21 * MINUTE, { fromMs: 0 })
    assert.deepStrictEqual([...byKey(told).keys()].toSorted(), ["torrent 0", "torrent 1", "torrent 2"])
  })

  it("forgets what is seeded no longer, also while it is announced", () => {
    const schedule = many(3)
    assert.strictEqual(schedule.next(0)._tag, "Announce")
    for (let i = 0; i < 3; i++) schedule.remove(`torrent ${i}`)
    schedule.done("torrent 0", 1, true, 0)
    assert.strictEqual(schedule.size, 0)
    assert.deepStrictEqual(schedule.next(1), { _tag: "Idle" })
  })

  it("keeps a torrent once, however often it is added", () => {
    const schedule = many(1)
    schedule.add("torrent 0")
    assert.strictEqual(play(schedule, 1_000).told.length, 1)
    assert.strictEqual(schedule.waiting, 0)
  })
})
