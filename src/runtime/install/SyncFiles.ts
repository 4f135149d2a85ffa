/**
 * The file operations of which an install needs thousands: to make directories and links, to copy. Done
 * without waiting, since a thousand awaited calls cost a hundred milliseconds and the work itself five.
 * A reference, so that tests can put a disk below it that fails.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"

export interface SyncFiles {
  /** A directory that is not there, in one that is. */
  readonly makeDirectory: (path: string) => void
  /** A directory that may be there. */
  readonly ensureDirectory: (path: string) => void
  readonly link: (from: string, to: string) => void
  /** `clone` fails where the file system cannot share the blocks of files (reflink). */
  readonly copy: (from: string, to: string, how: "clone" | "copy") => void
  readonly chmod: (path: string, mode: number) => void
  /** A link to a directory: on Windows a junction, which needs no rights and is absolute. */
  readonly linkDirectory: (target: string, at: string) => void
  /** A link to a file, where the system has such without asking for rights: not on Windows. */
  readonly linkFile: (target: string, at: string) => void
  /** Brings the content of a file to the disk. It waits for that, so it is the one that does not do without waiting. */
  readonly flush: (path: string) => Promise<void>
  /** A file that is not there. */
  readonly write: (path: string, content: Uint8Array) => void
  readonly remove: (path: string) => void
  /** Fails where anything is in the directory: what others put there meanwhile stays. */
  readonly removeEmptyDirectory: (path: string) => void
}

const { COPYFILE_EXCL, COPYFILE_FICLONE, COPYFILE_FICLONE_FORCE } = Fs.constants

/** Windows flushes only what may be written to. */
const FLUSH_FLAG = process.platform === "win32" ? "r+" : "r"

export const node: SyncFiles = {
  makeDirectory: (path) => void Fs.mkdirSync(path),
  ensureDirectory: (path) => void Fs.mkdirSync(path, { recursive: true }),
  link: (from, to) => Fs.linkSync(from, to),
  copy: (from, to, how) =>
    Fs.copyFileSync(from, to, COPYFILE_EXCL | (how === "clone" ? COPYFILE_FICLONE_FORCE : COPYFILE_FICLONE)),
  chmod: (path, mode) => Fs.chmodSync(path, mode),
  linkDirectory: (target, at) => Fs.symlinkSync(target, at, "junction"),
  linkFile: (target, at) => Fs.symlinkSync(target, at),
  flush: async (path) => {
    const file = await Fs.promises.open(path, FLUSH_FLAG)
    try {
      await file.sync()
    } finally {
      await file.close()
    }
  },
  write: (path, content) => Fs.writeFileSync(path, content, { flag: "wx" }),
  remove: (path) => Fs.rmSync(path, { recursive: true, force: true }),
  removeEmptyDirectory: (path) => Fs.rmdirSync(path)
}

export const SyncFiles = Context.Reference<SyncFiles>("@libreseed/protocol/runtime/install/SyncFiles", {
  defaultValue: () => node
})

/** Removes a directory with nothing in it, in one step; where there is something, or it fails, it stays. */
export const removeIfEmpty = (directory: string): Effect.Effect<void> =>
  Effect.flatMap(SyncFiles, (files) => Effect.ignore(Effect.try(() => files.removeEmptyDirectory(directory))))
