/**
 * Compares a project's `node_modules` with what was signed: every file of every package with the manifest
 * of its release, every link with where it has to lead. The manifests are those of the store, which were
 * checked against their release records when they came in, and those that the lock file stands for.
 */
import * as Effect from "effect/Effect"
import * as Path from "effect/Path"
import * as Option from "effect/Option"
import * as Crypto from "node:crypto"
import * as Fs from "node:fs"
import * as PackageName from "../../protocol/core/PackageName.ts"
import * as PublicKey from "../../protocol/core/PublicKey.ts"
import * as Version from "../../protocol/core/Version.ts"
import type { LockFile } from "../../protocol/registry/LockFile.ts"
import type { Manifest } from "../../protocol/registry/Manifest.ts"
import * as Acquire from "./Acquire.ts"
import * as Bins from "./Bins.ts"
import * as InstalledState from "./InstalledState.ts"
import * as InstanceNames from "./InstanceNames.ts"
import * as PlaceInstances from "./PlaceInstances.ts"
import * as ProjectLock from "./ProjectLock.ts"

export type Kind = "changed" | "missing" | "added" | "link" | "unverified"

export interface Problem {
  readonly kind: Kind
  /** `name@version`. */
  readonly package: string
  /** Relative to the project, with `/`. */
  readonly path: string
  readonly problem: string
}

export interface Verified {
  readonly packages: number
  readonly files: number
  readonly problems: ReadonlyArray<Problem>
  /** `name@version` of packages whose own scripts ran: what those changed is not a problem, and cannot be told from others. */
  readonly built: ReadonlyArray<string>
}

const EXECUTE_BIT = 0o100
const READ_CHUNK_BYTES = 1024 * 1024

