/**
 * Where the files of a locked package lie, found fast: `<home>/modules/<integrity>` is a link to
 * `<home>/files/<content hash>`, made when the release is first looked for and found vouched for there. A release that stands in
 * one tree beside different peers has a directory of hard links for each further place,
 * `<home>/modules/<integrity>.<n>`, so that the path of a file always tells on whose behalf it imports.
 *
 * All of it can be made anew from `<home>/files`, and is where it is missing.
 */
import * as Fs from "node:fs"
import * as Path from "node:path"
import type { Instance } from "./LockedModules.ts"

/** Below the home. */
const DIRECTORY = "modules"
const FILES = "files"

const CONTENT_HASH = /^[0-9a-f]{64}$/
const LINK = /^\.\.[\\/]files[\\/]([0-9a-f]{64})$/
const INDEX_EXTENSION = ".json"

const DIRECTORY_MODE = 0o700

/** Copies of one release in one tree; more peers to tell apart than anybody has. */
const COPIES_MAX = 20_000

export interface ModuleStore {
  /** Real path of the directory of unpacked releases. */
  readonly files: string
  /** Real paths of the directories that all of it is in. */
  readonly directories: ReadonlyArray<string>
  /** Real path, below `files` or `modules`; `undefined` where the release was never unpacked. It may be gone by now. */
  readonly directoryOf: (instance: Instance) => string | undefined
  /** The content hash of the release, where it was unpacked. */
  readonly contentHashOf: (instance: Instance) => string | undefined
  /** The directory of the package that a path is in; `undefined` for a path outside of the store. */
  readonly packageOf: (path: string) => string | undefined
}

/** File names of base64: its slash and plus are none. */
const keyOf = (integrity: string): string =>
  integrity.slice("sha512-".length, -"==".length).replaceAll("/", "_").replaceAll("+", "-")

const isDirectory = (path: string): boolean => Fs.statSync(path, { throwIfNoEntry: false })?.isDirectory() === true

/** What is there already was made by another process, from the same files. */
const isExisting = (error: unknown): boolean =>
  error instanceof Error && "code" in error && ["EEXIST", "ENOTEMPTY", "EPERM"].includes(String(error.code))

/** Which releases an index of the store vouches for; none where it cannot be read. */
const vouchedBy = (location: string): ReadonlyArray<unknown> => {
  try {
    const index: unknown = JSON.parse(Fs.readFileSync(location, "utf8"))
    return typeof index === "object" && index !== null && "vouched" in index && Array.isArray(index.vouched)
      ? index.vouched
      : []
  } catch {
    return []
  }
}

/** The entry of a directory that a path is, or is in. */
const below = (directory: string, path: string): string | undefined => {
  if (!path.startsWith(directory + Path.sep)) return undefined
  const end = path.indexOf(Path.sep, directory.length + 1)
  return end === -1 ? path : path.slice(0, end)
}

const copy = (from: string, to: string): void => {
  Fs.mkdirSync(to, { mode: DIRECTORY_MODE })
  for (const entry of Fs.readdirSync(from, { withFileTypes: true })) {
    const source = Path.join(from, entry.name)
    const target = Path.join(to, entry.name)
    if (entry.isDirectory()) copy(source, target)
    else if (entry.isFile()) Fs.linkSync(source, target)
  }
}

/** `home` is absolute and need not exist. */
export const open = (home: string): ModuleStore => {
  const root = Fs.existsSync(home) ? Fs.realpathSync(home) : home
  const modules = Path.join(root, DIRECTORY)
  const files = Path.join(root, FILES)
  const isThere = (contentHash: string): boolean => isDirectory(Path.join(files, contentHash))
  /** Every release that is unpacked, read once, and only for a lock that has no content hashes. */
  let unpacked: ReadonlyMap<string, string> | undefined

  const readAll = (): ReadonlyMap<string, string> => {
    const found = new Map<string, string>()
    for (const name of Fs.existsSync(files) ? Fs.readdirSync(files) : []) {
      const contentHash = name.slice(0, -INDEX_EXTENSION.length)
      if (!name.endsWith(INDEX_EXTENSION) || !CONTENT_HASH.test(contentHash)) continue
      for (const release of vouchedBy(Path.join(files, name))) found.set(String(release), contentHash)
    }
    return found
  }

  const search = (release: string): string | undefined => (unpacked ??= readAll()).get(release)

  /** What a lock says of the content is believed where the store's own index says the same. */
  const isVouched = (release: string, contentHash: string): boolean =>
    vouchedBy(Path.join(files, contentHash + INDEX_EXTENSION)).includes(release)

  const link = (path: string, contentHash: string): void => {
    try {
      Fs.mkdirSync(modules, { recursive: true, mode: DIRECTORY_MODE })
      Fs.rmSync(path, { force: true })
      Fs.symlinkSync(Path.join("..", FILES, contentHash), path, "dir")
    } catch {
      // A store that cannot be written to is searched every time.
    }
  }

  const contentHashOf: ModuleStore["contentHashOf"] = ({
    contentHash: locked,
    integrity,
    name,
    publisher,
    version
  }) => {
    const path = Path.join(modules, keyOf(integrity))
    try {
      const linked = LINK.exec(Fs.readlinkSync(path))?.[1]
      // Whether it is still there is seen when it is read.
      if (linked !== undefined && linked === (locked ?? linked)) return linked
    } catch {
      // Not linked yet.
    }
    const release = `${publisher} ${name}@${version} ${integrity}`
    const found = locked === undefined ? search(release) : isVouched(release, locked) ? locked : undefined
    if (found === undefined || !isThere(found)) return undefined
    link(path, found)
    return found
  }

  const copyOf = (directory: string, path: string): string | undefined => {
    if (isDirectory(path)) return path
    if (!isDirectory(directory)) return undefined
    const staging = `${path}.${process.pid}.${process.hrtime.bigint()}`
    try {
      Fs.mkdirSync(modules, { recursive: true, mode: DIRECTORY_MODE })
      copy(directory, staging)
      Fs.renameSync(staging, path)
    } catch (error) {
      Fs.rmSync(staging, { recursive: true, force: true })
      if (!isExisting(error) || !isDirectory(path)) throw error
    }
    return path
  }

  return {
    files,
    directories: [files, modules],
    contentHashOf,
    packageOf: (path) => below(files, path) ?? below(modules, path),
    directoryOf: (instance) => {
      const contentHash = contentHashOf(instance)
      if (contentHash === undefined || instance.copy > COPIES_MAX) return undefined
      const directory = Path.join(files, contentHash)
      return instance.copy === 0
        ? directory
        : copyOf(directory, Path.join(modules, `${keyOf(instance.integrity)}.${instance.copy}`))
    }
  }
}
