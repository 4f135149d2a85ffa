/** What becomes of packets. */
import { assert, describe, it } from "@effect/vitest"
import { Chance } from "../../../../src/protocol/testing/simulation/Chance.ts"
import { Kernel } from "../../../../src/protocol/testing/simulation/Kernel.ts"
import { type Keep, lineOf, TAIL_ENTRIES, timeOf, Trace } from "../../../../src/protocol/testing/simulation/Trace.ts"
import { FAIR, NAT_LIFETIME_MS, Weather } from "../../../../src/protocol/testing/simulation/Weather.ts"
import { Wire } from "../../../../src/protocol/testing/simulation/Wire.ts"

const PACKETS = 5_000

const make = (seed = 1) => {
  const kernel = new Kernel(Chance.of(seed))
  return { kernel, weather: new Weather(kernel, Chance.of(seed).fork("weather")) }
}

const fates = (weather: Weather, from = "a", to = "b") =>
  Array.from({ length: PACKETS }, () => weather.datagram(from, to))

const lostShare = (weather: Weather, from?: string, to?: string) =>
  fates(weather, from, to).filter(({ _tag }) => _tag === "Lost").length / PACKETS

const delays = (weather: Weather) =>
  fates(weather).flatMap((fate) => (fate._tag === "Arrives" ? fate.delaysMs.slice(0, 1) : []))

describe("Weather", () => {
  it("is fair: nothing is lost or doubled, and packets overtake each other within bounds", () => {
    const { weather } = make()
    assert.strictEqual(lostShare(weather), 0)
    const times = delays(weather)
    assert.isAtLeast(Math.min(...times), FAIR.delayMinMs)
    assert.isAtMost(Math.max(...times), FAIR.delayMaxMs)
    assert.closeTo(times.reduce((sum, time) => sum + time, 0) / PACKETS, FAIR.delayMinMs + FAIR.delayMeanMs, 3)
    assert.isAbove(new Set(times).size, 50)
  })

  it("loses and doubles the share of packets that it is told to, until that is over", () => {
    const { weather } = make()
    const over = [
      weather.change((before) => ({ ...before, lossShare: 0.3 })),
      weather.change((before) => ({ ...before, replayShare: 0.5 }))
    ]
    assert.closeTo(lostShare(weather), 0.3, 0.02)
    const arrived = fates(weather).filter((fate) => fate._tag === "Arrives")
    assert.closeTo(arrived.filter(({ delaysMs }) => delaysMs.length === 2).length / arrived.length, 0.5, 0.02)
    for (const { delaysMs } of arrived) assert.isTrue(delaysMs[1] === undefined || delaysMs[1] >= delaysMs[0]!)
    for (const end of over) end()
    assert.deepStrictEqual(weather.conditions, FAIR)
  })

  it("keeps a change while another one ends, and may be changed twice in the same way", () => {
    const { weather } = make()
    const worse = () => weather.change((before) => ({ ...before, lossShare: before.lossShare + 0.1 }))
    const first = worse()
    worse()
    assert.closeTo(weather.conditions.lossShare, 0.2, 1e-9)
    first()
    first()
    assert.closeTo(weather.conditions.lossShare, 0.1, 1e-9)
  })

  it("parts some from others, both ways or one way", () => {
    const { weather } = make()
    const heal = weather.cut((from) => from === "a")
    assert.strictEqual(lostShare(weather, "a", "b"), 1)
    assert.strictEqual(lostShare(weather, "b", "a"), 0)
    heal()
    assert.strictEqual(lostShare(weather, "a", "b"), 0)
  })

  it("lets in to a translated endpoint only what answers, for as long as RFC 4787 asks", () => {
    const { kernel, weather } = make()
    weather.translate("inside", true)
    assert.isFalse(weather.isReachable("inside"))
    const isIn = (from: string) => weather.datagram(from, "inside")._tag === "Arrives"
    assert.isFalse(isIn("b"))
    weather.datagram("inside", "b")
    assert.isTrue(isIn("b"))
    assert.isFalse(isIn("c"), "who was not asked does not get in")
    kernel.now += NAT_LIFETIME_MS
    assert.isTrue(isIn("b"))
    kernel.now += 1
    assert.isFalse(isIn("b"))
    weather.translate("inside", false)
    assert.isTrue(isIn("c"))
  })
})

