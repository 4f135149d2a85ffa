import { execFile } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { promisify } from "node:util"
import { assert, describe, it } from "vitest"

const root = Path.resolve(import.meta.dirname, "../..")

/** Keys, hashes, ports and times differ from run to run; everything else must not. */
const settled = (text: string): string =>
  text
    .replaceAll(/[A-Za-z0-9+/]{43}=/g, "<key>")
    .replaceAll(/\b[0-9a-f]{40}\b/g, "<infohash>")
    .replaceAll(/\b[0-9a-f]{16}…/g, "<hash>…")
    .replaceAll(/127\.0\.0\.1:\d+/g, "127.0.0.1:<port>")
    .replaceAll(/\b\d+ ms\b/g, "<n> ms")
    .replaceAll(/\b\d+\.\d s\b/g, "<n> s")
    .replaceAll(/\b\d+ bytes\b/g, "<n> bytes")
    .replaceAll(/at least \d+ nodes/g, "at least <n> nodes")

describe("README", () => {
  it("shows the transcript that the demo prints", { timeout: 120_000 }, async () => {
    const readme = Fs.readFileSync(Path.join(root, "README.md"), "utf8")
    const shown = /<!-- transcript -->\n```\n([\s\S]*?)\n```\n<!-- \/transcript -->/.exec(readme)?.[1] ?? ""
    const told = process.env["LIBRESEED_DEMO_TRANSCRIPT"]
    const story =
      told === undefined
        ? (await promisify(execFile)(process.execPath, [Path.join(root, "scripts/demo.ts")])).stdout
        : Fs.readFileSync(told, "utf8")
    // Two seeders work at once: whichever is first.
    const lines = (text: string) => settled(text).trim().split("\n")
    assert.deepStrictEqual(lines(shown).toSorted(), lines(story).toSorted())
  })

  it("links to pages that exist", () => {
    for (const page of [
      "README.md",
      "CONTRIBUTING.md",
      "docs/guide/commands.md",
      "docs/guide/first-program.md",
      "docs/guide/library.md",
      "docs/spec/README.md"
    ]) {
      const text = Fs.readFileSync(Path.join(root, page), "utf8")
      for (const [, link] of text.matchAll(/\]\((?!https?:)([^)#]+)\)/g)) {
        const target = Path.resolve(root, Path.dirname(page), link!)
        assert.isTrue(Fs.existsSync(target), `${page} links to ${link}`)
      }
    }
  })
})
