/** An open file whose small reads and writes are made at once, and what its calls fail with: see `QuickFileSystem`. */
import * as ByteSize from "effect/ByteSize"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as PlatformError from "effect/PlatformError"
import * as Scope from "effect/Scope"
import * as NodeFs from "node:fs"

const MODULE = "FileSystem"

/** By the codes of libuv; every other is `Unknown`. As Effect's own file system tells them. */
const TAGS: Readonly<Record<string, PlatformError.SystemErrorTag>> = {
  ENOENT: "NotFound",
  EACCES: "PermissionDenied",
  EPERM: "PermissionDenied",
  EEXIST: "AlreadyExists",
  EISDIR: "BadResource",
  ENOTDIR: "BadResource",
  EBUSY: "Busy",
  ELOOP: "BadResource"
}

const isSystemError = (error: unknown): error is NodeJS.ErrnoException =>
  error instanceof Error && "code" in error && typeof error.code === "string" && "syscall" in error

const badArgument = (method: string, description: string) =>
  PlatformError.badArgument({ module: MODULE, method, description })

/** The cause has one, and it takes as long to write one down as to look for a file. */
const withoutStack = <A>(make: () => A): A => {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  try {
    return make()
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}

const failure = (method: string, subject: string | number, error: unknown): PlatformError.PlatformError =>
  isSystemError(error)
    ? withoutStack(() =>
        PlatformError.systemError({
          _tag: TAGS[error.code ?? ""] ?? "Unknown",
          module: MODULE,
          method,
          pathOrDescriptor: subject,
          syscall: error.syscall,
          cause: error
        })
      )
    : badArgument(method, error instanceof Error ? error.message : String(error))

/** Runs a call of `node:fs` on a path or descriptor. */
export const attempt = <A>(
  method: string,
  subject: string | number,
  call: () => A
): Effect.Effect<A, PlatformError.PlatformError> =>
  Effect.suspend(() => {
    try {
      return Effect.succeed(call())
    } catch (error) {
      return Effect.fail(failure(method, subject, error))
    }
  })

/**
 * The same through Node's pool of threads. Waited for even by who is interrupted: closed meanwhile, the number of the file
 * would be given to the next one, and be written to.
 */
const later = <A>(
  method: string,
  fd: number,
  call: (done: (error: Error | null, value: A) => void) => void
): Effect.Effect<A, PlatformError.PlatformError> =>
  Effect.uninterruptible(
    Effect.callback((resume) =>
      call((error, value) => resume(error === null ? Effect.succeed(value) : Effect.fail(failure(method, fd, error))))
    )
  )

const typeOf = (stat: NodeFs.BigIntStats): FileSystem.File.Type => {
  if (stat.isFile()) return "File"
  if (stat.isDirectory()) return "Directory"
  if (stat.isSymbolicLink()) return "SymbolicLink"
  if (stat.isBlockDevice()) return "BlockDevice"
  if (stat.isCharacterDevice()) return "CharacterDevice"
  if (stat.isFIFO()) return "FIFO"
  return stat.isSocket() ? "Socket" : "Unknown"
}

const unsigned = (value: bigint): bigint => BigInt.asUintN(64, value)

export const infoOf = (stat: NodeFs.BigIntStats): FileSystem.File.Info => ({
  type: typeOf(stat),
  mtime: Option.some(stat.mtime),
  atime: Option.some(stat.atime),
  birthtime: Option.some(stat.birthtime),
  dev: unsigned(stat.dev),
  rdev: Option.some(unsigned(stat.rdev)),
  ino: Option.some(unsigned(stat.ino)),
  mode: Number(stat.mode),
  nlink: Option.some(unsigned(stat.nlink)),
  uid: Option.some(Number(stat.uid)),
  gid: Option.some(Number(stat.gid)),
  size: ByteSize.bytes(stat.size),
  blksize: Option.some(ByteSize.bytes(stat.blksize)),
  blocks: Option.some(stat.blocks)
})

class QuickFile implements FileSystem.File {
  readonly [FileSystem.FileTypeId]: typeof FileSystem.FileTypeId = FileSystem.FileTypeId
  readonly #fd: number
  readonly #isAppending: boolean
  readonly #quickBytes: number
  #position = 0n

  constructor(fd: number, isAppending: boolean, quickBytes: number) {
    this.#fd = fd
    this.#isAppending = isAppending
    this.#quickBytes = quickBytes
  }

  get stat(): FileSystem.File["stat"] {
    return attempt("stat", this.#fd, () => infoOf(NodeFs.fstatSync(this.#fd, { bigint: true })))
  }

  get sync(): FileSystem.File["sync"] {
    return later<void>("sync", this.#fd, (done) => NodeFs.fsync(this.#fd, (error) => done(error, undefined)))
  }

  seek(offset: bigint, from: FileSystem.SeekMode): Effect.Effect<bigint, PlatformError.PlatformError> {
    return Effect.suspend(() => {
      const position = from === "start" ? offset : this.#position + offset
      if (position < 0n) return Effect.fail(badArgument("seek", "Cannot seek before the start of the file"))
      this.#position = position
      return Effect.succeed(position)
    })
  }

  read(buffer: Uint8Array, options?: FileSystem.File.ReadOptions): Effect.Effect<number, PlatformError.PlatformError> {
    return this.#read("read", buffer, options?.position)
  }

  readAlloc(
    size: number,
    options?: FileSystem.File.ReadOptions
  ): Effect.Effect<Option.Option<Uint8Array>, PlatformError.PlatformError> {
    return Effect.suspend(() => {
      if (!Number.isInteger(size) || size < 0) {
        return Effect.fail(badArgument("readAlloc", "size must be a non-negative integer"))
      }
      const buffer = new Uint8Array(size)
      return Effect.map(this.#read("readAlloc", buffer, options?.position), (count) =>
        count === 0 ? Option.none() : Option.some(count === size ? buffer : buffer.slice(0, count))
      )
    })
  }

  truncate(length?: number): Effect.Effect<void, PlatformError.PlatformError> {
    return attempt("truncate", this.#fd, () => {
      NodeFs.ftruncateSync(this.#fd, length)
      const end = BigInt(length ?? 0)
      if (!this.#isAppending && this.#position > end) this.#position = end
    })
  }

  write(buffer: Uint8Array): Effect.Effect<number, PlatformError.PlatformError> {
    return this.#write("write", buffer)
  }

  writeAll(buffer: Uint8Array): Effect.Effect<void, PlatformError.PlatformError> {
    if (buffer.length === 0) return Effect.void
    return Effect.flatMap(this.#write("writeAll", buffer), (count) => {
      if (count === buffer.length) return Effect.void
      if (count > 0) return this.writeAll(buffer.subarray(count))
      return Effect.fail(
        PlatformError.systemError({
          _tag: "WriteZero",
          module: MODULE,
          method: "writeAll",
          pathOrDescriptor: this.#fd,
          description: "write returned 0 bytes written"
        })
      )
    })
  }

  #read(method: string, buffer: Uint8Array, explicit: bigint | undefined) {
    return Effect.suspend(() => {
      const position = explicit ?? this.#position
      if (position < 0n) return Effect.fail(badArgument(method, "Cannot read before the start of the file"))
      const fd = this.#fd
      const count =
        buffer.length <= this.#quickBytes
          ? attempt(method, fd, () => NodeFs.readSync(fd, buffer, { position }))
          : later<number>(method, fd, (done) => NodeFs.read(fd, { buffer, position }, done))
      if (explicit !== undefined) return count
      return Effect.tap(count, (bytes) => Effect.sync(() => void (this.#position = position + BigInt(bytes))))
    })
  }

  #write(method: string, buffer: Uint8Array) {
    return Effect.suspend(() => {
      const fd = this.#fd
      const from = this.#position
      const position = this.#isAppending ? null : Number(from)
      const moved = (count: number) => {
        if (!this.#isAppending) this.#position = from + BigInt(count)
        return count
      }
      return buffer.length <= this.#quickBytes
        ? attempt(method, fd, () => moved(NodeFs.writeSync(fd, buffer, 0, buffer.length, position)))
        : Effect.map(
            later<number>(method, fd, (done) => NodeFs.write(fd, buffer, 0, buffer.length, position, done)),
            moved
          )
    })
  }
}

/** Opens a file until the scope closes. Up to `quickBytes` are read or written at once. */
export const open = (
  path: string,
  options: Parameters<FileSystem.FileSystem["open"]>[1] = {},
  quickBytes: number
): ReturnType<FileSystem.FileSystem["open"]> => {
  const flag = options.flag ?? "r"
  // What `Effect.acquireRelease` comes to where neither part needs anything.
  return Effect.uninterruptible(
    Effect.flatMap(Scope.Scope, (scope) =>
      Effect.flatMap(
        attempt("open", path, () => NodeFs.openSync(path, flag, options.mode)),
        (fd) => {
          const close = Effect.orDie(attempt("open", fd, () => NodeFs.closeSync(fd)))
          return Effect.as(Scope.addFinalizer(scope, close), new QuickFile(fd, flag.startsWith("a"), quickBytes))
        }
      )
    )
  )
}
