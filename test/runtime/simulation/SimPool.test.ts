import * as Path from "node:path"
import { pathToFileURL } from "node:url"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import { crowdedName } from "../../../src/protocol/testing/scenarios/CrowdedName.ts"
import * as Simulation from "../../../src/protocol/testing/simulation/Simulation.ts"
import type { Played } from "../../../src/runtime/simulation/SimMessages.ts"
import * as SimPool from "../../../src/runtime/simulation/SimPool.ts"

const module = pathToFileURL(Path.join(import.meta.dirname, "SmallScenarios.ts")).href

const seeds = (changes: Partial<SimPool.Seeds>): SimPool.Seeds => ({
  start: 1,
  count: 1,
  keep: "tail",
  workers: 2,
  keepGoing: true,
  onPlayed: () => Effect.void,
  ...changes
})

const open = (options: Partial<SimPool.Options>) =>
  SimPool.open({ network: "model", onOutput: () => undefined, ...options })

const hashes = (played: ReadonlyArray<Played>) =>
  played.map(({ report }) => [report.seed, report.scenario, report.hash])

const findings = (played: ReadonlyArray<Played>) => played.map(({ report }) => report.finding)

describe("SimPool", { timeout: 60_000 }, () => {
  const scope = Scope.makeUnsafe()
  const printed: Array<string> = []
  let pool: SimPool.Pool

  beforeAll(async () => {
    const opened = open({ module, onOutput: (text) => void printed.push(text) })
    pool = await Effect.runPromise(Scope.provide(opened, scope))
  })

  afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))

  it.live("gives the same with any number of workers, in the order of the seeds", () =>
    Effect.gen(function* () {
      const one = yield* pool.play(seeds({ count: 24, scenario: "sometimes", workers: 1 }))
      const three = yield* pool.play(seeds({ count: 24, scenario: "sometimes", workers: 3 }))
      assert.deepStrictEqual(hashes(three), hashes(one))
      assert.deepStrictEqual(
        one.map(({ report }) => report.seed),
        Array.from({ length: 24 }, (_, i) => i + 1)
      )
      assert.strictEqual(new Set(one.map(({ report }) => report.hash)).size, 24)
    })
  )

  it.live("stops at the failure with the lowest seed, whoever finishes first", () =>
    Effect.gen(function* () {
      const all = yield* pool.play(seeds({ count: 24, scenario: "sometimes" }))
      const lowest = all.find(({ report }) => report.finding !== undefined)!.report.seed
      for (const workers of [1, 3]) {
        const played = yield* pool.play(seeds({ count: 24, scenario: "sometimes", workers, keepGoing: false }))
        assert.deepStrictEqual(hashes(played), hashes(all.slice(0, lowest)))
      }
    })
  )

  it.live("has each seed play the scenario whose turn it is, unless one is named", () =>
    Effect.gen(function* () {
      const names = pool.scenarios.map(({ name }) => name)
      const fine = names.indexOf("fine")
      const [played] = yield* pool.play(seeds({ start: fine + names.length * 1_000_000_000 }))
      assert.strictEqual(played?.report.scenario, "fine")
      assert.strictEqual(played?.report.nodes, 5)
    })
  )

  it.live("gives the trace that the pure crypto gives", () =>
    Effect.gen(function* () {
      const played = yield* Effect.scoped(
        Effect.flatMap(open({}), ({ play }) => play(seeds({ scenario: crowdedName.name, nodes: 12 })))
      )
      const pure = yield* Simulation.run({ seed: 1, scenario: crowdedName, nodes: 12 })
      assert.strictEqual(pure.finding, undefined)
      assert.deepStrictEqual(hashes(played), [[1, crowdedName.name, pure.hash]])
      assert.isAbove(played[0]!.memoryPerNodeBytes!, 0)
    })
  )

  it.live("makes a finding of whatever a scenario throws", () =>
    Effect.gen(function* () {
      const [thrown] = findings(yield* pool.play(seeds({ scenario: "throws" })))
      assert.strictEqual(thrown?.kind, "defect")
      assert.include(thrown?.text, "this cannot be")
      const [early] = findings(yield* pool.play(seeds({ scenario: "throws-early" })))
      assert.strictEqual(early?.kind, "defect")
      assert.include(early?.text, "no faults today")
    })
  )

  it.live("makes a finding of a worker that is gone, with its seed, and goes on", () =>
    Effect.gen(function* () {
      const played = yield* pool.play(seeds({ start: 7, count: 2, scenario: "exits", workers: 1 }))
      assert.deepStrictEqual(
        played.map(({ report }) => [report.seed, report.hash, report.finding?.kind]),
        [
          [7, "", "defect"],
          [8, "", "defect"]
        ]
      )
      assert.include(played[0]!.report.finding!.text, "code 3")
      const shrunk = yield* pool.shrink({ seed: 7, scenario: "exits", keep: "tail" }, () => Effect.void)
      assert.deepStrictEqual(shrunk, Option.none())
      assert.deepStrictEqual(findings(yield* pool.play(seeds({ scenario: "fine" }))), [undefined])
    })
  )

  it.live("makes a finding of a scenario that takes all memory", () =>
    Effect.gen(function* () {
      const small = Effect.flatMap(open({ module, heapMib: 64 }), ({ play }) => play(seeds({ scenario: "hoards" })))
      const [finding] = findings(yield* Effect.scoped(small))
      assert.strictEqual(finding?.kind, "defect")
      assert.include(finding?.text, "out of memory (64 MiB)")
    })
  )

  it.live.each([
    ["reads", "the disk (FSREQCALLBACK)"],
    ["reads-at-once", "the disk (existsSync)"],
    ["waits", "a promise"]
  ])("finds the real world in what %s", ([scenario, what]) =>
    Effect.gen(function* () {
      const played = yield* pool.play(seeds({ scenario }))
      for (const finding of findings(played)) {
        assert.strictEqual(finding?.kind, "real world")
        assert.include(finding?.text, what)
        assert.strictEqual(finding?.atMs, 1_000)
      }
      assert.isTrue(played[0]!.report.trace.some(({ kind }) => kind === "broke"))
    })
  )

  it.live("takes what a scenario prints for no use of the real world, and passes it on", () =>
    Effect.gen(function* () {
      const played = yield* pool.play(seeds({ count: 3, scenario: "prints", workers: 1 }))
      assert.deepStrictEqual(findings(played), [undefined, undefined, undefined])
      assert.include(printed.join(""), "hello from a scenario")
    })
  )

  it.live("makes a failure small in a worker", () =>
    Effect.gen(function* () {
      const found = yield* pool.shrink({ seed: 3, scenario: "entangled", keep: "tail" }, () => Effect.void)
      const { isMinimal, report, runs, without } = Option.getOrThrow(found)
      assert.isTrue(isMinimal)
      assert.deepStrictEqual(
        report.planned.map(({ id }) => id),
        ["f7", "s4"]
      )
      assert.strictEqual(report.nodes, 3)
      assert.strictEqual(without.length, 20)
      assert.isBelow(runs, 100)
      const [again] = yield* pool.play(seeds({ start: 3, scenario: "entangled", nodes: 3, without }))
      assert.strictEqual(again?.report.hash, report.hash)
    })
  )

  it.live("says why a module has no scenarios", () =>
    Effect.gen(function* () {
      const problemOf = (text: string) =>
        Effect.flip(Effect.scoped(open({ module: `data:text/javascript,${encodeURIComponent(text)}` })))
      const empty = yield* problemOf("export default []")
      assert.strictEqual(empty._tag, "ScenariosUnusable")
      assert.include(empty.message, "empty list")
      assert.include((yield* problemOf("process.exit(4)")).message, "code 4")
    })
  )
})
