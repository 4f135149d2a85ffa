/** Faults do what they say, and undo it. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Chance } from "../../../../src/protocol/testing/simulation/Chance.ts"
import * as Fault from "../../../../src/protocol/testing/simulation/Fault.ts"
import * as KeyString from "../../../../src/protocol/dht/KeyString.ts"
import * as Record from "../../../../src/protocol/dht/Record.ts"
import { HOUR, MINUTE, type Scenario, SECOND } from "../../../../src/protocol/testing/simulation/Scenario.ts"
import * as Simulation from "../../../../src/protocol/testing/simulation/Simulation.ts"
import type { World } from "../../../../src/protocol/testing/simulation/World.ts"
import { service as ed25519 } from "./Crypto.ts"

const NODES = 40

/** What `look` sees before, during and after a fault that is there from the first minute to the second. */
const around = <A>(fault: Fault.Fault, look: (world: World) => A) => {
  const seen: Array<A> = []
  const scenario: Scenario = {
    name: "faults",
    about: "",
    faults: () => [fault],
    play: (world) =>
      Effect.sync(() => {
        world.host("alice")
        world.host("bob")
        const steps = [30, 90, 150].map((second) => ({
          atMs: second * SECOND,
          title: `looking at ${second} s`,
          run: Effect.sync(() => seen.push(look(world)))
        }))
        return { steps }
      })
  }
  const report = Effect.runSync(Simulation.run({ seed: 5, scenario, nodes: NODES, ed25519 }))
  assert.isUndefined(report.finding)
  return seen
}

const span = { atMs: MINUTE, forMs: MINUTE }

const isCut = (from: string, to: string) => (world: World) => world.weather.isCut(from, to)

