/**
 * libreseed.lock.json as it is read inside of a program that runs: who sees whom, and nothing else.
 * `LockFile.ts` judges a lock file in full; this one only makes sure that whatever the file says, it is
 * names that are looked up in it and an integrity that is looked up in the store, never a path.
 */
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as LockConsistency from "../../protocol/registry/LockConsistency.ts"
import * as ModuleError from "./ModuleError.ts"

export const FILE_NAME = "libreseed.lock.json"

const LOCK_VERSION = 1

/** What `LockFile.ts` allows. */
export const MAX_CHARS = 32 * 1024 * 1024

const CONTENT_HASH = /^[0-9a-f]{64}$/
const INTEGRITY = /^sha512-[A-Za-z0-9+/]{86}==$/

/** One package in one place of the tree: what it is, and what it sees. */
export interface Instance {
  /** Its key in the lock. */
  readonly id: string
  readonly name: string
  readonly version: string
  readonly publisher: string
  readonly integrity: string
  /** Of its files, in hex; older locks have none. */
  readonly contentHash: string | undefined
  /** Of the instances that have the same files, which one this is, counted in the order of their ids. */
  readonly copy: number
  /** By name: ids. */
  readonly dependencies: ReadonlyMap<string, string>
}

export interface LockedModules {
  readonly location: string
  /** Directory of the project, absolute. */
  readonly directory: string
  /** What the project sees, by name: ids. */
  readonly project: ReadonlyMap<string, string>
  readonly instances: ReadonlyMap<string, Instance>
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** The entries of an object whose values are texts; `undefined` where it is anything else. */
const textsOf = (value: unknown): ReadonlyMap<string, string> | undefined => {
  if (!isRecord(value)) return undefined
  const texts = new Map<string, string>()
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== "string") return undefined
    texts.set(key, text)
  }
  return texts
}

const instanceOf = (id: string, value: unknown): Instance | undefined => {
  if (!isRecord(value)) return undefined
  const { contentHash, integrity, name, publisher, version } = value
  const dependencies = textsOf(value["dependencies"])
  if (typeof name !== "string" || typeof version !== "string" || typeof publisher !== "string") return undefined
  if (typeof integrity !== "string" || !INTEGRITY.test(integrity) || dependencies === undefined) return undefined
  if (contentHash !== undefined && (typeof contentHash !== "string" || !CONTENT_HASH.test(contentHash)))
    return undefined
  return { id, name, version, publisher, integrity, contentHash, copy: 0, dependencies }
}

/**
 * The instances with their copies counted. `contentOf` tells the files of one: what different publishers packed may be
 * the same files, which lie in one directory. What it cannot tell may turn out to be anybody's files, and is no first copy.
 */
export const counted = (
  instances: ReadonlyMap<string, Instance>,
  contentOf: (instance: Instance) => string | undefined
): ReadonlyMap<string, Instance> => {
  const copies = new Map<string, number>()
  return new Map(
    Array.from(instances, ([id, instance]) => {
      const content = contentOf(instance)
      const key = content ?? instance.integrity
      const copy = copies.get(key) ?? (content === undefined ? 1 : 0)
      copies.set(key, copy + 1)
      return [id, { ...instance, copy }]
    })
  )
}

/** Throws `ModuleError` (`InvalidLock`) with the first thing that is wrong. `location` is absolute. */
export const parse = (text: string, location: string): LockedModules => {
  const refuse = (problem: string) => ModuleError.invalidLock(location, problem)
  if (text.length > MAX_CHARS) throw refuse(`it is longer than ${MAX_CHARS} characters`)
  let lock: unknown
  try {
    lock = JSON.parse(text)
  } catch {
    throw refuse("it is not JSON")
  }
  if (!isRecord(lock)) throw refuse("it is not an object")
  if (lock["lockfileVersion"] !== LOCK_VERSION) throw refuse(`its lockfileVersion is not ${LOCK_VERSION}`)
  const project = textsOf(lock["project"])
  if (project === undefined || !isRecord(lock["packages"])) throw refuse("project or packages are missing")
  const listed = new Map<string, Instance>()
  // In the order of their ids, whatever their order in the file: which copy is whose must not depend on it.
  for (const id of Object.keys(lock["packages"]).toSorted()) {
    const instance = instanceOf(id, lock["packages"][id])
    if (instance === undefined) throw refuse(`the entry ${ModuleError.shown(id)} cannot be understood`)
    listed.set(id, instance)
  }
  const instances = counted(listed, ({ contentHash, integrity }) => contentHash ?? integrity)
  const mayLead = LockConsistency.mayLeadTo(Object.keys(isRecord(lock["answers"]) ? lock["answers"] : {}))
  for (const seen of [project, ...[...instances.values()].map(({ dependencies }) => dependencies)]) {
    for (const [name, id] of seen) {
      const found = instances.get(id)
      if (found !== undefined && mayLead(name, found.name)) continue
      throw refuse(`${ModuleError.shown(name)} is said to be ${ModuleError.shown(id)}, which is not in it`)
    }
  }
  return { location, directory: Path.dirname(location), project, instances }
}

/** Reads a lock file. Throws `ModuleError` (`InvalidLock`). */
export const read = (path: string): LockedModules => {
  let location = path
  try {
    // Importers are known by their real paths.
    location = Path.join(Fs.realpathSync(Path.dirname(path)), Path.basename(path))
    if (Fs.statSync(location).size > MAX_CHARS)
      throw ModuleError.invalidLock(path, `it is longer than ${MAX_CHARS} characters`)
    return parse(Fs.readFileSync(location, "utf8"), location)
  } catch (error) {
    if (error instanceof ModuleError.ModuleError) throw error
    throw ModuleError.invalidLock(path, error instanceof Error ? error.message : String(error))
  }
}

/** The lock file of the directory or of the nearest one above it that has one. */
export const find = (directory: string): string | undefined => {
  for (let at = Path.resolve(directory); ; at = Path.dirname(at)) {
    const location = Path.join(at, FILE_NAME)
    if (Fs.existsSync(location)) return location
    if (at === Path.dirname(at)) return undefined
  }
}
