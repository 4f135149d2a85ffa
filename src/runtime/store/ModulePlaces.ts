/**
 * What lies in `<home>/modules`, from where programs import without node_modules: for each release a link to its
 * unpacked files, `<integrity>`; for each further place in which one lock has the same files a directory of hard links,
 * `<integrity>.<n>`; and that directory while it is made, `<integrity>.<n>.<pid>.<time>`. All of it can be made anew.
 */
import * as Fs from "node:fs"
import * as Path from "node:path"

/** Below the home. */
export const DIRECTORY = "modules"
export const FILES = "files"

const LINK = /^\.\.[\\/]files[\\/]([0-9a-f]{64})$/

/** The 64 bytes of an integrity as a file name, the number of a copy, and who makes it. */
const PLACE = /^(?<key>[\w-]{86})(?<copy>\.\d{1,9}(?<maker>\.\d+\.\d+)?)?$/

/** To make a directory of links takes seconds: what is older was begun by a process that is gone. */
export const MAKING_TAKES_MS = 60 * 60_000

/** File names of base64: its slash and plus are none. */
export const keyOf = (integrity: string): string =>
  integrity.slice("sha512-".length, -"==".length).replaceAll("/", "_").replaceAll("+", "-")

export const copyOf = (integrity: string, copy: number): string => `${keyOf(integrity)}.${copy}`

/** The content hash that a link stands for; `undefined` where it leads elsewhere, or is none. */
export const targetOf = (link: string): string | undefined => {
  try {
    return LINK.exec(Fs.readlinkSync(link))?.[1]
  } catch {
    return undefined
  }
}

/** Makes a link, in the place of whatever one is there. Throws as `node:fs` does. */
export const link = (path: string, contentHash: string): void => {
  Fs.rmSync(path, { force: true })
  Fs.symlinkSync(Path.join("..", FILES, contentHash), path, "dir")
}

const namesIn = (directory: string): ReadonlyArray<string> =>
  Fs.existsSync(directory) ? Fs.readdirSync(directory).filter((name) => PLACE.test(name)) : []

/** How many places there are. Throws as {@link waste} does. */
export const count = (directory: string): number => namesIn(directory).length

/**
 * Names of what leads to no files that `isKept`, and of what killed processes have left unfinished. `now` in Unix ms.
 * Throws as `node:fs` does where the directory is there and cannot be read.
 */
export const waste = (
  directory: string,
  isKept: (contentHash: string) => boolean,
  now: number
): ReadonlyArray<string> => {
  const targets = new Map<string, string | undefined>()
  const leadsToKept = (key: string): boolean => {
    if (!targets.has(key)) targets.set(key, targetOf(Path.join(directory, key)))
    const target = targets.get(key)
    return target !== undefined && isKept(target)
  }
  return namesIn(directory).filter((name) => {
    const { key = "", maker } = PLACE.exec(name)?.groups ?? {}
    if (maker === undefined) return !leadsToKept(key)
    const info = Fs.lstatSync(Path.join(directory, name), { throwIfNoEntry: false })
    return info !== undefined && now - info.mtimeMs > MAKING_TAKES_MS
  })
}
