/** The pages of `docs/spec`: their examples are what the code makes, and their links lead somewhere. */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { examples } from "./Examples.ts"

const directory = Path.resolve(import.meta.dirname, "../../docs/spec")
const MARKED = /<!-- example:([a-z-]+) -->\n([\s\S]*?)<!-- \/example -->/g

/** Set to write the examples into the pages anew, after a change that is meant. */
const isUpdating = process.env["LIBRESEED_UPDATE_DOCS"] === "1"

const pages = Fs.readdirSync(directory).filter((file) => file.endsWith(".md"))

describe("the specification's examples", () => {
  it.effect("are what the code makes, and all shown", () =>
    Effect.gen(function* () {
      const made = yield* examples
      const seen: Array<string> = []
      for (const page of pages) {
        const path = Path.join(directory, page)
        const before = Fs.readFileSync(path, "utf8")
        const after = before.replaceAll(MARKED, (_, example: string) => {
          seen.push(example)
          assert.isTrue(made.has(example), `${page} asks for an unknown example "${example}"`)
          return `<!-- example:${example} -->\n\`\`\`\n${made.get(example)}\n\`\`\`\n<!-- /example -->`
        })
        if (isUpdating) Fs.writeFileSync(path, after)
        else assert.strictEqual(before, after, `${page} is stale: run with LIBRESEED_UPDATE_DOCS=1`)
      }
      assert.deepStrictEqual(seen.toSorted(), [...made.keys()].toSorted())
    })
  )
})

describe("the specification's pages", () => {
  /** Headings as a browser's address has them. */
  const anchorsOf = (text: string): ReadonlyArray<string> =>
    Array.from(text.matchAll(/^#+ (.+)$/gm), ([, heading]) =>
      heading!
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
        .replaceAll(" ", "-")
    )

  it("link to pages and headings that exist", () => {
    for (const page of [...pages, "../../test/vectors/README.md"]) {
      const path = Path.resolve(directory, page)
      for (const [, link] of Fs.readFileSync(path, "utf8").matchAll(/\]\((?!https?:)([^)]+)\)/g)) {
        const [file, anchor] = link!.split("#")
        const target = file === "" ? path : Path.resolve(Path.dirname(path), file!)
        assert.isTrue(Fs.existsSync(target), `${page} links to ${link}`)
        if (anchor === undefined) continue
        assert.include(anchorsOf(Fs.readFileSync(target, "utf8")), anchor, `${page} links to ${link}`)
      }
    }
  })

  it("are all listed in the README", () => {
    const readme = Fs.readFileSync(Path.join(directory, "README.md"), "utf8")
    for (const page of pages) if (page !== "README.md") assert.include(readme, `(${page})`)
  })
})
