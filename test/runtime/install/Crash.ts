/** Processes that die while they install: simulated in this one at any change of the disk, and what they leave. */
import * as ChildProcess from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as PlatformError from "effect/PlatformError"
import * as SyncFiles from "../../../src/runtime/install/SyncFiles.ts"
import * as UnpackedReleases from "../../../src/runtime/store/UnpackedReleases.ts"
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

const failure = (method: string, path: string) =>
  Object.assign(new Error(`EIO: injected fault, ${method} '${path}'`), { code: "EIO" })

/** Whether the process is dead by the time of the next change. */
type IsDead = () => boolean

const make = (fs: FileSystem.FileSystem, isDead: IsDead): FileSystem.FileSystem => {
  const faulty = FaultyFileSystem.make(fs, {
    code: "EIO",
    get failAfterWrites() {
      return isDead() ? -1 : Number.POSITIVE_INFINITY
    }
  })
  let isTorn = false
  return FileSystem.make({
    ...faulty,
    remove: (path, options) =>
      Effect.suspend(() => {
        if (!isDead()) return fs.remove(path, options)
        if (!isTorn && options?.recursive === true) tear(path)
        isTorn = true
        return Effect.fail(
          PlatformError.systemError({
            _tag: "Unknown",
            module: "FileSystem",
            method: "remove",
            pathOrDescriptor: path,
            cause: failure("remove", path)
          })
        )
      })
  })
}

const makeSync = (isDead: IsDead): SyncFiles.SyncFiles => {
  const mortal =
    <A extends ReadonlyArray<unknown>>(method: string, change: (...args: A) => void) =>
    (...args: A): void => {
      if (isDead()) throw failure(method, String(args[0]))
      change(...args)
    }
  const { chmod, copy, ensureDirectory, link, linkDirectory, linkFile, makeDirectory } = SyncFiles.node
  const { remove, removeEmptyDirectory, write } = SyncFiles.node
  return {
    chmod: mortal("chmod", chmod),
    copy: mortal("copy", copy),
    flush: SyncFiles.node.flush,
    ensureDirectory: mortal("mkdir", ensureDirectory),
    link: mortal("link", link),
    linkDirectory: mortal("symlink", linkDirectory),
    linkFile: mortal("symlink", linkFile),
    makeDirectory: mortal("mkdir", makeDirectory),
    remove: mortal("remove", remove),
    removeEmptyDirectory: mortal("rmdir", removeEmptyDirectory),
    write: mortal("write", write)
  }
}

/** The file system below, on which nothing changes any more after so many changes: no removal, no undoing either. */
export const layer = (changes: number) => {
  let done = 0
  const isDead = () => done++ >= changes
  return Layer.fresh(UnpackedReleases.layer).pipe(
    Layer.provideMerge(
      Layer.effect(
        FileSystem.FileSystem,
        Effect.map(FileSystem.FileSystem, (fs) => make(fs, isDead))
      )
    ),
    Layer.merge(Layer.succeed(SyncFiles.SyncFiles, makeSync(isDead)))
  )
}

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

const contentOf = (path: string, entry: Fs.Dirent): string => {
  if (entry.isDirectory()) return "directory"
  return entry.isSymbolicLink() ? `link to ${Fs.readlinkSync(path)}` : Fs.readFileSync(path, "utf8")
}

/** Files, links and directories below `node_modules` with what is in them, without files of the lock. */
export const snapshot = (modules: string): ReadonlyMap<string, string> =>
  new Map(
    Fs.readdirSync(modules, { recursive: true, withFileTypes: true })
      .map((entry): [string, string] => {
        const path = Path.join(entry.parentPath, entry.name)
        return [Path.relative(modules, path), contentOf(path, entry)]
      })
      .filter(([path]) => !LOCK.test(path))
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
  )

/** The same text for trees that differ only in the random part of a staging directory's name. */
export const stateOf = (modules: string): string =>
  [...snapshot(modules)]
    .map(([path, content]) => `${path.replace(/^(\.libreseed-install)-[\w-]+/, "$1")} ${content}`)
    .join("\n")
