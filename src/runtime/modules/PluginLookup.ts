/** What the plugins for bundlers have in common: which lock file they go by, read again when it changed. */
import * as Crypto from "node:crypto"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as LockedModules from "./LockedModules.ts"
import * as Lookup from "./Lookup.ts"
import * as ModuleError from "./ModuleError.ts"
import * as Preload from "./Preload.ts"

export interface PluginOptions {
  /** The lock file (default: libreseed.lock.json in the project's directory, or in the nearest one above it). */
  readonly lock?: string | undefined
  /** Directory of the store (default: `$LIBRESEED_HOME`, else `~/.libreseed`). */
  readonly home?: string | undefined
}

const lockOf = (options: PluginOptions, directory: string): string => {
  const given = options.lock ?? process.env[Preload.LOCK_VARIABLE]
  const lock = given === undefined || given === "" ? LockedModules.find(directory) : Path.resolve(directory, given)
  if (lock !== undefined) return lock
  throw ModuleError.invalidLock(
    Path.join(directory, LockedModules.FILE_NAME),
    "there is none, nor in any directory above"
  )
}

const stampOf = (lock: string): string => {
  const info = Fs.statSync(lock, { throwIfNoEntry: false })
  return info === undefined ? "" : `${lock} ${info.size} ${info.mtimeMs} ${info.ino}`
}

/** Hex digits of a digest: enough to tell the lock files of one project apart. */
const DIGEST_CHARS = 16

/** Another one for every other content of the lock file. */
export const digestOf = ({ lock }: Lookup.Lookup): string =>
  Crypto.hash("sha256", Fs.readFileSync(lock)).slice(0, DIGEST_CHARS)

/**
 * Answers the lookup for a project, and anew where its lock file is another than at the last call: for the begin of
 * each build. Throws `ModuleError` (`InvalidLock`).
 */
export const make = (options: PluginOptions): ((directory: string) => Lookup.Lookup) => {
  let known: { readonly stamp: string; readonly lookup: Lookup.Lookup } | undefined
  return (directory) => {
    const lock = lockOf(options, directory)
    const stamp = stampOf(lock)
    if (known === undefined || known.stamp !== stamp) {
      const home = options.home === undefined ? Preload.homeOf(process.env, Os.homedir) : Path.resolve(options.home)
      known = { stamp, lookup: Lookup.open({ lock, home }) }
    }
    return known.lookup
  }
}
