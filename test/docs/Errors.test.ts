import * as Fs from "node:fs"
import * as Path from "node:path"
import { assert, describe, it } from "vitest"
import { ExitCode } from "../../src/protocol/core/Errors.ts"

const root = Path.resolve(import.meta.dirname, "../..")

/** Codes that are not classes: they are made where a command ends. */
const MADE_BY_THE_COMMAND_LINE: ReadonlyArray<readonly [string, number]> = [
  ["Usage", ExitCode.usage],
  ["OutputFailed", ExitCode.storage]
]

/** Body and tag of every tagged error in the sources. */
const taggedErrors = () =>
  Fs.readdirSync(Path.join(root, "src"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .flatMap((file) =>
      Array.from(
        Fs.readFileSync(Path.join(root, "src", file), "utf8").matchAll(
          /^export class \w+ extends Schema\.TaggedError<\w+>\(\)\(\s*"(\w+)"[\s\S]*?^}$/gm
        )
      )
    )

/** Every tagged error in the sources that has an exit code of its own. */
const inSources = (): ReadonlyMap<string, number> => {
  const found = new Map(MADE_BY_THE_COMMAND_LINE)
  for (const [body, tag] of taggedErrors()) {
    const code = /exitCode = ExitCode\.(\w+)/.exec(body)?.[1]
    if (code !== undefined) found.set(tag!, ExitCode[code as keyof typeof ExitCode])
  }
  return found
}

/** Tagged errors that take their exit code from what they go back to. */
const borrowing = (): ReadonlyArray<string> =>
  taggedErrors()
    .filter(([body]) => /exitCode\b/.test(body) && !/exitCode = ExitCode\.\w+/.test(body))
    .map(([, tag]) => tag!)

/** The tables of the page: each stands under a heading with its exit code. */
const inPage = (): ReadonlyMap<string, number> => {
  const found = new Map<string, number>()
  let code = Number.NaN
  for (const line of Fs.readFileSync(Path.join(root, "docs/spec/errors.md"), "utf8").split("\n")) {
    const heading = /^## .*\((\d+)\)$/.exec(line)
    if (heading !== null) code = Number(heading[1])
    const row = /^\| `(\w+)` \|/.exec(line)
    if (row !== null) found.set(row[1]!, code)
  }
  return found
}

describe("docs/spec/errors.md", () => {
  it("lists every error with the exit code that it has", () => {
    const byName = ([a]: readonly [string, number], [b]: readonly [string, number]) => a.localeCompare(b)
    assert.deepStrictEqual([...inPage()].toSorted(byName), [...inSources()].toSorted(byName))
    assert.isAbove(inPage().size, 40)
  })

  it("names those that have the exit code of another", () => {
    const page = Fs.readFileSync(Path.join(root, "docs/spec/errors.md"), "utf8")
    const section = /^## Of whatever kind it goes back to$([\s\S]*?)^## /m.exec(page)?.[1] ?? ""
    assert.deepStrictEqual(
      borrowing().filter((tag) => !section.includes(`\`${tag}\``)),
      []
    )
    assert.include(borrowing(), "MirrorIncomplete")
  })
})
