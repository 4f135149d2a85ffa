/**
 * Directories for what a bench writes. They go when the process ends: ext4 looks long for a place for a new file where many
 * were removed within the last half minute, and what is measured next would pay for that.
 */
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"

export const make = (): string => {
  const directory = Fs.mkdtempSync(Path.join(Os.tmpdir(), "libreseed-bench-"))
  process.once("exit", () => Fs.rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** Takes something out of the way that will be removed with the directory. */
export const putAway = (directory: string, location: string): void => {
  const away = Fs.mkdtempSync(Path.join(directory, "away-"))
  Fs.renameSync(location, Path.join(away, Path.basename(location)))
}
