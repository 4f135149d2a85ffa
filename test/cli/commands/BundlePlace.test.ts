/** Where a bundle cannot be written, that is said before anything is collected for it. */
import { spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { afterAll, assert, describe, it } from "@effect/vitest"
import { ExitCode } from "../../../src/protocol/core/Errors.ts"

const main = Path.resolve(import.meta.dirname, "../../../src/cli/main.ts")
const directory = Fs.mkdtempSync(Path.join(Os.tmpdir(), "libreseed-place-"))
const file = Path.join(directory, "file")
Fs.writeFileSync(file, "")
afterAll(() => Fs.rmSync(directory, { recursive: true, force: true }))

describe("ls-cli bundle -o", () => {
  it.each([
    [directory, `${directory} is a directory, and no file to write`],
    [Path.join(directory, "no", "x"), `there is no directory ${Path.join(directory, "no")}`],
    [Path.join(file, "x"), `${file} is not a directory`]
  ])("refuses %s", (output, problem) => {
    const args = [main, "bundle", "semver", "-o", output, "--home", Path.join(directory, "home"), "--json"]
    const { status, stderr } = spawnSync(process.execPath, [...args, "--bootstrap", "127.0.0.1:1"], {
      encoding: "utf8"
    })
    assert.strictEqual(status, ExitCode.usage)
    const { error } = JSON.parse(stderr) as { error: { code: string; message: string } }
    assert.strictEqual(error.code, "InvalidArgument")
    assert.include(error.message, problem)
  })
})
