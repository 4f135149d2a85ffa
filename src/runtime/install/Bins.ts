/**
 * The commands of packages: which there are, and their links (on Windows shims) in `.bin` directories,
 * which npm's `bin-links` makes. What it would do to make a file executable is done beforehand, on a copy,
 * since the file is linked with the store.
 */
import * as Effect from "effect/Effect"
import * as Path from "node:path"
import { StorageFailed } from "../../protocol/swarm/Content.ts"
import type { UnpackedIndex } from "../store/UnpackedIndex.ts"

export const BIN = ".bin"

/** By command: files of the package. Names and paths lead nowhere else, as npm makes them safe. */
export type Commands = ReadonlyMap<string, string>

/** A path below the package, whatever it says. */
export const rooted = (path: string): string => Path.posix.join("/", path.replaceAll("\\", "/")).slice(1)

/** The commands of a package whose files are there. */
export const commandsOf = ({ facts, files }: UnpackedIndex): Commands => {
  const bin = Object.entries(facts.bin ?? {})
  if (bin.length === 0) return new Map()
  const paths = new Set(files.map(([path]) => path))
  return new Map(
    bin.flatMap(([key, value]): ReadonlyArray<[string, string]> => {
      const command = rooted(Path.posix.basename(key.replaceAll(/[\\:]/g, "/")))
      const target = rooted(value)
      return command === "" || command === "." || !paths.has(target) ? [] : [[command, target]]
    })
  )
}

/** Links the commands of the package at `path`, whose parent is a `node_modules` or a scope there, into its `.bin`. */
export const link = Effect.fnUntraced(function* (path: string, name: string, commands: Commands) {
  if (commands.size === 0) return
  const pkg = { name, version: "0.0.0", bin: Object.fromEntries(commands) }
  yield* Effect.tryPromise({
    try: async () => {
      const { default: binLinks } = await import("bin-links")
      binLinks.resetSeen()
      await binLinks({ path, pkg, top: false, global: false, force: true })
    },
    catch: (error) =>
      new StorageFailed({
        location: path,
        operation: "link the commands of",
        problem: error instanceof Error ? error.message : String(error)
      })
  }).pipe(Effect.uninterruptible)
})
