/**
 * The file operations of which an install needs thousands: to make directories and links, to copy. Done
 * without waiting, since a thousand awaited calls cost a hundred milliseconds and the work itself five.
 * A reference, so that tests can put a disk below it that fails.
 */
import * as Context from "effect/Context"
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
  readonly remove: (path: string) => void
}

const { COPYFILE_EXCL, COPYFILE_FICLONE, COPYFILE_FICLONE_FORCE } = Fs.constants

export const node: SyncFiles = {
  makeDirectory: (path) => void Fs.mkdirSync(path),
  ensureDirectory: (path) => void Fs.mkdirSync(path, { recursive: true }),
  link: (from, to) => Fs.linkSync(from, to),
  copy: (from, to, how) =>
    Fs.copyFileSync(from, to, COPYFILE_EXCL | (how === "clone" ? COPYFILE_FICLONE_FORCE : COPYFILE_FICLONE)),
  chmod: (path, mode) => Fs.chmodSync(path, mode),
  linkDirectory: (target, at) => Fs.symlinkSync(target, at, "junction"),
  remove: (path) => Fs.rmSync(path, { recursive: true, force: true })
}

export const SyncFiles = Context.Reference<SyncFiles>("@libreseed/protocol/runtime/install/SyncFiles", {
  defaultValue: () => node
})
