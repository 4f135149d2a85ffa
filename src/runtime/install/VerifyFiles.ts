/**
 * Looks at single files and links of a tree, and says what is wrong with them. What cannot be looked at is
 * wrong too: whoever checks a tree wants to know all of it, and not the first thing that the disk refuses.
 */
import * as Crypto from "node:crypto"
import * as Fs from "node:fs"
import type { Manifest } from "../../protocol/registry/Manifest.ts"
import * as Bins from "./Bins.ts"
import * as InstalledState from "./InstalledState.ts"

export type Kind = "changed" | "missing" | "added" | "link" | "unverified"

export type Objection = readonly [kind: Kind, problem: string]

const codeOf = (error: unknown): string =>
  error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : String(error)

const unreadable = (error: unknown): Objection => ["changed", `cannot be read: ${codeOf(error)}`]

const EXECUTE_BIT = 0o100
const READ_CHUNK_BYTES = 1024 * 1024

/** What an install makes of the first line of a command that was written on Windows. */
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
  const text = Fs.readFileSync(location, "latin1").replace(UNIX_FIRST_LINE, "$1\r\n")
  return Crypto.createHash("sha256").update(text, "latin1").digest("hex") === sha256
}

const compare = (
  location: string,
  { mode, sha256, size }: Manifest["files"][string],
  isCommand: boolean
): Objection | undefined => {
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

/** What is wrong with one file; `undefined` where it is as it was signed. */
export const objectionTo = (
  location: string,
  signed: Manifest["files"][string],
  isCommand: boolean
): Objection | undefined => {
  try {
    return compare(location, signed, isCommand)
  } catch (error) {
    return unreadable(error)
  }
}

/** What is in a directory, by name; nothing where there is none. */
export const entriesOf = (directory: string): ReadonlyArray<Fs.Dirent> | Objection => {
  try {
    return Fs.readdirSync(directory, { withFileTypes: true })
  } catch (error) {
    return codeOf(error) === "ENOENT" ? [] : unreadable(error)
  }
}

export const isObjection = (found: ReadonlyArray<Fs.Dirent> | Objection): found is Objection =>
  typeof found[0] === "string"

/** Everything below a directory that is no directory, relative to it, with `/`; with what is against it already. */
export const below = (
  directory: string,
  prefix = ""
): ReadonlyArray<readonly [path: string, Objection | undefined]> => {
  const entries = entriesOf(directory)
  if (isObjection(entries)) return [[prefix.replace(/\/$/, ""), entries]]
  return entries.flatMap((entry): ReturnType<typeof below> => {
    const path = `${prefix}${entry.name}`
    return entry.isDirectory() ? below(`${directory}/${entry.name}`, `${path}/`) : [[path, undefined]]
  })
}

/** A package whose commands a `.bin` has; without them where nobody knows which it has. */
export type Commanding = readonly [name: string, commands: Bins.Commands | undefined]

/** On Windows a command is three files, whose content is not compared. */
const SHIM = /\.(?:cmd|ps1)$/

/**
 * What is wrong in the `.bin` of a `node_modules`, by name: links that lead elsewhere, that are missing, or that nobody
 * asked for. `isForeign` are names of packages whose commands may be there as well.
 */
export const objectionsToBins = (
  modules: string,
  packages: ReadonlyArray<Commanding>,
  isForeign: (name: string) => boolean
): ReadonlyArray<readonly [name: string, Objection]> => {
  const directory = `${modules}/${Bins.BIN}`
  const entries = entriesOf(directory)
  if (isObjection(entries)) return [["", entries]]
  // Which of two packages with one command has it is not told here: both are signed.
  const targets = new Map<string, Set<string>>()
  for (const [name, commands] of packages) {
    for (const [command, file] of commands ?? []) {
      targets.set(command, (targets.get(command) ?? new Set()).add(Bins.targetOf(name, file)))
    }
  }
  const unknown = new Set(packages.flatMap(([name, commands]) => (commands === undefined ? [name] : [])))
  const isWindows = process.platform === "win32"
  const names = new Set(entries.map((entry) => (isWindows ? entry.name.replace(SHIM, "") : entry.name)))
  const missing = [...targets.keys()].filter((command) => !names.has(command))
  return [
    ...missing.map((command): readonly [string, Objection] => [command, ["missing", "is missing"]]),
    ...[...names].flatMap((command): ReadonlyArray<readonly [string, Objection]> => {
      const wanted = targets.get(command)
      if (isWindows && wanted !== undefined) return []
      const target = InstalledState.linkAt(`${directory}/${command}`)
      if (target !== undefined && wanted?.has(target) === true) return []
      const [, owner] = /^\.\.\/((?:@[^/]+\/)?[^./][^/]*)\/(?!.*(?:^|\/)\.\.(?:\/|$))/.exec(target ?? "") ?? []
      if (owner !== undefined && (unknown.has(owner) || (wanted === undefined && isForeign(owner)))) return []
      if (wanted === undefined) return [[command, ["added", "was not installed"]]]
      return [[command, ["link", target === undefined ? "is no link any more" : `leads to ${target}`]]]
    })
  ]
}

/** What is in the directory of an instance besides its package, the links to what it depends on, and `.bin`. */
export const strangersIn = (
  instance: string,
  known: ReadonlySet<string>
): ReadonlyArray<readonly [path: string, Objection]> => {
  const added: Objection = ["added", "was not installed"]
  const list = (
    directory: string,
    prefix: string,
    isKnown: (path: string) => boolean
  ): ReturnType<typeof strangersIn> => {
    const entries = entriesOf(directory)
    if (isObjection(entries)) return [[prefix, entries]]
    return entries.flatMap((entry): ReturnType<typeof strangersIn> => {
      const path = `${prefix}${entry.name}`
      if (isKnown(path)) return []
      const isScope = entry.isDirectory() && entry.name.startsWith("@") && prefix === `${InstalledState.MODULES}/`
      return isScope ? list(`${directory}/${entry.name}`, `${path}/`, isKnown) : [[path, added]]
    })
  }
  const isKnown = (path: string) => {
    const name = path.slice(InstalledState.MODULES.length + 1)
    return name === Bins.BIN || known.has(name)
  }
  return [
    ...list(instance, "", (path) => path === InstalledState.MODULES),
    ...list(`${instance}/${InstalledState.MODULES}`, `${InstalledState.MODULES}/`, isKnown)
  ]
}
