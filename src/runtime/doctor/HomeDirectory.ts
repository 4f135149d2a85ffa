/**
 * Whether a directory can be a home (see store/Home.ts), by a look at the file system that leaves nothing behind. Every
 * command asks before it opens anything; whoever writes asks whether that is allowed, and so does the doctor.
 */
import * as Fs from "node:fs"
import * as Path from "node:path"

/** Problems with a path, in words. */
const PROBLEMS: Readonly<Record<string, string>> = {
  EACCES: "permission is denied",
  EPERM: "permission is denied",
  EROFS: "its file system is read-only",
  ELOOP: "its links lead round in a circle",
  ENAMETOOLONG: "a name in it is longer than the file system allows"
}

const problemFrom = (error: unknown): string => {
  const code = error instanceof Error && "code" in error ? String(error.code) : ""
  return PROBLEMS[code] ?? (code === "" ? String(error) : code)
}

/** What lies there, if anything; where a file is in the way nothing does. */
const lookAt = (look: (path: string) => Fs.Stats, path: string): Fs.Stats | undefined => {
  try {
    return look(path)
  } catch (error) {
    if (error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR"))
      return undefined
    throw error
  }
}

/** The path, or what is nearest above it that exists. Throws where there cannot be such a path. */
const nearest = (home: string): { readonly path: string; readonly isDirectory: boolean } => {
  const info = lookAt(Fs.statSync, home)
  if (info !== undefined) return { path: home, isDirectory: info.isDirectory() }
  // A link that leads nowhere is in the way of a directory.
  if (lookAt(Fs.lstatSync, home) !== undefined) return { path: home, isDirectory: false }
  const above = nearest(Path.dirname(home))
  // Below what is missing nothing is looked at: each name is tried where it can be.
  if (above.isDirectory) lookAt(Fs.lstatSync, Path.join(above.path, Path.basename(home)))
  return above
}

/** What the first command that writes anything makes in a home; as `Home` names it. */
const FIRST_MADE = "records"
const TRIAL_PREFIX = ".libreseed-"

/** Makes a directory and removes it again: some file systems (/proc) allow it when asked, and have none made. */
const tryDirectory = (above: string): unknown => {
  try {
    Fs.rmdirSync(Fs.mkdtempSync(Path.join(above, TRIAL_PREFIX)))
    return undefined
  } catch (error) {
    return error
  }
}

/** What a file system says to whoever makes a directory where there can never be one. */
const NONE_MADE: ReadonlySet<unknown> = new Set(["ENOENT", "EINVAL", "ENOSYS", "ENOTSUP", "EOPNOTSUPP"])

/** What keeps an absolute path from being a home; `undefined` where it is a directory, or can become one. */
export const problemOf = (home: string, attempt: typeof tryDirectory = tryDirectory): string | undefined => {
  try {
    const { isDirectory, path } = nearest(home)
    if (!isDirectory) {
      return path === home ? "is not a directory" : `lies below ${path}, which is not a directory`
    }
    if (Fs.existsSync(Path.join(home, FIRST_MADE))) return undefined
    const error = attempt(path)
    // What is forbidden is no matter until something is written.
    if (!(error instanceof Error && "code" in error && NONE_MADE.has(error.code))) return undefined
    return `cannot be used: no directory can be made in ${path}`
  } catch (error) {
    return `cannot be a directory: ${problemFrom(error)}`
  }
}

export interface State {
  /** Whether it is there. It is made when something is first written. */
  readonly exists: boolean
  /** Why nothing can be written to it; absent where it can. */
  readonly problem?: string
}

/** How a home is that {@link problemOf} has nothing against. `access` is that of node:fs. */
export const stateOf = (home: string, access: typeof Fs.accessSync = Fs.accessSync): State => {
  const exists = Fs.existsSync(home)
  try {
    const { path } = nearest(home)
    access(path, Fs.constants.W_OK | Fs.constants.X_OK)
    // Nobody forbids root anything, until it is done.
    const refused = exists ? undefined : tryDirectory(path)
    if (refused !== undefined) throw refused
    return { exists }
  } catch (error) {
    return { exists, problem: `cannot be written to: ${problemFrom(error)}` }
  }
}
