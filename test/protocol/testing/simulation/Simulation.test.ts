/** What a simulation finds, that it finds the same again, and how it refuses what it cannot play. */
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Fault from "../../../../src/protocol/testing/simulation/Fault.ts"
import { MINUTE, ofSeed, type Scenario, SECOND } from "../../../../src/protocol/testing/simulation/Scenario.ts"
import * as Simulation from "../../../../src/protocol/testing/simulation/Simulation.ts"
import type { Machine } from "../../../../src/protocol/testing/simulation/World.ts"
import { lineOf } from "../../../../src/protocol/testing/simulation/Trace.ts"
import * as Actors from "../../../../src/protocol/testing/scenarios/Actors.ts"
import { notYet } from "../../../../src/protocol/testing/scenarios/Witness.ts"
import { service as ed25519 } from "./Crypto.ts"

const idle: Scenario = { name: "idle", about: "nothing happens", play: () => Effect.succeed({ steps: [] }) }

const run = (scenario: Partial<Scenario>, options?: Partial<Simulation.Options>) =>
  Effect.runSync(
    Simulation.run({ seed: 1, nodes: 8, ed25519, scenario: { ...idle, ...scenario }, keep: "all", ...options })
  )

/** A scenario with one step. */
const doing = (work: Effect.Effect<unknown, unknown>): Partial<Scenario> => ({
  play: () => Effect.succeed({ steps: [{ atMs: SECOND, title: "the step", run: work }] })
})

const findingOf = (scenario: Partial<Scenario>) => {
  const { finding } = run(scenario)
  return `${finding?.kind}: ${finding?.text}`
}

const publishing: Partial<Scenario> = {
  faults: (chance) => Fault.storm(chance, { fromMs: 0, toMs: MINUTE }),
  play: Effect.fnUntraced(function* (world) {
    const [alice, bob] = yield* Actors.people(world, ["alice", "bob"])
    const publish = alice!.publish({ name: "pkg", version: "1.0.0" })
    return {
      steps: [
        { atMs: 0, title: "alice publishes", run: publish },
        { atMs: MINUTE, title: "bob installs", run: bob!.install("pkg") }
      ],
      goals: [
        { title: "it is out", reach: publish },
        { title: "bob has it", reach: bob!.install("pkg") }
      ]
    }
  })
}

