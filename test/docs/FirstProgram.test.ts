import * as Fs from "node:fs"
import * as Path from "node:path"
import { assert, describe, it } from "@effect/vitest"

const guide = Path.resolve(import.meta.dirname, "../../docs/guide")
const source = Fs.readFileSync(Path.join(guide, "first-program.ts"), "utf8")

describe("the guide's first program", () => {
  it("stands in the guide as it is run here", () => {
    assert.include(
      Fs.readFileSync(Path.join(guide, "first-program.md"), "utf8"),
      `\`\`\`ts\n${source.trimEnd()}\n\`\`\``
    )
  })

  it("has about thirty lines", () => {
    assert.isAtMost(source.trimEnd().split("\n").length, 32)
  })

  it("publishes, finds and fetches", async () => {
    const printed: Array<string> = []
    const log = console.log
    console.log = (line: string) => void printed.push(line)
    try {
      await import("../../docs/guide/first-program.ts")
    } finally {
      console.log = log
    }
    assert.strictEqual(printed.length, 1)
    assert.match(printed[0]!, /^hello@1\.2\.0 by [A-Za-z0-9+/]{43}=: Says hello$/)
  })
})
