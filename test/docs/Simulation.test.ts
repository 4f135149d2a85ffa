import * as Fs from "node:fs"
import * as Path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Fault from "../../src/protocol/testing/simulation/Fault.ts"
import * as Programs from "./Programs.ts"

describe("the guide to simulation", () => {
  const page = Programs.suite("simulation", 2)

  it("keeps a scenario of one's own to some 30 lines", () => {
    const lines = Fs.readFileSync(Path.join(Programs.guide, "simulation-first.ts"), "utf8").trimEnd().split("\n")
    assert.isAtMost(lines.length, 32)
  })

  it("names every fault there is", () => {
    const faults = Object.entries(Fault).flatMap(([name, value]) => (typeof value === "function" ? [name] : []))
    for (const name of faults.filter((each) => each !== "weather")) assert.include(page, `Fault.${name}\``)
  })
})