describe("Simulation.run", () => {
  it("finds nothing where nothing happens", () => {
    const report = run({})
    assert.isUndefined(report.finding)
    assert.match(report.hash, /^[0-9a-f]{64}$/)
    assert.strictEqual(report.nodes, 8)
  })

  it("publishes and installs in bad weather, and gives the same trace for the same seed", () => {
    const first = run(publishing, { seed: 42 })
    const again = run(publishing, { seed: 42 })
    assert.isUndefined(first.finding)
    assert.isAbove(first.lines, 100)
    assert.deepStrictEqual(first.trace.map(lineOf), again.trace.map(lineOf))
    assert.strictEqual(first.hash, again.hash)
    assert.notStrictEqual(run(publishing, { seed: 43 }).hash, first.hash)
  })

  it("gives the same trace whatever is kept of it, and with whichever crypto", () => {
    const { hash } = run(publishing, { seed: 3 })
    assert.strictEqual(run(publishing, { seed: 3, keep: "none" }).hash, hash)
    assert.strictEqual(run(publishing, { seed: 3, keep: "tail", ed25519: undefined }).hash, hash)
  })

  it("leaves out faults and steps as told, without changing what the others do", () => {
    const faulty: Partial<Scenario> = {
      faults: () => [
        Fault.nodesCrash({ atMs: 0, forMs: MINUTE }, 0.5, true),
        Fault.nodesCrash({ atMs: 2 * MINUTE, forMs: MINUTE }, 0.5, true)
      ]
    }
    const crashed = (report: Simulation.Report) => report.trace.filter(({ kind }) => kind === "fault").map(lineOf)
    const all = run(faulty)
    const without = run(faulty, { without: new Set(["f0"]) })
    assert.deepStrictEqual(
      without.planned.map(({ id }) => id),
      ["f1"]
    )
    assert.deepStrictEqual(crashed(without), crashed(all).slice(1))
  })

  it("refuses to leave out what is not in the plan, and plays nothing", () => {
    const { finding } = run(doing(Effect.die("played")), { without: new Set(["s0", "f99"]) })
    assert.deepInclude(finding, { kind: "plan", text: "there is no f99 to leave out; there is s0", atMs: 0 })
  })

  it("finds a step that dies", () => {
    assert.strictEqual(findingOf(doing(Effect.die(new TypeError("oh")))), "defect: the step: TypeError: oh")
  })

  it("says where the error of a finding was made, where it is one, and not in the trace", () => {
    const cry = () => {
      throw new TypeError("oh")
    }
    const { finding, trace } = run(doing(Effect.sync(cry)))
    assert.match(finding?.stack ?? "", /TypeError: oh\n.*cry/)
    assert.isFalse(trace.some((entry) => lineOf(entry).includes("Simulation.test.ts")))
    const steps = [{ atMs: 0, title: "the step", run: notYet("no"), mustSucceed: true }]
    assert.match(run({ play: () => Effect.succeed({ steps }) }).finding?.stack ?? "", /Unexpected: no/)
    const law = { title: "a law", broken: () => "broken" }
    assert.isUndefined(run({ play: () => Effect.succeed({ steps: [], laws: [law] }) }).finding?.stack)
  })

  it("finds a scenario that throws, whether setting the stage, at work, in a law or in a fault", () => {
    const oh = () => {
      throw new TypeError("oh")
    }
    assert.strictEqual(findingOf({ play: oh }), "defect: TypeError: oh")
    assert.strictEqual(findingOf(doing(Effect.sync(oh))), "defect: the step: TypeError: oh")
    assert.include(
      findingOf({ play: () => Effect.succeed({ steps: [], laws: [{ title: "a law", broken: oh }] }) }),
      "TypeError: oh"
    )
    assert.include(
      findingOf({ faults: () => [{ title: "a fault", atMs: 0, forMs: undefined, begin: oh }] }),
      "TypeError: oh"
    )
    assert.include(findingOf({ faults: oh }), "TypeError: oh")
  })

  it("passes over a step that fails, unless it must not", () => {
    const failing = doing(Effect.fail("the network is down"))
    assert.strictEqual(findingOf(failing), "undefined: undefined")
    const steps = [{ atMs: 0, title: "the step", run: Effect.fail("down"), mustSucceed: true }]
    assert.strictEqual(findingOf({ play: () => Effect.succeed({ steps }) }), "step: the step: down")
  })

  it("finds a law that is broken at any moment, and stops there", () => {
    let value = 0
    const set = (next: number) => Effect.sync(() => (value = next))
    const report = run({
      play: () =>
        Effect.succeed({
          steps: [
            { atMs: SECOND, title: "one", run: set(1) },
            { atMs: 2 * SECOND, title: "two", run: set(2) },
            { atMs: 3 * SECOND, title: "three", run: set(3) }
          ],
          laws: [{ title: "it is under two", broken: () => (value < 2 ? undefined : `it is ${value}`) }]
        })
    })
    assert.deepInclude(report.finding, { kind: "law", text: "it is under two: it is 2", atMs: 2 * SECOND })
    assert.strictEqual(value, 2)
  })

  it("finds a goal that is not reached in time, and waits for one that takes a while", () => {
    const after = (ms: number) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) =>
        now >= Simulation.EPOCH_MS + ms ? Effect.void : Effect.fail("not yet")
      )
    const goal = (ms: number) =>
      findingOf({
        convergesWithinMs: 10 * MINUTE,
        play: () => Effect.succeed({ steps: [], goals: [{ title: "the goal", reach: after(ms) }] })
      })
    assert.strictEqual(goal(9 * MINUTE), "undefined: undefined")
    assert.include(goal(11 * MINUTE), "goal: the goal: not within 600000 ms")
    const hanging = { steps: [], goals: [{ title: "the goal", reach: Effect.sleep("1 day") }] }
    assert.include(findingOf({ play: () => Effect.succeed(hanging) }), "goal: the goal")
  })

  it("finds a deadlock", () => {
    const nothing = doing(Effect.never)
    const report = run(nothing, { nodes: 1 })
    assert.strictEqual(report.finding?.kind, "deadlock")
    assert.include(report.finding?.text, "the step")
  })

  it("finds work that never ends beside other work that goes on", () => {
    const waiting: Partial<Scenario> = {
      play: (world) =>
        Effect.sync(() => {
          world.host("alice").background("ticking", Effect.forever(Effect.sleep("1 hour")))
          return { steps: [{ atMs: 0, title: "the step", run: Effect.never }] }
        })
    }
    assert.match(findingOf(waiting), /^overtime: .*the step/)
  })

  it("finds a fiber that dies though nobody waits for it", () => {
    const dies = Effect.die(new TypeError("oh"))
    const on = (work: (host: Machine) => Effect.Effect<unknown, unknown>): Partial<Scenario> => ({
      play: (world) =>
        Effect.sync(() => ({
          steps: [
            { atMs: 0, title: "the step", run: work(world.host("alice")) },
            { atMs: MINUTE, title: "waiting", run: Effect.void }
          ]
        }))
    })
    const forked = [
      on((host) => host.run(Effect.forkDetach(dies))),
      on((host) => host.run(Effect.andThen(Effect.forkChild(dies), Effect.sleep("1 minute")))),
      on((host) => host.open(Effect.forkScoped(dies))),
      on((host) =>
        Effect.sync(() => host.background("work", Effect.andThen(Effect.forkScoped(dies), Effect.sleep("1 hour"))))
      )
    ]
    for (const scenario of forked) assert.strictEqual(findingOf(scenario), "defect: alice: TypeError: oh")
    assert.strictEqual(findingOf(doing(Effect.forkDetach(dies))), "defect: TypeError: oh")
  })

  it("finds a fiber that goes on after its machine was stopped", () => {
    const leaking: Partial<Scenario> = {
      play: (world) =>
        Effect.gen(function* () {
          const host = world.host("alice")
          const leak = host.run(Effect.forkDetach(Effect.forever(Effect.sleep("1 minute"))))
          return { steps: [{ atMs: 0, title: "alice leaks", run: leak }] }
        })
    }
    assert.match(findingOf(leaking), /^leak: .*alice/)
  })

  it("finds the use of anything real", () => {
    const uses: ReadonlyArray<readonly [string, () => unknown]> = [
      ["Date.now", () => Date.now()],
      ["new Date", () => new Date()],
      ["Math.random", () => Math.random()],
      ["setTimeout", () => clearTimeout(setTimeout(() => undefined, 1))],
      ["performance.now", () => performance.now()],
      ["hrtime", () => process.hrtime()],
      ["hrtime.bigint", () => process.hrtime.bigint()],
      ["nextTick", () => process.nextTick(() => undefined)],
      ["crypto", () => crypto.getRandomValues(new Uint8Array(1))]
    ]
    for (const [name, use] of uses) assert.match(findingOf(doing(Effect.sync(use))), /^real world: /, name)
    assert.match(findingOf(doing(Effect.promise(() => Promise.resolve(1)))), /^real world: .*promise/)
    // And everything is as it was.
    assert.isAbove(Date.now(), 1_600_000_000_000)
    assert.isBelow(Math.random(), 1)
  })

  it("has virtual time and chance for whoever asks Effect", () => {
    const ask = Effect.gen(function* () {
      if ((yield* Clock.currentTimeMillis) !== Simulation.EPOCH_MS + SECOND)
        return yield* Effect.die("the time is wrong")
      yield* Random.next
    })
    assert.strictEqual(findingOf(doing(ask)), "undefined: undefined")
  })

  it("refuses sizes and seeds that make no sense", () => {
    const problem = (options: Partial<Simulation.Options>) =>
      Effect.runSync(Effect.flip(Simulation.run({ seed: 1, scenario: idle, ...options }))).message
    assert.include(problem({ nodes: 0 }), "at least one node")
    assert.include(problem({ nodes: 1.5 }), "1.5")
    assert.include(problem({ nodes: Simulation.NODES_MAX + 1 }), `over ${Simulation.NODES_MAX}`)
    assert.include(problem({ nodes: Number.NaN }), "NaN")
    for (const seed of [-1, 0.5, Number.NaN, 2 ** 53]) assert.include(problem({ seed }), "no seed")
  })
})

describe("Scenario.ofSeed", () => {
  it("lets scenarios take turns, and plays long ones now and then", () => {
    const [a, b, rare] = [{ name: "a" }, { name: "b" }, { name: "rare", everySeeds: 5 }]
    const namesOf = (...scenarios: ReadonlyArray<{ readonly name: string; readonly everySeeds?: number }>) =>
      [0, 1, 2, 3, 4, 5, 6].map((seed) => ofSeed(scenarios, seed)?.name).join(" ")
    assert.strictEqual(namesOf(a!, rare!, b!), "rare b a b a rare a")
    assert.strictEqual(namesOf(a!), "a a a a a a a")
    assert.strictEqual(namesOf(rare!), "rare rare rare rare rare rare rare")
    assert.isUndefined(ofSeed([], 1))
  })
})
