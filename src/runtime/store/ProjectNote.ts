/**
 * That a project uses a home: `<home>/projects/<hash>`, whose content is the project's path. Written by every install,
 * also by the one that loads next to nothing; so it needs nothing but Node.
 */
import { createHash } from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as PrivateDirectoryNow from "./PrivateDirectoryNow.ts"

/** Hex digits of a path's SHA-256 that name its file. */
const NAME_CHARS = 32

/** The name of a note. */
export const NAME = /^[0-9a-f]{32}$/

const PRIVATE_MODE = 0o600

export const nameOf = (directory: string): string =>
  createHash("sha256").update(directory).digest("hex").slice(0, NAME_CHARS)

/** Remembers a project, by the absolute path of its directory. Costs one look where it is known. Throws as Node does. */
export const write = (projects: string, directory: string): void => {
  const location = Path.join(projects, nameOf(directory))
  if (Fs.existsSync(location)) return
  PrivateDirectoryNow.make(projects)
  // Not flushed: what a power cut takes is written by the next install.
  const unfinished = `${location}.${process.pid}`
  Fs.writeFileSync(unfinished, directory, { mode: PRIVATE_MODE })
  Fs.renameSync(unfinished, location)
}
