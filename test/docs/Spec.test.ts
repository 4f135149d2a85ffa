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
  it.effect("are what the code makes", () =>
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
      assert.isAtLeast(seen.length, 6)
    })
  )
})
