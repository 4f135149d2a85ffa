/**
 * A file system that fails at will, laid over any other. Counts the operations that change the disk and
 * fails the one after `failAfterWrites` and all later ones, as a full or dying disk does; a write that
 * fails has written half of its bytes. Reading and removing go on working, so that cleaning up can.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as PlatformError from "effect/PlatformError"

export interface Faults {
  /** How many changing operations succeed before the first fails. */
  readonly failAfterWrites: number
  readonly code: "ENOSPC" | "EIO" | "EACCES" | "EDQUOT"
  /** Called with each changing operation before it runs: to count, to interrupt, to tamper. */
  readonly onWrite?: (method: string, path: string) => Effect.Effect<void>
}

/** Wraps a file system in faults. */
export const make = (fs: FileSystem.FileSystem, faults: Faults): FileSystem.FileSystem => {
  let writes = 0

  const failure = (method: string, path: string) =>
    PlatformError.systemError({
      _tag: "Unknown",
      module: "FileSystem",
      method,
      pathOrDescriptor: path,
      cause: Object.assign(new Error(`${faults.code}: injected fault, ${method} '${path}'`), { code: faults.code })
    })

  /** Runs an operation, or what is left of it when it fails. */
  const guard = <A, E, R>(
    method: string,
    path: string,
    operation: Effect.Effect<A, E, R>,
    torn?: Effect.Effect<unknown, unknown, R>
  ): Effect.Effect<A, E | PlatformError.PlatformError, R> =>
    Effect.gen(function* () {
      const fails = writes++ >= faults.failAfterWrites
      if (faults.onWrite !== undefined) yield* faults.onWrite(method, path)
      if (!fails) return yield* operation
      if (torn !== undefined) yield* Effect.ignore(torn)
      return yield* Effect.fail(failure(method, path))
    })

  const half = (bytes: Uint8Array) => bytes.subarray(0, bytes.length >> 1)

  const guardFile = (file: FileSystem.File, path: string): FileSystem.File => ({
    [FileSystem.FileTypeId]: FileSystem.FileTypeId,
    stat: file.stat,
    seek: (offset, from) => file.seek(offset, from),
    sync: guard("sync", path, file.sync),
    read: (buffer, options) => file.read(buffer, options),
    readAlloc: (size, options) => file.readAlloc(size, options),
    truncate: (length) => guard("truncate", path, file.truncate(length)),
    write: (bytes) => guard("write", path, file.write(bytes), file.write(half(bytes))),
    writeAll: (bytes) => guard("writeAll", path, file.writeAll(bytes), file.writeAll(half(bytes)))
  })

  return FileSystem.make({
    ...fs,
    chmod: (path, mode) => guard("chmod", path, fs.chmod(path, mode)),
    chown: (path, uid, gid) => guard("chown", path, fs.chown(path, uid, gid)),
    copy: (from, to, options) => guard("copy", to, fs.copy(from, to, options)),
    copyFile: (from, to) => guard("copyFile", to, fs.copyFile(from, to)),
    link: (from, to) => guard("link", to, fs.link(from, to)),
    makeDirectory: (path, options) => guard("makeDirectory", path, fs.makeDirectory(path, options)),
    makeTempDirectory: (options) => guard("makeTempDirectory", options?.directory ?? "", fs.makeTempDirectory(options)),
    makeTempDirectoryScoped: (options) =>
      guard("makeTempDirectoryScoped", options?.directory ?? "", fs.makeTempDirectoryScoped(options)),
    makeTempFile: (options) => guard("makeTempFile", options?.directory ?? "", fs.makeTempFile(options)),
    makeTempFileScoped: (options) =>
      guard("makeTempFileScoped", options?.directory ?? "", fs.makeTempFileScoped(options)),
    open: (path, options) => {
      const opened = Effect.map(fs.open(path, options), (file) => guardFile(file, path))
      return options?.flag === undefined || options.flag === "r" ? opened : guard("open", path, opened)
    },
    rename: (from, to) => guard("rename", to, fs.rename(from, to)),
    symlink: (from, to) => guard("symlink", to, fs.symlink(from, to)),
    truncate: (path, length) => guard("truncate", path, fs.truncate(path, length)),
    utimes: (path, atime, mtime) => guard("utimes", path, fs.utimes(path, atime, mtime)),
    writeFile: (path, bytes, options) =>
      guard("writeFile", path, fs.writeFile(path, bytes, options), fs.writeFile(path, half(bytes), options))
  })
}

/** The file system below, with faults. Provide the real one to it. */
export const layer = (faults: Faults): Layer.Layer<FileSystem.FileSystem, never, FileSystem.FileSystem> =>
  Layer.effect(
    FileSystem.FileSystem,
    Effect.map(FileSystem.FileSystem, (fs) => make(fs, faults))
  )
