/**
 * What these tests need of the machine: programs of others, and what not every kernel has or permits. Where
 * something is missing, the tests that need it are reported as not run, with the reason in their name, and never as
 * passed. With `LIBRESEED_INTEROP=required` a missing program fails them instead: a package brings it.
 */
import { spawnSync } from "node:child_process"
import { assert, describe, it } from "vitest"
import { PYTHON } from "./Libtorrent.ts"

/** Why tests cannot run here. */
export interface Obstacle {
  /** Whether it is a program that could be installed; else the machine does not have or permit something. */
  readonly isProgram: boolean
  readonly reason: string
}

/** How long a probe may take: it starts one program, ms. */
const PROBE_TIMEOUT_MS = 10_000

const areProgramsRequired = process.env["LIBRESEED_INTEROP"] === "required"

/** What a program has to say when it does not start, or does not end well. It is not given any input. */
export const problemOf = (program: string, args: ReadonlyArray<string>): string | undefined => {
  const { error, status, stderr } = spawnSync(program, [...args], {
    encoding: "utf8",
    timeout: PROBE_TIMEOUT_MS,
    input: ""
  })
  if (error !== undefined) return error.message
  return status === 0 ? undefined : stderr.trim().split("\n").at(-1) || `it ended with ${status}`
}

/** Debian: `apt-get install python3-libtorrent`. */
export const libtorrent: Obstacle | undefined =
  problemOf(PYTHON, ["-c", "import libtorrent"]) === undefined
    ? undefined
    : { isProgram: true, reason: "python3-libtorrent is not installed" }

/** Debian: `apt-get install aria2`. */
export const aria2: Obstacle | undefined =
  problemOf("aria2c", ["--version"]) === undefined ? undefined : { isProgram: true, reason: "aria2 is not installed" }

const title = (name: string, obstacle: Obstacle | undefined): string =>
  obstacle === undefined ? name : `${name} [not run: ${obstacle.reason}]`

/** A group of tests that are run where there is no obstacle. */
export const describeUnless = (obstacle: Obstacle | undefined, name: string, tests: () => void): void => {
  const isFailure = obstacle?.isProgram === true && areProgramsRequired
  const isLeftOut = obstacle !== undefined && !isFailure
  // The short report of a run names no test that was left out.
  if (isLeftOut) process.stderr.write(`Not run: ${name}: ${obstacle.reason}\n`)
  const failing = () => {
    it("can be run", () => assert.fail(obstacle?.reason))
  }
  const body = isFailure ? failing : tests
  describe.skipIf(isLeftOut)(title(name, isLeftOut ? obstacle : undefined), () => {
    body()
  })
}