/** What `bin-links` makes of the first line of a command that was written on Windows. */
const UNIX_FIRST_LINE = /^(#![^\n\r]+)\n/

const hashOf = (location: string): string => {
  const hash = Crypto.createHash("sha256")
  const file = Fs.openSync(location, "r")
  try {
    const chunk = Buffer.allocUnsafe(READ_CHUNK_BYTES)
    for (let count = -1; count !== 0;) {
      count = Fs.readSync(file, chunk)
      hash.update(chunk.subarray(0, count))
    }
  } finally {
    Fs.closeSync(file)
  }
  return hash.digest("hex")
}

const isWindowsCommand = (location: string, sha256: string): boolean => {
  const text = Fs.readFileSync(location, "utf8").replace(UNIX_FIRST_LINE, "$1\r\n")
  return Crypto.createHash("sha256").update(text).digest("hex") === sha256
}

/** What is wrong with one file; `undefined` where it is as it was signed. */
const objectionTo = (
  location: string,
  { mode, sha256, size }: Manifest["files"][string],
  isCommand: boolean
): readonly [Kind, string] | undefined => {
  const info = Fs.lstatSync(location, { throwIfNoEntry: false })
  if (info === undefined) return ["missing", "is missing"]
  if (!info.isFile()) return ["changed", "is no file any more"]
  const isSame = info.size === size && hashOf(location) === sha256
  if (!isSame && !(isCommand && info.size === size - 1 && isWindowsCommand(location, sha256))) {
    return ["changed", "has other content"]
  }
  const isExecutable = (info.mode & EXECUTE_BIT) !== 0
  if (process.platform !== "win32" && isExecutable !== (mode === "0755" || isCommand)) {
    return ["changed", isExecutable ? "is executable" : "is not executable"]
  }
  return undefined
}

/** Everything below a directory that is no directory, relative to it, with `/`. */
const below = (directory: string, prefix = ""): ReadonlyArray<string> => {
  let entries: ReadonlyArray<Fs.Dirent>
  try {
    entries = Fs.readdirSync(directory, { withFileTypes: true })
  } catch {
    return []
  }
  return entries.flatMap((entry) => {
    const path = `${prefix}${entry.name}`
    return entry.isDirectory() ? below(`${directory}/${entry.name}`, `${path}/`) : [path]
  })
}

/** The manifest of what is installed; `undefined` where the store has none that is. */
const manifestOf = Effect.fnUntraced(function* (installed: InstalledState.InstalledPackage) {
  const publisher = Option.getOrUndefined(PublicKey.parse(installed.publisher))
  const name = Option.getOrUndefined(PackageName.parse(installed.name))
  const version = Option.getOrUndefined(Version.parse(installed.version))
  if (publisher === undefined || name === undefined || version === undefined) return undefined
  const stored = yield* Acquire.stored(publisher, name, version)
  const manifest = stored === undefined ? undefined : yield* Acquire.manifestOf(stored)
  const isIt = manifest?.contentHash === installed.contentHash && manifest.tarball.sha512 === installed.integrity
  return isIt ? manifest : undefined
})

/** Whether the lock file has another package in the place of what is installed. */
const isUnlocked = (lock: LockFile | undefined, { id, integrity, publisher }: InstalledState.InstalledPackage) => {
  const locked = lock?.packages[id]
  return lock !== undefined && (locked?.integrity !== integrity || locked.publisher !== publisher)
}

/** Compares the whole tree. `undefined` where ls-cli has installed nothing in the project. */
export const verify = Effect.fn("VerifyTree.verify")(function* (project: string) {
  const path = yield* Path.Path
  const directory = path.resolve(project)
  const modules = InstalledState.modulesOf(directory)
  const state = InstalledState.read(directory)
  if (state === undefined) return undefined
  const known = yield* ProjectLock.read(directory)
  const lock = known !== undefined && InstalledState.digest(known.text) === state.lock ? known.lock : undefined
  const problems: Array<Problem> = []
  const built: Array<string> = []
  const sound = new Set<string>()
  let files = 0
  const add = (label: string, location: string, kind: Kind, problem: string) =>
    problems.push({
      kind,
      package: label,
      path: path.relative(directory, location).replaceAll("\\", "/"),
      problem
    })
  const checkLink = (label: string, at: string, target: string) => {
    const found = InstalledState.linkAt(at)
    if (found === undefined) return void add(label, at, "link", "is no link any more")
    if (path.resolve(path.dirname(at), found) !== target) add(label, at, "link", `leads to ${found}`)
  }

  for (const [name, installed] of Object.entries(state.packages)) {
    const label = `${installed.name}@${installed.version}`
    const own = InstalledState.packageDirectory(modules, name, installed.name)
    for (const [dependency, target] of Object.entries(installed.dependencies)) {
      const at = PlaceInstances.linkOf(modules, name, installed.name, dependency)
      checkLink(label, at, InstalledState.packageDirectory(modules, target, dependency))
    }
    if (isUnlocked(lock, installed)) add(label, own, "changed", "is not what the lock file has")
    if (installed.built === true) {
      built.push(label)
      continue
    }
    const manifest = yield* manifestOf(installed)
    if (manifest === undefined) {
      add(label, own, "unverified", "cannot be verified: its signed manifest is not in the store")
      continue
    }
    const commands = new Set(Object.values(manifest.bin ?? {}).map(Bins.rooted))
    for (const [file, signed] of Object.entries(manifest.files)) {
      const location = path.join(own, file)
      const objection = objectionTo(location, signed, commands.has(file))
      files++
      if (objection === undefined) sound.add(location)
      else add(label, location, ...objection)
    }
    const isOwnLink = (file: string) =>
      file === `${InstalledState.MODULES}/${installed.name}` && Object.hasOwn(installed.dependencies, installed.name)
    for (const file of below(own)) {
      if (!Object.hasOwn(manifest.files, file) && !isOwnLink(file)) {
        add(label, path.join(own, file), "added", "was not signed")
      }
    }
    yield* Effect.yieldNow
  }

  for (const [name, target] of Object.entries(state.project)) {
    checkLink("the project", path.join(modules, name), InstalledState.packageDirectory(modules, target, name))
  }
  const virtual = path.join(modules, InstalledState.VIRTUAL)
  for (const name of Fs.readdirSync(virtual)) {
    if (name === InstalledState.STATE || Object.hasOwn(state.packages, name)) continue
    const isWaste = InstanceNames.PATTERN.test(name)
    add("the project", path.join(virtual, name), "added", isWaste ? "belongs to no tree" : "was not installed")
  }
  return { packages: Object.keys(state.packages).length, files, problems, built } satisfies Verified
})
