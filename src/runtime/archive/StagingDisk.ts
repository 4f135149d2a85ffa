/**
 * The file operations of an extraction, done at once instead of awaited: a package has hundreds of small
 * files, and a thousand awaited calls take longer than the work. Whoever uses them gives others their turn
 * now and then. Plain functions that throw as `node:fs` does; a reference, so that tests can have them fail.
 */
import * as Fs from "node:fs"
import * as Context from "effect/Context"

export interface StagingDisk {
  /** Makes one directory, which must not be there. */
  readonly makeDirectory: (path: string, mode: number) => void
  /** Whether there is a directory, and no link to one. */
  readonly isDirectory: (path: string) => boolean
  /** Makes a file with these bytes, which must not be there; links are not followed. */
  readonly create: (path: string, chunks: ReadonlyArray<Uint8Array>, mode: number) => void
  /** Adds to a file that {@link create} has made. */
  readonly append: (path: string, chunks: ReadonlyArray<Uint8Array>) => void
}

const { O_APPEND, O_CREAT, O_EXCL, O_NOFOLLOW = 0, O_WRONLY } = Fs.constants

const write = (path: string, flags: number, chunks: ReadonlyArray<Uint8Array>, mode?: number): void => {
  const file = Fs.openSync(path, flags, mode)
  try {
    for (const chunk of chunks) {
      for (let at = 0; at < chunk.length;) at += Fs.writeSync(file, chunk, at)
    }
  } finally {
    Fs.closeSync(file)
  }
}

export const node: StagingDisk = {
  makeDirectory: (path, mode) => void Fs.mkdirSync(path, { mode }),
  isDirectory: (path) => Fs.lstatSync(path).isDirectory(),
  create: (path, chunks, mode) => write(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, chunks, mode),
  append: (path, chunks) => write(path, O_WRONLY | O_APPEND | O_NOFOLLOW, chunks)
}

export const StagingDisk = Context.Reference<StagingDisk>("@libreseed/protocol/runtime/archive/StagingDisk", {
  defaultValue: () => node
})
