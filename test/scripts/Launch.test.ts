/**
 * The launcher passes arguments, output and exit codes through, and says what it does on stderr alone.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import * as Path from "node:path"
import { assert, describe, it } from "@effect/vitest"

const launcher = Path.resolve(import.meta.dirname, "../../scripts/launch.js")

const launch = (...args: ReadonlyArray<string>): { status: number | null; stdout: string; stderr: string } =>
  spawnSync(process.execPath, [launcher, ...args], { encoding: "utf8", input: "" })

const TESTNET = [launcher, "ls-cli", "testnet", "--nodes", "2", "--json"]

/** Waits for the program's first line. The stream ends when nobody is left who could write to it. */
const upAndOver = async (child: ChildProcess, end: () => void): Promise<void> => {
  const { stdout } = child
  assert(stdout !== null)
  const [line] = await once(stdout, "data")
  assert.include(String(line), "bootstrap")
  const over = once(stdout, "close")
  end()
  await over
}

const quoted = (words: ReadonlyArray<string>): string => words.map((word) => `'${word}'`).join(" ")

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

  it("passes on the signals that end a program", async () => {
    for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
      const child = spawn(process.execPath, TESTNET, { stdio: ["ignore", "pipe", "ignore"] })
      await upAndOver(child, () => child.kill(signal))
    }
  })

  it("ends the program when npm is killed, with a shell between them or none", async () => {
    const env = { ...process.env, npm_lifecycle_event: "ls-cli" }
    // A shell that has more to do does not give its place to the launcher.
    for (const command of [
      [process.execPath, ...TESTNET],
      ["/bin/sh", "-c", `${quoted([process.execPath, ...TESTNET])}; :`]
    ]) {
      const npm = `require("node:child_process").spawn(${JSON.stringify(command[0])}, ${JSON.stringify(command.slice(1))}, { stdio: "inherit" })`
      const child = spawn(process.execPath, ["-e", npm], { env, stdio: ["ignore", "pipe", "ignore"] })
      await upAndOver(child, () => child.kill("SIGKILL"))
    }
  })
})
