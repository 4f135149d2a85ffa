import { assert, describe, it } from "@effect/vitest"
import type { Report } from "../../../../src/protocol/testing/simulation/Simulation.ts"
import * as TraceText from "../../../../src/protocol/testing/simulation/TraceText.ts"

const report: Report = {
  seed: 17,
  scenario: "crowded-name",
  nodes: 50,
  finding: { kind: "law", text: "a pin never changes silently: ann: the pin of left-pad is gone", atMs: 3_723_004 },
  hash: "00",
  lines: 1_234,
  trace: Array.from({ length: 100 }, (_, i) => ({
    atMs: i,
    kind: "sent" as const,
    from: "ann",
    to: "n1",
    text: `get ${i}`
  })),
  virtualMs: 3_723_004,
  events: 0,
  planned: [
    { id: "s0", atMs: 5_000, title: "ann installs left-pad" },
    { id: "f1", atMs: 1_000, title: "30 % of packets lost" }
  ],
  figures: {},
  holdings: []
}

describe("TraceText", () => {
  it("tells what was found, the plan in the order of time, the end of the trace, and how to play it again", () => {
    const lines = TraceText.linesOf(report, "ls-cli sim --seeds 1 --start 17")
    assert.strictEqual(lines[0], "Seed 17 of crowded-name, with 50 nodes, fails after 01:02:03.004:")
    assert.include(lines[1], "law: a pin never changes silently")
    const plan = lines.indexOf("The plan:")
    assert.match(lines[plan + 1]!, /^ {2}f1 +00:00:01\.000 +30 % of packets lost$/)
    assert.match(lines[plan + 2]!, /^ {2}s0 +00:00:05\.000 +ann installs left-pad$/)
    const end = lines.indexOf("The last 60 of 1,234 lines:")
    assert.include(lines[end + 1], "get 40")
    assert.include(lines[end + 60], "get 99")
    assert.strictEqual(lines.at(-1), "  ls-cli sim --seeds 1 --start 17")
  })

  it("leaves the trace out where it was printed before", () => {
    const lines = TraceText.linesOf(report, "again", "without trace")
    assert.isFalse(lines.some((line) => line.includes("get 99")))
  })

  it("says of a run that fared well no more than that", () => {
    const lines = TraceText.linesOf({ ...report, finding: undefined }, "again")
    assert.deepStrictEqual(lines, ["Seed 17 of crowded-name, with 50 nodes: nothing is wrong."])
  })

  it("gives the command that plays a run again", () => {
    const replay = { program: "ls-cli sim", seed: 17, scenario: "crowded-name", nodes: 50 }
    const base = "ls-cli sim --seeds 1 --start 17 --scenario crowded-name --nodes 50"
    assert.strictEqual(TraceText.commandOf(replay), `${base} --trace`)
    const without = new Set(["s2", "f10", "s10", "f2"])
    assert.strictEqual(
      TraceText.commandOf({ ...replay, without, more: ["--network wire"] }),
      `${base} --without f2,f10,s2,s10 --network wire --trace`
    )
  })
})
