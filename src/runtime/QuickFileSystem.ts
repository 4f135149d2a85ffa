/**
 * The file system for commands that end. What the kernel does in microseconds is done at once: the way through Node's
 * pool of threads and back takes ten times as long, and an install takes it ten thousand times. What waits for the disk
 * or takes long (flushing, large reads and writes, copies) goes there as ever.
 *
 * Not for programs that serve others, which a slow disk would keep waiting.
 */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type * as PlatformError from "effect/PlatformError"
import * as NodeFs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as QuickFile from "./QuickFile.ts"
import * as PrivateDirectoryNow from "./store/PrivateDirectoryNow.ts"

/** Bytes of a file that are read or written at once. */
export const QUICK_MAX_BYTES = 256 * 1024

const ACCESS = { ok: NodeFs.constants.F_OK, readable: NodeFs.constants.R_OK, writable: NodeFs.constants.W_OK } as const

type RemoveOptions = NonNullable<Parameters<FileSystem.FileSystem["remove"]>[1]>

const sizeOf = (path: string): number => NodeFs.statSync(path, { throwIfNoEntry: false })?.size ?? 0

const codeOf = (error: unknown): unknown => (error instanceof Error && "code" in error ? error.code : undefined)

/** As Node has it, less what the user's mask takes away. */
const DIRECTORY_MODE = 0o777

/** Whether it is gone, whatever it was; where that will do, whether there was nothing at all. */
const removes = (path: string, { force = false, recursive = false }: RemoveOptions): boolean => {
  try {
    NodeFs.unlinkSync(path)
    return true
  } catch (error) {
    const code = codeOf(error)
    if (code === "ENOENT") return force
    if (!recursive || (code !== "EISDIR" && code !== "EPERM")) return false
  }
  try {
    NodeFs.rmSync(path, { recursive: true })
    return true
  } catch {
    return false
  }
}

const make = Effect.map(FileSystem.FileSystem, (slow) => {
  const at =
    <Args extends ReadonlyArray<unknown>, A>(method: string, run: (path: string, ...args: Args) => A) =>
    (path: string, ...args: Args): Effect.Effect<A, PlatformError.PlatformError> =>
      QuickFile.attempt(method, path, () => run(path, ...args))

  const quick = FileSystem.make({
    ...slow,
    access: at("access", (path, options: Parameters<typeof slow.access>[1] = {}) => {
      const mode = (options.readable === true ? ACCESS.readable : 0) | (options.writable === true ? ACCESS.writable : 0)
      NodeFs.accessSync(path, ACCESS.ok | mode)
    }),
    link: at("link", (from, to: string) => NodeFs.linkSync(from, to)),
    makeDirectory: at("makeDirectory", (path, options: Parameters<typeof slow.makeDirectory>[1] = {}) => {
      if (options.recursive === true) PrivateDirectoryNow.make(path, options.mode ?? DIRECTORY_MODE)
      else NodeFs.mkdirSync(path, { mode: options.mode })
    }),
    makeTempDirectory: (options = {}) => {
      const directory = options.directory ?? Os.tmpdir()
      const prefix = Path.join(directory, options.prefix ?? "") + (options.prefix === undefined ? Path.sep : "")
      return QuickFile.attempt("makeTempDirectory", prefix, () => NodeFs.mkdtempSync(prefix))
    },
    open: (path, options) =>
      options?.noFollow === true ? slow.open(path, options) : QuickFile.open(path, options, QUICK_MAX_BYTES),
    readDirectory: (path, options) =>
      options?.recursive === true
        ? slow.readDirectory(path, options)
        : QuickFile.attempt("readDirectory", path, () => NodeFs.readdirSync(path)),
    readFile: (path) =>
      Effect.flatMap(
        QuickFile.attempt("readFile", path, (): Uint8Array | undefined =>
          sizeOf(path) > QUICK_MAX_BYTES ? undefined : NodeFs.readFileSync(path)
        ),
        (bytes) => (bytes === undefined ? slow.readFile(path) : Effect.succeed(bytes))
      ),
    readLink: at("readLink", (path) => NodeFs.readlinkSync(path)),
    realPath: at("realPath", (path) => NodeFs.realpathSync(path)),
    remove: (path, options) =>
      Effect.suspend(() => (removes(path, options ?? {}) ? Effect.void : slow.remove(path, options))),
    rename: at("rename", (from, to: string) => NodeFs.renameSync(from, to)),
    stat: at("stat", (path) => QuickFile.infoOf(NodeFs.statSync(path, { bigint: true }))),
    lstat: at("lstat", (path) => QuickFile.infoOf(NodeFs.lstatSync(path, { bigint: true }))),
    symlink: at("symlink", (target, path: string) => NodeFs.symlinkSync(target, path)),
    utimes: at("utime", (path, accessed: Date | number, changed: Date | number) =>
      NodeFs.utimesSync(path, accessed, changed)
    ),
    writeFile: (path, bytes, options) =>
      bytes.length > QUICK_MAX_BYTES
        ? slow.writeFile(path, bytes, options)
        : QuickFile.attempt("writeFile", path, () =>
            NodeFs.writeFileSync(path, bytes, { flag: options?.flag, mode: options?.mode })
          )
  })
  // To ask is no error, as it is for what this is made of by default.
  const exists: typeof quick.exists = (path) =>
    Effect.suspend(() => {
      try {
        if (NodeFs.statSync(path, { throwIfNoEntry: false }) !== undefined) return Effect.succeed(true)
        // Below a file there is nothing either, but that is an error.
        if (NodeFs.statSync(Path.dirname(path)).isDirectory()) return Effect.succeed(false)
      } catch {
        // Told in full below.
      }
      return quick.exists(path)
    })
  return { ...quick, exists }
})

export const layer: Layer.Layer<FileSystem.FileSystem> = Layer.effect(FileSystem.FileSystem, make).pipe(
  Layer.provide(NodeFileSystem.layer)
)