describe("Fault", () => {
  it("changes the weather", () => {
    const conditions = (fault: Fault.Fault) => around(fault, ({ weather }) => weather.conditions)
    assert.deepStrictEqual(
      conditions(Fault.loss(span, 0.3)).map(({ lossShare }) => lossShare),
      [0, 0.3, 0]
    )
    assert.deepStrictEqual(
      conditions(Fault.replay(span, 0.5)).map(({ replayShare }) => replayShare),
      [0, 0.5, 0]
    )
    assert.deepStrictEqual(
      conditions(Fault.slow(span, 900, 10_000)).map(({ delayMaxMs }) => delayMaxMs),
      [400, 10_000, 400]
    )
  })

  it("parts the network, both ways or one way", () => {
    const both = Fault.partition(span, { share: 0.5, hosts: ["alice"] })
    assert.deepStrictEqual(around(both, isCut("alice", "bob")), [false, true, false])
    assert.deepStrictEqual(around(both, isCut("bob", "alice")), [false, true, false])
    const cutNodes = around(both, ({ nodes, weather }) => nodes.names().filter((name) => weather.isCut(name, "bob")))
    assert.deepStrictEqual(
      cutNodes.map(({ length }) => length),
      [0, NODES / 2, 0]
    )
    const unheard = Fault.partition(span, { share: 0, hosts: ["alice"], isOneWay: true })
    assert.strictEqual(unheard.title, "alice is not heard by the others")
    assert.deepStrictEqual(around(unheard, isCut("alice", "bob")), [false, true, false])
    assert.deepStrictEqual(around(unheard, isCut("bob", "alice")), [false, false, false])
  })

  it("stops nodes and starts them again under their names", () => {
    const names = around(Fault.nodesCrash(span, 0.25, true), ({ nodes }) => nodes.names())
    assert.deepStrictEqual(
      names.map(({ length }) => length),
      [NODES, 0.75 * NODES, NODES]
    )
    assert.sameMembers([...names[2]!], [...names[0]!])
  })

  it("lets nodes leave for ever and others join, as many as it says", () => {
    const gone: Array<number> = []
    const scenario: Scenario = {
      name: "churn",
      about: "",
      faults: () => [Fault.churn({ atMs: 0, forMs: 10 * HOUR }, 0.1)],
      play: (world) =>
        Effect.sync(() => {
          const before = new Set(world.nodes.names())
          const look = Effect.sync(() => {
            const now = world.nodes.names()
            gone.push(now.length, now.filter((name) => before.has(name)).length)
          })
          return { steps: [{ atMs: 10 * HOUR, title: "looking", run: look }] }
        })
    }
    Effect.runSync(Simulation.run({ seed: 5, scenario, nodes: 200, ed25519 }))
    assert.strictEqual(gone[0], 200)
    // 200 × e^(−1), give or take.
    assert.closeTo(gone[1]!, 74, 25)
  })

  it("turns nodes against those who ask, and back", () => {
    for (const behaviour of ["silent", "garbage"] as const) {
      const fault = Fault.byzantine(span, 0.5, behaviour)
      const asked: Array<string> = []
      const begin: Fault.Fault["begin"] = (world, chance) => {
        const { behave } = world.nodes
        const nodes = { behave: (name: string, to: typeof behaviour | "honest") => asked.push(`${to} ${name}`) > 0 }
        Object.assign(world.nodes, nodes)
        const heal = fault.begin(world, chance)
        return () => {
          heal()
          Object.assign(world.nodes, { behave })
        }
      }
      around({ ...fault, begin }, () => true)
      const turned = asked.slice(0, NODES / 2)
      assert.strictEqual(new Set(turned).size, NODES / 2)
      for (const each of turned) assert.isTrue(each.startsWith(`${behaviour} n`))
      assert.deepStrictEqual(
        asked.slice(NODES / 2),
        turned.map((each) => each.replace(behaviour, "honest"))
      )
    }
  })

  it("settles nodes next to a target, and takes them away", () => {
    const target = Record.targetOf(new Uint8Array(32), KeyString.saltOf("besieged"))
    const counts = around(Fault.siege(span, "a record", target, 20, "silent"), ({ nodes }) => nodes.names().length)
    assert.deepStrictEqual(counts, [NODES, NODES + 20, NODES])
  })

  it("hides hosts and nodes behind translators of addresses", () => {
    assert.deepStrictEqual(
      around(Fault.nat(span, "alice"), ({ weather }) => weather.isReachable("alice")),
      [true, false, true]
    )
    const hidden = around(Fault.nodesNat(span, 0.5), ({ nodes, weather }) =>
      nodes.names().filter((name) => !weather.isReachable(name))
    )
    assert.deepStrictEqual(
      hidden.map(({ length }) => length),
      [0, NODES / 2, 0]
    )
  })

  it("heals only when every fault of its kind has healed", () => {
    const seen: Array<string> = []
    const look = (world: World) => {
      const alice = world.hostNamed("alice")!
      const dishonest = world.nodes.names().length
      seen.push(`${alice.isUp ? "up" : "down"} ${alice.device.failShare} ${dishonest}`)
    }
    const at = (fromS: number, toS: number) => ({ atMs: fromS * SECOND, forMs: (toS - fromS) * SECOND })
    const scenario: Scenario = {
      name: "overlapping",
      about: "",
      faults: () => [
        Fault.crash(at(10, 30), "alice"),
        Fault.crash(at(20, 50), "alice"),
        Fault.disk(at(10, 50), "alice", 0.1),
        Fault.disk(at(20, 30), "alice", 0.05),
        Fault.nodesCrash(at(10, 30), 1, true),
        Fault.nodesCrash(at(5, 50), 0.5, true)
      ],
      play: (world) =>
        Effect.sync(() => {
          world.host("alice")
          const steps = [1, 15, 25, 40, 60].map((second) => ({
            atMs: second * SECOND,
            title: `looking at ${second} s`,
            run: Effect.sync(() => look(world))
          }))
          return { steps }
        })
    }
    const report = Effect.runSync(Simulation.run({ seed: 5, scenario, nodes: NODES, ed25519 }))
    assert.isUndefined(report.finding)
    assert.deepStrictEqual(seen, [
      `up 0 ${NODES}`,
      "down 0.1 0",
      "down 0.05 0",
      `down 0.1 ${NODES / 2}`,
      `up 0 ${NODES}`
    ])
  })

  it("says that a host is not there, and which are", () => {
    const faults = [
      Fault.crash(span, "bobb"),
      Fault.crashAtWrite(span, "bobb", 1, "before"),
      Fault.skew(span, "bobb", 1),
      Fault.disk(span, "bobb", 0.1),
      Fault.nat(span, "bobb"),
      Fault.partition(span, { share: 0, hosts: ["bobb"] })
    ]
    for (const fault of faults) {
      const play: Scenario["play"] = (world) => Effect.sync(() => ({ steps: [], hosts: [world.host("bob")] }))
      const scenario: Scenario = { name: "typo", about: "", faults: () => [fault], play }
      const { finding } = Effect.runSync(Simulation.run({ seed: 5, scenario, nodes: 4, ed25519 }))
      assert.strictEqual(finding?.text, "RangeError: there is no host bobb; there are: bob", fault.title)
    }
  })

  it("refuses shares and times that make no sense", () => {
    for (const share of [-0.1, 1.1, 7, Number.NaN]) assert.throws(() => Fault.loss(span, share), RangeError)
    for (const atMs of [-5, Number.NaN, 1e300]) assert.throws(() => Fault.loss({ atMs }, 0.1), RangeError)
    assert.throws(() => Fault.loss({ atMs: 0, forMs: Number.POSITIVE_INFINITY }, 0.1), RangeError)
    assert.strictEqual(Fault.loss({ atMs: 0, forMs: 0 }, 1).title, "100 % of packets lost")
  })

  it("draws storms within the ranges, of a few faults that end in time", () => {
    const storms = Array.from({ length: 200 }, (_, seed) =>
      Fault.storm(Chance.of(seed), { fromMs: MINUTE, toMs: 10 * MINUTE }, { hosts: ["alice"] })
    )
    const all = storms.flat()
    for (const { atMs, forMs } of all) {
      assert.isAtLeast(atMs, MINUTE)
      assert.isAtMost(atMs + (forMs ?? Number.POSITIVE_INFINITY), 10 * MINUTE + SECOND)
    }
    for (const storm of storms) assert.isTrue(storm.length >= 1 && storm.length <= 5)
    const share = (pattern: RegExp) =>
      all.flatMap(({ title }) => (pattern.test(title) ? [Number.parseInt(title, 10)] : []))
    assert.isAtMost(Math.max(...share(/packets lost/)), 30)
    assert.isAtMost(Math.max(...share(/doubled/)), 50)
    assert.isAtMost(Math.max(...share(/turn /)), 50)
    assert.isAbove(share(/packets lost/).length, 20)
  })
})
