import * as Fs from "node:fs"
import * as Path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Fault from "../../src/protocol/testing/simulation/Fault.ts"

const guide = Path.resolve(import.meta.dirname, "../../docs/guide")
const page = Fs.readFileSync(Path.join(guide, "simulation.md"), "utf8")
const programs = Fs.readdirSync(guide).filter((file) => /^simulation-.*\.ts$/.test(file))

/** A program and what it prints stand in the page one after the other. */
const EXAMPLE = /```ts\n([\s\S]*?)\n```\n+It prints\n+```\n([\s\S]*?)\n```/g

const examples = new Map([...page.matchAll(EXAMPLE)].map(([, program, output]) => [program!, output!]))

/** What the program prints, line by line. */
const run = async (file: string): Promise<ReadonlyArray<string>> => {
  const printed: Array<string> = []
  const log = console.log
  console.log = (line: string) => void printed.push(line)
  try {
    await import(Path.join(guide, file))
  } finally {
    console.log = log
  }
  return printed
}

describe("the guide to simulation", () => {
  it("has no programs but those that are run here", () => {
    assert.lengthOf(programs, 2)
    assert.strictEqual(examples.size, programs.length)
    assert.lengthOf([...page.matchAll(/^```ts$/gm)], programs.length)
  })

  for (const file of programs) {
    it(`shows ${file} as it is, and what it prints`, { timeout: 60_000 }, async () => {
      const source = Fs.readFileSync(Path.join(guide, file), "utf8").trimEnd()
      const output = examples.get(source)
      assert.isDefined(output, `${file} does not stand in simulation.md as it is`)
      assert.strictEqual((await run(file)).join("\n"), output)
    })
  }

  it("keeps a scenario of one's own to some 30 lines", () => {
    const lines = Fs.readFileSync(Path.join(guide, "simulation-first.ts"), "utf8").trimEnd().split("\n")
    assert.isAtMost(lines.length, 32)
  })

  it("names every fault there is", () => {
    const faults = Object.entries(Fault).flatMap(([name, value]) => (typeof value === "function" ? [name] : []))
    for (const name of faults.filter((each) => each !== "weather")) assert.include(page, `Fault.${name}\``)
  })
})
