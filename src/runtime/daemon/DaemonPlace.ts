/**
 * Where a daemon's Unix socket lies, and whether it is its user's own. It is `<home>/daemon.sock`, in a
 * directory that nobody else can write to; a path that is too long for a socket gives way to a short
 * one in a private directory under the temporary one. Needs nothing but Node: it is asked before a
 * command has loaded anything else.
 */
import { createHash } from "node:crypto"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"

/** `sun_path` of unix(7) has 108 bytes with the zero at its end; macOS and the BSDs have 104. */
export const SOCKET_PATH_MAX_BYTES = process.platform === "linux" ? 107 : 103

const SOCKET_NAME = "daemon.sock"

/** Digits of the home's hash that make a short name: chance never brings two homes of one user together. */
const SHORT_NAME_DIGITS = 24

/** Bits of a mode that let others than the owner write. */
const WRITABLE_BY_OTHERS = 0o022

const fitsSocket = (path: string): boolean => Buffer.byteLength(path) <= SOCKET_PATH_MAX_BYTES

/** Who this process is; `undefined` where users have no numbers (Windows). */
export const ownId = (): number | undefined => process.getuid?.()

export interface Place {
  readonly path: string
  readonly directory: string
}

/** Where the socket of a home lies, whether or not anybody serves it. `home` is absolute. */
export const placeOf = (home: string, temporary: string = Os.tmpdir()): Place => {
  const path = Path.join(home, SOCKET_NAME)
  if (fitsSocket(path)) return { path, directory: home }
  const name = `${createHash("sha256").update(home).digest("hex").slice(0, SHORT_NAME_DIGITS)}.sock`
  const directoryUnder = (root: string) => Path.join(root, `libreseed-${ownId() ?? "user"}`)
  const near = directoryUnder(temporary)
  const directory = fitsSocket(Path.join(near, name)) ? near : directoryUnder("/tmp")
  return { path: Path.join(directory, name), directory }
}

/** What is wrong with the directory: it must be one, ours, and closed to writing by others. */
export const problemOfDirectory = (directory: string): string | undefined => {
  const info = Fs.lstatSync(directory, { throwIfNoEntry: false })
  if (info === undefined) return "it is not there"
  // A home may be reached over a link; what counts is the directory that it leads to.
  const target = info.isSymbolicLink() ? Fs.statSync(directory, { throwIfNoEntry: false }) : info
  if (target === undefined || !target.isDirectory()) return "it is not a directory"
  if (target.uid !== ownId()) return "it belongs to another user"
  return (target.mode & WRITABLE_BY_OTHERS) === 0 ? undefined : "others can write to it"
}

/**
 * Whether there is a socket here that only its owner, who is us, can have put. Says nothing about anybody
 * listening. One look at the disk where there is none.
 */
export const isOurs = ({ directory, path }: Place): boolean => {
  try {
    const info = Fs.lstatSync(path, { throwIfNoEntry: false })
    if (info === undefined || !info.isSocket() || info.uid !== ownId()) return false
    return problemOfDirectory(directory) === undefined
  } catch {
    return false
  }
}
