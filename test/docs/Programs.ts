/** Programs that stand in a page of the guide, each with what it prints: run as they are, and compared. */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { assert, it } from "@effect/vitest"

export const guide = Path.resolve(import.meta.dirname, "../../docs/guide")

/** A program and what it prints stand in the page one after the other. */
const EXAMPLE = /```ts\n([\s\S]*?)\n```\n+It prints\n+```\n([\s\S]*?)\n```/g

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

/** The page `name.md` shows the programs `name-….ts`, so many, as they are and with what they print, and no other. */
export const suite = (name: string, count: number) => {
  const page = Fs.readFileSync(Path.join(guide, `${name}.md`), "utf8")
  const programs = Fs.readdirSync(guide).filter((file) => file.startsWith(`${name}-`) && file.endsWith(".ts"))
  const examples = new Map([...page.matchAll(EXAMPLE)].map(([, program, output]) => [program!, output!]))

  it("has no programs but those that are run here", () => {
    assert.lengthOf(programs, count)
    assert.strictEqual(examples.size, programs.length)
    assert.lengthOf([...page.matchAll(/^```ts$/gm)], programs.length)
  })

  for (const file of programs) {
    it(`shows ${file} as it is, and what it prints`, { timeout: 60_000 }, async () => {
      const source = Fs.readFileSync(Path.join(guide, file), "utf8").trimEnd()
      const output = examples.get(source)
      assert.isDefined(output, `${file} does not stand in ${name}.md as it is`)
      assert.strictEqual((await run(file)).join("\n"), output)
    })
  }

  it("links to pages that exist", () => {
    for (const [, link] of page.matchAll(/\]\((?!https?:)([^)#]+)\)/g)) {
      assert.isTrue(Fs.existsSync(Path.resolve(guide, link!)), `it links to ${link}`)
    }
  })
  return page
}
