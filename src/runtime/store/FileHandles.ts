/**
 * Files open for reading, shared by all who read: a file is opened with the first read, stays open while
 * it is used, and is closed when it has not been for a while or when too many are open. Ten thousand
 * stored releases cost no file handle until somebody asks for them.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type { PlatformError } from "effect/PlatformError"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"

/** Files open at a time. A process may have 1,024 in all on most systems, and 256 on macOS. */
export const OPEN_FILES_MAX = 96
/** Reads under way at a time: fewer than may be open, so that one of those can always be closed. */
export const READS_AT_ONCE_MAX = 32
/** How long a file stays open that nobody reads. */
export const IDLE_OPEN = Duration.seconds(20)
/** After so long it is looked whether the file is still the one at its path. */
const FRESH = Duration.seconds(1)

export interface Options {
  readonly openFilesMax?: number | undefined
}

export interface FileHandles {
  /** Fills `into` from `position` on; succeeds with the number of bytes, which is less where the file ends. */
  readonly read: (location: string, position: number, into: Uint8Array) => Effect.Effect<number, PlatformError>
  /** Closes what is open below a directory, before something else takes its place. */
  readonly forget: (directory: string) => Effect.Effect<void>
  /** Looks with the next read whether what is open below a directory is still the file at its path. */
  readonly doubt: (directory: string) => void
  /** Files that are open. */
  readonly count: () => number
}

interface Open {
  readonly location: string
  readonly file: FileSystem.File
  readonly inode: bigint | undefined
  readonly scope: Scope.Closeable
  uses: number
  usedAt: number
  lookedAt: number
  /** Is to be closed as soon as nobody uses it. */
  isDropped: boolean
}

/** Everything is closed with the scope. */
export const make = Effect.fnUntraced(function* (
  options: Options = {}
): Effect.fn.Return<FileHandles, never, FileSystem.FileSystem | Scope.Scope> {
  const fs = yield* FileSystem.FileSystem
  const owner = yield* Effect.scope
  const max = options.openFilesMax ?? OPEN_FILES_MAX
  const reads = yield* Semaphore.make(Math.min(READS_AT_ONCE_MAX, max))
  /** The one that was used last is last. */
  const files = new Map<string, Open>()
  let opening = 0
  let isSweeping = false

  const close = ({ scope }: Open) => Scope.close(scope, Exit.void)

  const drop = (open: Open) =>
    Effect.suspend(() => {
      if (files.get(open.location) === open) files.delete(open.location)
      open.isDropped = true
      return open.uses === 0 ? close(open) : Effect.void
    })

  const inodeOf = ({ ino }: FileSystem.File.Info) => Option.getOrUndefined(ino)

  const makeRoom = Effect.gen(function* () {
    for (const open of files.values()) {
      if (files.size + opening <= max) return
      if (open.uses === 0) yield* drop(open)
    }
  })

  const openInScope = Effect.fnUntraced(function* (location: string) {
    yield* makeRoom
    const scope = yield* Scope.fork(owner)
    const opened = Effect.gen(function* () {
      const file = yield* Scope.provide(fs.open(location, { flag: "r" }), scope)
      return { file, scope, inode: inodeOf(yield* file.stat) }
    })
    return yield* Effect.onError(opened, () => Scope.close(scope, Exit.void))
  })

  const openFile = Effect.fnUntraced(function* (location: string, now: number) {
    opening++
    const opened = yield* Effect.ensuring(
      openInScope(location),
      Effect.sync(() => void opening--)
    )
    const open: Open = { ...opened, location, uses: 0, usedAt: now, lookedAt: now, isDropped: false }
    const other = files.get(location)
    if (other !== undefined) yield* drop(other)
    files.set(location, open)
    return open
  })

  /** Somebody else may have put another file in its place. */
  const isCurrent = Effect.fnUntraced(function* (open: Open, now: number) {
    if (now >= open.lookedAt && now - open.lookedAt < Duration.toMillis(FRESH)) return true
    const info = yield* Effect.option(fs.stat(open.location))
    open.lookedAt = now
    return Option.isSome(info) && inodeOf(info.value) === open.inode
  })

  const release = (open: Open) =>
    Effect.suspend(() => (--open.uses === 0 && open.isDropped ? close(open) : Effect.void))

  const acquire = Effect.fnUntraced(function* (location: string) {
    const now = yield* Clock.currentTimeMillis
    const known = files.get(location)
    if (known !== undefined) known.uses++
    const isUsable = known !== undefined && (yield* isCurrent(known, now))
    // Who had it forgotten meanwhile left it to this fiber to close.
    if (known !== undefined) yield* release(known)
    if (known !== undefined && !isUsable) yield* drop(known)
    const open = isUsable && !known.isDropped ? known : yield* openFile(location, now)
    files.delete(location)
    files.set(location, open)
    open.uses++
    open.usedAt = now
    yield* startSweeping
    return open
  })

  /** Only while something is open: an idle node has no timer for this. */
  const sweep = Effect.gen(function* () {
    while (files.size > 0) {
      yield* Effect.sleep(IDLE_OPEN)
      const oldest = (yield* Clock.currentTimeMillis) - Duration.toMillis(IDLE_OPEN)
      for (const open of files.values()) if (open.uses === 0 && open.usedAt <= oldest) yield* drop(open)
    }
    isSweeping = false
  })

  const startSweeping = Effect.suspend(() => {
    if (isSweeping) return Effect.void
    isSweeping = true
    return Effect.asVoid(Effect.forkIn(sweep, owner))
  })

  const fill = Effect.fnUntraced(function* ({ file }: Open, position: number, into: Uint8Array) {
    let filled = 0
    while (filled < into.length) {
      const count = yield* file.read(into.subarray(filled), { position: BigInt(position + filled) })
      if (count === 0) break
      filled += count
    }
    return filled
  })

  return {
    read: (location, position, into) =>
      reads.withPermits(1)(Effect.acquireUseRelease(acquire(location), (open) => fill(open, position, into), release)),
    forget: Effect.fnUntraced(function* (directory) {
      for (const open of files.values()) if (open.location.startsWith(directory)) yield* drop(open)
    }),
    doubt: (directory) => {
      for (const open of files.values()) if (open.location.startsWith(directory)) open.lookedAt = -Infinity
    },
    count: () => files.size
  }
})
