/**
 * Puts instances into `node_modules/.libreseed`: each in a directory of its own, its files linked with
 * those of the store, and beside it links to what it depends on. Nothing refers to a directory before the
 * project's own links do, so that none of them needs to be whole at any moment, and what a killed
 * install left of one is made anew.
 *
 * A file shares its blocks with the store's where the file system can (reflink), else it is the same file
 * (hard link), else a copy. Packages whose scripts may run get copies, since scripts write.
 */
import * as Effect from "effect/Effect"
import * as Path from "node:path"
import { StorageFailed } from "../../protocol/swarm/Content.ts"
import type { UnpackedIndex } from "../store/UnpackedIndex.ts"
import * as Bins from "./Bins.ts"
import { MODULES, packageDirectory, VIRTUAL } from "./InstalledState.ts"
import { SyncFiles } from "./SyncFiles.ts"

/** An instance that others see. */
export interface Target {
  /** Its name in `.libreseed`. */
  readonly directory: string
  /** That of its package, whatever others call it. */
  readonly name: string
}

export interface Instance extends Target {
  /** Whether there is something in its place, which is not used. */
  readonly isThere: boolean
  /** Where its files lie unpacked. */
  readonly source: string
  readonly index: UnpackedIndex
  /** What it sees, by the name that it has for it. */
  readonly dependencies: ReadonlyMap<string, Target>
  /** Whether its files are its own, whatever that costs. */
  readonly isCopied: boolean
}

/** File operations between two chances for others to run: some milliseconds. */
const OPERATIONS_PER_SLICE = 512

/** Files flushed at a time: a journaling file system brings them to the disk together. */
const FLUSHED_AT_ONCE = 16

const EXECUTABLE = 0o755
const EXECUTE_BITS = 0o111

