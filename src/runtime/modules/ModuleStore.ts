/**
 * Where the files of a locked package lie, found fast: `<home>/modules/<integrity>` is a link to
 * `<home>/files/<content hash>`, made when the release is first looked for and found vouched for there. Files that stand in one tree
 * in several places, beside different peers or published by different people, have a directory of hard
 * links for each further place, `<home>/modules/<integrity>.<n>`, so that the path of a file always tells
 * on whose behalf it imports.
 *
 * All of it can be made anew from `<home>/files`, and is where it is missing.
 */
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as ModulePlaces from "../store/ModulePlaces.ts"
import { counted, type Instance } from "./LockedModules.ts"

const CONTENT_HASH = /^[0-9a-f]{64}$/
const INDEX_EXTENSION = ".json"

const DIRECTORY_MODE = 0o700

const SECOND_MS = 1000

/** Copies of the same files in one tree; more peers to tell apart than anybody has. */
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

type Link = (from: string, to: string) => void

/** What `link` fails with where there are no hard links (exFAT, some network shares), or where a file has no more of them. */
const LINKLESS_CODES = new Set(["EPERM", "EACCES", "EXDEV", "EMLINK", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"])

const isLinkless = (error: unknown): boolean =>
  error instanceof Error && "code" in error && LINKLESS_CODES.has(String(error.code))

/** A hard link; where there can be none another file, which looks the same to the index. */
const linkOrCopy = (link: Link, from: string, to: string): void => {
  try {
    link(from, to)
  } catch (error) {
    if (!isLinkless(error)) throw error
    Fs.copyFileSync(from, to, Fs.constants.COPYFILE_EXCL | Fs.constants.COPYFILE_FICLONE)
    const { atimeMs, mode, mtimeMs } = Fs.statSync(from)
    Fs.utimesSync(to, atimeMs / SECOND_MS, mtimeMs / SECOND_MS)
    Fs.chmodSync(to, mode & 0o777)
  }
}

const copy = (link: Link, from: string, to: string): void => {
  Fs.mkdirSync(to, { mode: DIRECTORY_MODE })
  for (const entry of Fs.readdirSync(from, { withFileTypes: true })) {
    const source = Path.join(from, entry.name)
    const target = Path.join(to, entry.name)
    if (entry.isDirectory()) copy(link, source, target)
    else if (entry.isFile()) linkOrCopy(link, source, target)
  }
}

/**
 * The instances of a lock with their copies counted by the files that the store has of them: of a lock that has no
 * content hashes only the store knows who shares files with whom.
 */
export const placed = (store: ModuleStore, instances: ReadonlyMap<string, Instance>): ReadonlyMap<string, Instance> =>
  [...instances.values()].every(({ contentHash }) => contentHash !== undefined)
    ? instances
    : counted(instances, (instance) => instance.contentHash ?? store.contentHashOf(instance))

/** `home` is absolute and need not exist. `link` makes hard links. */
export const open = (home: string, link: Link = Fs.linkSync): ModuleStore => {
  const root = Fs.existsSync(home) ? Fs.realpathSync(home) : home
  const modules = Path.join(root, ModulePlaces.DIRECTORY)
  const files = Path.join(root, ModulePlaces.FILES)
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

  const linkTo = (path: string, contentHash: string): void => {
    try {
      Fs.mkdirSync(modules, { recursive: true, mode: DIRECTORY_MODE })
      ModulePlaces.link(path, contentHash)
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
    const path = Path.join(modules, ModulePlaces.keyOf(integrity))
    const linked = ModulePlaces.targetOf(path)
    // Whether it is still there is seen when it is read.
    if (linked !== undefined && linked === (locked ?? linked)) return linked
    const release = `${publisher} ${name}@${version} ${integrity}`
    const found = locked === undefined ? search(release) : isVouched(release, locked) ? locked : undefined
    if (found === undefined || !isThere(found)) return undefined
    linkTo(path, found)
    return found
  }

  const copyOf = (directory: string, path: string): string | undefined => {
    if (isDirectory(path)) return path
    if (!isDirectory(directory)) return undefined
    const staging = `${path}.${process.pid}.${process.hrtime.bigint()}`
    try {
      Fs.mkdirSync(modules, { recursive: true, mode: DIRECTORY_MODE })
      copy(link, directory, staging)
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
        : copyOf(directory, Path.join(modules, ModulePlaces.copyOf(instance.integrity, instance.copy)))
    }
  }
}
