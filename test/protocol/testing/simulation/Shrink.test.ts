import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fault from "../../../../src/protocol/testing/simulation/Fault.ts"
import { make, MINUTE, SECOND } from "../../../../src/protocol/testing/simulation/Scenario.ts"
import * as Shrink from "../../../../src/protocol/testing/simulation/Shrink.ts"
import * as Simulation from "../../../../src/protocol/testing/simulation/Simulation.ts"
import type { Finding } from "../../../../src/protocol/testing/simulation/World.ts"

const nothing = make({ name: "made-up", about: "is never played", play: () => Effect.succeed({ steps: [] }) })

const options: Simulation.Options = { seed: 1, scenario: nothing, nodes: 50 }

type Kind = Finding["kind"]

/** A runner with so many faults and steps, which fails as `judge` says. */
const runner = (
  size: { readonly faults: number; readonly steps: number },
  judge: (has: (id: string) => boolean, nodes: number) => Kind | undefined
) => {
  const planned = [
    ...Array.from({ length: size.faults }, (_, i) => ({ id: `f${i}`, atMs: i, title: `fault ${i}` })),
    ...Array.from({ length: size.steps }, (_, i) => ({ id: `s${i}`, atMs: i, title: `step ${i}` }))
  ]
  return ({ nodes = 50, seed, without }: Simulation.Options): Simulation.Report => {
    const left = planned.filter(({ id }) => without?.has(id) !== true)
    const kind = judge((id) => left.some((item) => item.id === id), nodes)
    const finding = kind === undefined ? undefined : { kind, text: `the law: with ${left.length}`, atMs: 50 }
    const rest = { hash: "", lines: 0, trace: [], virtualMs: 0, events: 0, figures: {}, holdings: [] }
    return { seed, scenario: nothing.name, nodes, finding, planned: left, ...rest }
  }
}

const idsOf = ({ report }: Shrink.Shrunk) => report.planned.map(({ id }) => id)

describe("Shrink", () => {
  it("does not go over to another law", () => {
    const run = runner({ faults: 4, steps: 4 }, (has) => (has("f1") ? "law" : undefined))
    const other: typeof run = (given) => {
      const report = run(given)
      const isSmall = report.planned.length < 4
      return isSmall ? { ...report, finding: { kind: "law", text: "another law: with few", atMs: 50 } } : report
    }
    const shrunk = Shrink.shrink(other, options)
    assert.include(shrunk.report.finding?.text, "the law")
    assert.isAtLeast(shrunk.report.planned.length, 4)
  })

  it("leaves what it takes to fail, and nothing else", () => {
    const run = runner({ faults: 40, steps: 60 }, (has) => (has("f17") && has("s3") && has("s58") ? "law" : undefined))
    const shrunk = Shrink.shrink(run, options)
    assert.deepStrictEqual(idsOf(shrunk), ["f17", "s3", "s58"])
    assert.strictEqual(shrunk.report.nodes, 1)
    assert.strictEqual(shrunk.without.size, 97)
    assert.isTrue(shrunk.isMinimal)
    assert.isAtMost(shrunk.runs, 120)
  })

  it("finds the least network that fails, and what can be left out there", () => {
    const run = runner({ faults: 6, steps: 6 }, (has, nodes) =>
      nodes >= 7 && (has("f0") || nodes < 10) ? "goal" : undefined
    )
    const shrunk = Shrink.shrink(run, options)
    assert.strictEqual(shrunk.report.nodes, 7)
    assert.deepStrictEqual(idsOf(shrunk), [])
  })

  it("takes no other kind of failure for the same", () => {
    const run = runner({ faults: 4, steps: 0 }, (has) => (has("f2") ? "law" : "deadlock"))
    const shrunk = Shrink.shrink(run, options)
    assert.deepStrictEqual(idsOf(shrunk), ["f2"])
    assert.strictEqual(shrunk.report.finding?.kind, "law")
  })

  it("begins with what is left out already", () => {
    const run = runner({ faults: 3, steps: 3 }, (has) => (has("s1") ? "law" : undefined))
    const shrunk = Shrink.shrink(run, { ...options, without: new Set(["f0"]) })
    assert.isTrue(shrunk.without.has("f0"))
    assert.deepStrictEqual(idsOf(shrunk), ["s1"])
  })

  it("ends when the runs are used up, with the smallest failure so far", () => {
    let last = 0
    const run = runner({ faults: 100, steps: 100 }, (has) => (has("f50") && has("s99") ? "law" : undefined))
    const shrunk = Shrink.shrink(run, options, { runs: 9, onRun: (runs) => void (last = runs) })
    assert.strictEqual(shrunk.runs, 9)
    assert.strictEqual(last, 9)
    assert.isFalse(shrunk.isMinimal)
    assert.strictEqual(shrunk.report.finding?.kind, "law")
    assert.isBelow(idsOf(shrunk).length, 200)
  })

  it("runs once where nothing fails", () => {
    const run = runner({ faults: 5, steps: 5 }, () => undefined)
    const shrunk = Shrink.shrink(run, options)
    assert.strictEqual(shrunk.runs, 1)
    assert.strictEqual(shrunk.report.finding, undefined)
  })

  it("makes the failure of a simulation small, and plays it again", () => {
    const scenario = make({
      name: "cut-off",
      about: "somebody has no network for too long",
      nodes: { count: 8 },
      faults: () => [
        Fault.loss({ atMs: SECOND, forMs: MINUTE }, 0.1),
        Fault.partition({ atMs: 2 * SECOND, forMs: MINUTE }, { share: 0, hosts: ["ann"] }),
        Fault.replay({ atMs: 3 * SECOND, forMs: MINUTE }, 0.2)
      ],
      play: (world) =>
        Effect.sync(() => {
          world.host("ann")
          const isCut = () => world.weather.isCut("ann", "n0")
          const look = Effect.suspend(() => (isCut() ? Effect.fail("nobody is there") : Effect.void))
          const steps = Array.from({ length: 6 }, (_, i) => ({
            atMs: 10 * i * SECOND,
            title: `look ${i}`,
            run: look,
            mustSucceed: i === 3
          }))
          return { steps }
        })
    })
    const run = (candidate: Simulation.Options) => Effect.runSync(Simulation.run(candidate))
    const shrunk = Shrink.shrink(run, { seed: 5, scenario })
    assert.deepStrictEqual(idsOf(shrunk), ["f1", "s3"])
    assert.strictEqual(shrunk.report.finding?.kind, "step")
    const again = run({ seed: 5, scenario, nodes: shrunk.report.nodes, without: shrunk.without })
    assert.strictEqual(again.hash, shrunk.report.hash)
  })
})