/** What `link` fails with where a hard link cannot be had: another device, a file system without, too many. */
const LINKLESS = new Set(["EXDEV", "EPERM", "EACCES", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK"])

const codeOf = (error: unknown): string =>
  error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : ""

/** Tries what is best, and remembers what this file system cannot do. */
const transfer = (files: SyncFiles) => {
  let clones = true
  let links = true
  return (from: string, to: string): void => {
    if (clones) {
      try {
        return files.copy(from, to, "clone")
      } catch (error) {
        if (codeOf(error) === "EEXIST" || codeOf(error) === "ENOENT") throw error
        clones = false
      }
    }
    if (links) {
      try {
        return files.link(from, to)
      } catch (error) {
        if (!LINKLESS.has(codeOf(error))) throw error
        // A file that has as many links as it can have says nothing about the others.
        links = codeOf(error) === "EMLINK"
      }
    }
    files.copy(from, to, "copy")
  }
}

/** Directories inside of a package, each after the one that it is in. */
const directoriesOf = ({ files }: UnpackedIndex): ReadonlySet<string> => {
  const found = new Set<string>()
  let last = ""
  for (const [path] of files) {
    const end = path.lastIndexOf("/")
    const directory = end < 0 ? "" : path.slice(0, end)
    // Files are sorted, so that those of one directory mostly stand together.
    if (directory === last || found.has(directory)) continue
    last = directory
    for (let at = path.indexOf("/"); at >= 0; at = path.indexOf("/", at + 1)) found.add(path.slice(0, at))
  }
  return found
}

/** From the link `<from>/node_modules/<link>` to the instance that it is. */
const relativeTarget = (link: string, { directory, name }: Target): string => {
  const up = link.includes("/") ? "../../.." : "../.."
  return `${up}/${directory}/${MODULES}/${name}`
}

/** The file operations of one instance, one by one. */
function* operations(modules: string, instance: Instance, files: SyncFiles, put: ReturnType<typeof transfer>) {
  const { dependencies, directory, index, isCopied, name, source } = instance
  const base = Path.join(modules, VIRTUAL, directory)
  const own = packageDirectory(modules, directory, name)
  if (instance.isThere) yield files.remove(base)
  yield files.makeDirectory(base)
  const links = `${base}/${MODULES}`
  yield files.makeDirectory(links)
  const scopes = new Set([name, ...dependencies.keys()].flatMap((each) => each.split("/").slice(0, -1)))
  for (const scope of scopes) yield files.makeDirectory(`${links}/${scope}`)
  yield files.makeDirectory(own)
  for (const inner of directoriesOf(index)) yield files.makeDirectory(`${own}/${inner}`)
  const commands = new Set(Bins.commandsOf(index).values())
  for (const [path, , , mode] of index.files) {
    // Not joined, which costs more than to make the link.
    const to = `${own}/${path}`
    const from = `${source}/${path}`
    const isCommand = commands.has(path)
    const becomesExecutable = isCommand && (mode & EXECUTE_BITS) !== EXECUTE_BITS
    const content = isCommand ? Bins.unixContentOf(from) : undefined
    if (content !== undefined) yield files.write(to, content)
    else if (isCopied || becomesExecutable) yield files.copy(from, to, "copy")
    else yield put(from, to)
    if (becomesExecutable || content !== undefined) yield files.chmod(to, EXECUTABLE)
  }
  for (const [dependency, target] of dependencies) {
    if (dependency !== name) {
      yield files.linkDirectory(relativeTarget(dependency, target), `${links}/${dependency}`)
      continue
    }
    // A package that depends on another one under its own name finds that inside of itself.
    const inside = [own, MODULES, ...dependency.split("/").slice(0, -1)]
    for (let depth = 2; depth <= inside.length; depth++) yield files.ensureDirectory(inside.slice(0, depth).join("/"))
    const up = name.includes("/") ? "../../../" : "../../"
    yield files.linkDirectory(up + relativeTarget(name, target), linkOf(modules, directory, name, dependency))
  }
}

/** Where the links of an instance's dependencies lie. */
export const linkOf = (modules: string, directory: string, name: string, dependency: string): string =>
  dependency === name
    ? Path.join(packageDirectory(modules, directory, name), MODULES, dependency)
    : Path.join(modules, VIRTUAL, directory, MODULES, dependency)

/** The next operations, some milliseconds of them; whether there are more. */
const slice = (work: Iterator<unknown>): boolean => {
  for (let count = 0; count < OPERATIONS_PER_SLICE; count++) if (work.next().done === true) return false
  return true
}

/**
 * Makes the directories of all instances, whatever is there of them. Fails with `StorageFailed`; what was
 * made by then is waste. Can be interrupted between two slices of its work.
 */
export const place = Effect.fn("PlaceInstances.place")(function* (modules: string, instances: ReadonlyArray<Instance>) {
  const files = yield* SyncFiles
  const put = transfer(files)
  let location = modules
  const all = function* () {
    for (const instance of instances) {
      location = Path.join(modules, VIRTUAL, instance.directory)
      yield* operations(modules, instance, files, put)
    }
  }
  const next = Effect.try({
    try: () => slice(work),
    catch: (error) =>
      new StorageFailed({
        location,
        operation: "put a package into",
        problem: error instanceof Error ? error.message : String(error)
      })
  })
  const work = all()
  while (yield* next) yield* Effect.yieldNow
})

/**
 * Brings the files of instances to the disk: a power cut after the switch may not leave links, which are flushed, that
 * lead to files without content. Fails with `StorageFailed`.
 */
export const flush = Effect.fn("PlaceInstances.flush")(function* (modules: string, placed: ReadonlyArray<Instance>) {
  const files = yield* SyncFiles
  const locations = placed.flatMap(({ directory, index, name }) => {
    const own = packageDirectory(modules, directory, name)
    return index.files.map(([path]) => `${own}/${path}`)
  })
  const one = (location: string) =>
    Effect.tryPromise({
      try: () => files.flush(location),
      catch: (error) => new StorageFailed({ location, operation: "flush", problem: String(error) })
    })
  yield* Effect.forEach(locations, one, { concurrency: FLUSHED_AT_ONCE, discard: true })
})

/** Links the commands of every instance, and of what it sees, into the `.bin` beside it. All instances are in place. */
export const linkCommands = Effect.fn("PlaceInstances.linkCommands")(function* (
  modules: string,
  placed: ReadonlyArray<Instance>,
  commandsOf: (directory: string) => Bins.Commands
) {
  for (const { dependencies, directory, name } of placed) {
    const own = commandsOf(directory)
    yield* Bins.link(packageDirectory(modules, directory, name), name, own)
    for (const [dependency, target] of dependencies) {
      if (dependency === name) continue
      const commands = new Map([...commandsOf(target.directory)].filter(([command]) => !own.has(command)))
      yield* Bins.link(linkOf(modules, directory, name, dependency), dependency, commands)
    }
  }
})
