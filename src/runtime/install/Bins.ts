/**
 * The commands of packages: which there are, and their links in `.bin` directories, as npm's `bin-links` makes
 * them; on Windows shims, which it does make. Where there are links it is not asked, since it also changes
 * the modes of files after the umask, and those are the files of the store. What a command needs to be
 * started is done beforehand, on a copy.
 */
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { StorageFailed } from "../../protocol/swarm/Content.ts"
import type { PackageFacts, UnpackedIndex } from "../store/UnpackedIndex.ts"
import { SyncFiles } from "./SyncFiles.ts"

export const BIN = ".bin"

/** By command: files of the package. Names and paths lead nowhere else, as npm makes them safe. */
export type Commands = ReadonlyMap<string, string>

/** A path below the package, whatever it says. */
export const rooted = (path: string): string => Path.posix.join("/", path.replaceAll("\\", "/")).slice(1)

/** The commands of a package whose files are there. */
export const commandsOf = ({ facts, files }: UnpackedIndex): Commands =>
  facts.bin === undefined
    ? new Map()
    : commandsIn(
        facts,
        files.map(([path]) => path)
      )

/** The commands of a package with the files `among`. */
export const commandsIn = (facts: PackageFacts, among: ReadonlyArray<string>): Commands => {
  const bin = Object.entries(facts.bin ?? {})
  if (bin.length === 0) return new Map()
  const paths = new Set(among)
  return new Map(
    bin.flatMap(([key, value]): ReadonlyArray<[string, string]> => {
      const command = rooted(Path.posix.basename(key.replaceAll(/[\\:]/g, "/")))
      const target = rooted(value)
      return command === "" || command === "." || !paths.has(target) ? [] : [[command, target]]
    })
  )
}

/** Bytes in which npm looks for the end of the first line of a command. */
const FIRST_LINE_BYTES = 2048
const WINDOWS_FIRST_LINE = /^#![^\n]+\r\n/

/** A command as Unix starts it, where its first line was written on Windows; else `undefined`. Throws as `node:fs` does. */
export const unixContentOf = (location: string): Uint8Array | undefined => {
  const start = Buffer.alloc(FIRST_LINE_BYTES)
  const file = Fs.openSync(location, "r")
  try {
    const text = start.toString("latin1", 0, Fs.readSync(file, start))
    const [line] = WINDOWS_FIRST_LINE.exec(text) ?? []
    if (line === undefined) return undefined
    const content = Fs.readFileSync(location)
    const end = line.length - "\r\n".length
    return Buffer.concat([content.subarray(0, end), content.subarray(end + 1)])
  } finally {
    Fs.closeSync(file)
  }
}

/** Where the link of a command leads that lies in the `.bin` beside the package. */
export const targetOf = (name: string, file: string): string => `../${name}/${file}`

const linkEach = (files: SyncFiles, path: string, name: string, commands: Commands): void => {
  const modules = name.includes("/") ? Path.dirname(Path.dirname(path)) : Path.dirname(path)
  const directory = Path.join(modules, BIN)
  files.ensureDirectory(directory)
  for (const [command, file] of commands) {
    const at = `${directory}/${command}`
    if (Fs.lstatSync(at, { throwIfNoEntry: false }) !== undefined) files.remove(at)
    files.linkFile(targetOf(name, file), at)
  }
}

/** Shims, which `bin-links` writes in three languages. */
const shimEach = async (path: string, name: string, commands: Commands): Promise<void> => {
  const { default: binLinks } = await import("bin-links")
  binLinks.resetSeen()
  const pkg = { name, version: "0.0.0", bin: Object.fromEntries(commands) }
  await binLinks({ path, pkg, top: false, global: false, force: true })
}

/** Links the commands of the package at `path`, whose parent is a `node_modules` or a scope there, into its `.bin`. */
export const link = Effect.fnUntraced(function* (path: string, name: string, commands: Commands) {
  if (commands.size === 0) return
  const files = yield* SyncFiles
  yield* Effect.tryPromise({
    try: async () =>
      process.platform === "win32" ? await shimEach(path, name, commands) : linkEach(files, path, name, commands),
    catch: (error) =>
      new StorageFailed({
        location: path,
        operation: "link the commands of",
        problem: error instanceof Error ? error.message : String(error)
      })
  }).pipe(Effect.uninterruptible)
})
