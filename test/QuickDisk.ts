/**
 * Temporary files of the tests lie in memory where that can be: the stores flush what they write, and a disk that many
 * processes make wait takes most of the time of the suite. Programs must be allowed to run from there, for shims do.
 */
import { spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"

const MEMORY = "/dev/shm"

/** The demo's installs and all workers together take a few hundred MB. */
const FREE_MIN_BYTES = 4 * 2 ** 30

const isRoomy = (): boolean => {
  const { bavail, bsize } = Fs.statfsSync(MEMORY)
  return bavail * bsize >= FREE_MIN_BYTES
}

const runsPrograms = (directory: string): boolean => {
  const program = Path.join(directory, "program")
  Fs.writeFileSync(program, "#!/bin/sh\nexit 0\n", { mode: 0o700 })
  return spawnSync(program).status === 0
}

export default function setup(): (() => void) | undefined {
  if (process.platform !== "linux" || process.env["TMPDIR"] !== undefined) return
  let directory: string | undefined
  const remove = () => {
    if (directory !== undefined) Fs.rmSync(directory, { recursive: true, force: true })
  }
  try {
    if (!isRoomy()) return
    directory = Fs.mkdtempSync(Path.join(MEMORY, "libreseed-"))
    if (!runsPrograms(directory)) throw new Error(`Programs do not run from ${directory}`)
  } catch {
    remove()
    return
  }
  process.env["TMPDIR"] = directory
  return remove
}
