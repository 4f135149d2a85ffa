/**
 * The launcher passes arguments, output and exit codes through, and says what it does on stderr alone.
 */
import { spawnSync } from "node:child_process"
import * as Path from "node:path"
import { assert, describe, it } from "@effect/vitest"

const launcher = Path.resolve(import.meta.dirname, "../../scripts/launch.js")

const launch = (...args: ReadonlyArray<string>): { status: number | null; stdout: string; stderr: string } =>
  spawnSync(process.execPath, [launcher, ...args], { encoding: "utf8", input: "" })

describe("scripts/launch.js", () => {
  it("names the commands when it does not know one, and prints nothing on stdout", () => {
    const { status, stdout, stderr } = launch("nonsense")
    assert.strictEqual(status, 1)
    assert.strictEqual(stdout, "")
    assert.match(stderr, /no command "nonsense".*demo, ls-cli, test/)
  })

  it("gives arguments to the program as they are, and its stdout back", () => {
    const { status, stdout } = launch("format", "--version")
    assert.strictEqual(status, 0)
    assert.match(stdout, /\d+\.\d+\.\d+/)
  })

  it("ends with the program's exit code", () => {
    const direct = spawnSync(process.execPath, [
      Path.resolve(launcher, "../../node_modules/oxfmt/bin/oxfmt"),
      "--no-such-flag"
    ])
    assert.notStrictEqual(direct.status, 0)
    assert.strictEqual(launch("format", "--no-such-flag").status, direct.status)
  })
})