describe("Wire", () => {
  const connect = () => {
    const { kernel, weather } = make()
    const trace = new Trace("all")
    const wire = new Wire<string>(kernel, weather, trace, (message) => message)
    const heard: Array<string> = []
    const listen = (name: string, address: string) =>
      wire.attach({ name, address, receive: (message, from) => heard.push(`${name} hears ${message} from ${from}`) })
    const run = () => kernel.run(() => false, Number.MAX_SAFE_INTEGER)
    return { kernel, weather, trace, wire, heard, listen, run }
  }
  const alice = { name: "alice", address: "10.0.0.1:1" }

  it("delivers to whoever listens there when it arrives", () => {
    const { heard, listen, run, trace, wire } = connect()
    const leave = listen("bob", "10.0.0.2:1")
    wire.send(alice, "10.0.0.2:1", "hello")
    leave()
    listen("ben", "10.0.0.2:1")
    run()
    assert.deepStrictEqual(heard, ["ben hears hello from 10.0.0.1:1"])
    assert.match(trace.entries.map(lineOf).join("\n"), /^00:00:00\.000 alice {4}-> bob {6}hello \(\d+ ms\)$/)
  })

  it("tells in the trace what was lost, and why", () => {
    const { heard, listen, run, trace, weather, wire } = connect()
    listen("bob", "10.0.0.2:1")
    weather.cut(() => true)
    wire.send(alice, "10.0.0.2:1", "hello")
    wire.send(alice, "10.0.0.3:1", "hello")
    run()
    assert.deepStrictEqual(heard, [])
    assert.deepStrictEqual(
      trace.entries.map(({ kind, text, to }) => `${kind} ${to} ${text}`),
      ["lost bob hello: cut off", "lost 10.0.0.3:1 hello: cut off"]
    )
  })

  it("does not take away a listener who came later", () => {
    const { heard, listen, run, wire } = connect()
    const leave = listen("bob", "10.0.0.2:1")
    listen("ben", "10.0.0.2:1")
    leave()
    wire.send(alice, "10.0.0.2:1", "hello")
    run()
    assert.lengthOf(heard, 1)
  })
})

describe("Trace", () => {
  const fill = (keep: Keep, entries: number) => {
    const trace = new Trace(keep)
    for (let i = 0; i < entries; i++) trace.add({ atMs: i, kind: "did", from: "alice", text: `step ${i}` })
    return trace
  }

  it("has one hash whatever is kept, and another for the least change", () => {
    const hashes = (["none", "tail", "all"] as const).map((keep) => fill(keep, 1_000).hash)
    assert.strictEqual(new Set(hashes).size, 1)
    assert.notStrictEqual(fill("none", 999).hash, hashes[0])
    assert.strictEqual(fill("none", 0).hash, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
  })

  it("keeps nothing, the end, or all", () => {
    assert.lengthOf(fill("none", 5_000).entries, 0)
    assert.lengthOf(fill("tail", 5_000).entries, TAIL_ENTRIES)
    assert.strictEqual(fill("tail", 5_000).entries.at(-1)?.text, "step 4999")
    assert.lengthOf(fill("tail", TAIL_ENTRIES - 1).entries, TAIL_ENTRIES - 1)
    assert.lengthOf(fill("all", 5_000).entries, 5_000)
    assert.strictEqual(fill("tail", 5_000).count, 5_000)
  })

  it("can be asked for its hash on the way", () => {
    const trace = fill("none", 10)
    const before = trace.hash
    assert.strictEqual(trace.hash, before)
    trace.add({ atMs: 0, kind: "note", from: "", text: "" })
    assert.notStrictEqual(trace.hash, before)
  })

  it("writes times as people read them", () => {
    assert.strictEqual(timeOf(0), "00:00:00.000")
    assert.strictEqual(timeOf(86_399_999), "23:59:59.999")
    assert.strictEqual(timeOf(86_400_000 + 3_723_004), "1d 01:02:03.004")
    assert.strictEqual(timeOf(365 * 86_400_000), "365d 00:00:00.000")
  })
})

describe("lineOf", () => {
  it("keeps a hostile text on its line", () => {
    const entry = { atMs: 0, kind: "note" as const, from: "n1" }
    const lines = ["a\nb", "\u0000\u001b[31m", "a\nb", "plain"].map((text) => lineOf({ ...entry, text }))
    for (const line of lines) assert.notMatch(line, /\p{Cc}/u)
    assert.strictEqual(lines[0], lines[2])
  })
})
