/** What is printed and cannot be written: told, with an exit code, unless nobody reads it any more. */
import { spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { ExitCode } from "../../src/protocol/core/Errors.ts"

const main = Path.resolve(import.meta.dirname, "../../src/cli/main.ts")

/** The command line with its stdout led elsewhere by a shell. */
const run = (args: string, redirection: string) => {
  const home = Fs.mkdtempSync(Path.join(Os.tmpdir(), "libreseed-unwritten-"))
  try {
    const command = `"${process.execPath}" "${main}" ${args} --home "${home}" ${redirection}`
    return spawnSync("bash", ["-o", "pipefail", "-c", command], { encoding: "utf8" })
  } finally {
    Fs.rmSync(home, { recursive: true, force: true })
  }
}

describe("what cannot be written", () => {
  it("is a failure of storage where the disk is full", () => {
    const { status, stderr } = run("keys list --json", ">/dev/full")
    assert.strictEqual(status, ExitCode.storage)
    const { error } = JSON.parse(stderr) as { error: { code: string; message: string } }
    assert.strictEqual(error.code, "OutputFailed")
    assert.include(error.message, "ENOSPC")
  })

  it("is none where nobody reads it any more", () => {
    const { status, stderr } = run("keys list --json", "| true")
    assert.deepStrictEqual([status, stderr], [0, ""])
  })
})
