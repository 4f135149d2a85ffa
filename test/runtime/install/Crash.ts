/** Processes that die while they install: simulated in this one at any change of the disk, and what they leave. */
import * as ChildProcess from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as PlatformError from "effect/PlatformError"
import * as FaultyFileSystem from "../FaultyFileSystem.ts"

const LOCK = /^\.libreseed-install\.lock/
const STAGING = /^(\.libreseed-install-)\d+(-\d+-\w+)$/
const AN_HOUR_MS = 3_600_000

/** Removes half of what is in a directory, as who is killed while removing it. */
const tear = (directory: string) => {
  const names = Fs.existsSync(directory) ? Fs.readdirSync(directory) : []
  for (const name of names.slice(0, Math.ceil(names.length / 2))) {
    Fs.rmSync(Path.join(directory, name), { recursive: true })
  }
}

const make = (fs: FileSystem.FileSystem, changes: number): FileSystem.FileSystem => {
  let done = 0
  const isDead = () => done++ >= changes
  const faulty = FaultyFileSystem.make(fs, {
    code: "EIO",
    get failAfterWrites() {
      return isDead() ? -1 : Number.POSITIVE_INFINITY
    }
  })
  return FileSystem.make({
    ...faulty,
    remove: (path, options) =>
      Effect.suspend(() => {
        if (!isDead()) return fs.remove(path, options)
        if (done === changes + 1 && options?.recursive === true) tear(path)
        return Effect.fail(
          PlatformError.systemError({
            _tag: "Unknown",
            module: "FileSystem",
            method: "remove",
            pathOrDescriptor: path,
            cause: Object.assign(new Error("EIO: injected fault, remove"), { code: "EIO" })
          })
        )
      })
  })
}

/** The file system below, on which nothing changes any more after so many changes: no removal, no undoing either. */
export const layer = (changes: number) =>
  Layer.effect(
    FileSystem.FileSystem,
    Effect.map(FileSystem.FileSystem, (fs) => make(fs, changes))
  )

/** The number of a process that was, and is no more. */
export const deadPid = (): number => ChildProcess.spawnSync(process.execPath, ["-e", ""]).pid

/** Makes what this process left in `node_modules` that of a process which died an hour ago. */
export const die = (modules: string, pid: number) => {
  const then = new Date(Date.now() - AN_HOUR_MS)
  for (const name of Fs.existsSync(modules) ? Fs.readdirSync(modules) : []) {
    const path = Path.join(modules, name)
    if (LOCK.test(name)) {
      const text = Fs.readFileSync(path, "utf8")
      if (text.endsWith("}")) Fs.writeFileSync(path, JSON.stringify({ ...JSON.parse(text), pid, started: "" }))
      Fs.utimesSync(path, then, then)
    }
    if (STAGING.test(name)) Fs.renameSync(path, Path.join(modules, name.replace(STAGING, `$1${pid}$2`)))
  }
}

/** Files and directories below `node_modules` with what is in them, without files of the lock. */
export const snapshot = (modules: string): ReadonlyMap<string, string> =>
  new Map(
    Fs.readdirSync(modules, { recursive: true, withFileTypes: true })
      .map((entry): [string, string] => {
        const path = Path.join(entry.parentPath, entry.name)
        return [Path.relative(modules, path), entry.isDirectory() ? "directory" : Fs.readFileSync(path, "utf8")]
      })
      .filter(([path]) => !LOCK.test(path))
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
  )

/** The same text for trees that differ only in the random part of a staging directory's name. */
export const stateOf = (modules: string): string =>
  [...snapshot(modules)]
    .map(([path, content]) => `${path.replace(/^(\.libreseed-install)-[\w-]+/, "$1")} ${content}`)
    .join("\n")
