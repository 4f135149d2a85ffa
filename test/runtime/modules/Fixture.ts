/**
 * A store and a project in a directory of their own: packages as they lie unpacked, with the index that says whose
 * they are, and a lock file over them. What the real installer leaves; `LockedReleases.test.ts` holds them together.
 */
import * as Crypto from "node:crypto"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as UnpackedIndex from "../../../src/runtime/store/UnpackedIndex.ts"

/** By path; what is no text is written as JSON. */
export type Files = Readonly<Record<string, string | object>>

/** By id in the lock, like `a@1.0.0` or `a@1.0.0(b@2.0.0)`. */
export type Packages = Readonly<
  Record<string, { readonly files: Files; readonly dependencies?: Readonly<Record<string, string>> }>
>

export interface Fixture {
  readonly home: string
  readonly project: string
  readonly lock: string
  /** Absolute path of a file of the project. */
  readonly file: (path: string) => string
  /** Where the first instance of a package lies. */
  readonly directoryOf: (id: string) => string
  readonly integrityOf: (id: string) => string
}

const PUBLISHER = Buffer.alloc(32, 7).toString("base64")

const textOf = (content: string | object): string => (typeof content === "string" ? content : JSON.stringify(content))

const write = (directory: string, files: Files): void => {
  for (const [path, content] of Object.entries(files)) {
    Fs.mkdirSync(Path.dirname(Path.join(directory, path)), { recursive: true })
    Fs.writeFileSync(Path.join(directory, path), textOf(content))
  }
}

const split = (id: string): { readonly name: string; readonly version: string } => {
  const { name = "", version = "" } = /^(?<name>@?[^@]+)@(?<version>[^(]+)/.exec(id)?.groups ?? {}
  return { name, version }
}

/** package.json is written where the files have none; whatever they have of it is completed. */
const filesOf = (id: string, files: Files): Files => {
  const own = files["package.json"]
  return { ...files, "package.json": typeof own === "string" ? own : { ...split(id), ...own } }
}

const digest = (algorithm: string, files: Files) => Crypto.createHash(algorithm).update(JSON.stringify(files))

export const make = (options: {
  readonly project: Files
  /** What the project sees: ids. */
  readonly dependencies: ReadonlyArray<string>
  readonly packages: Packages
  /** By name: what the project sees besides, under other names than its own. */
  readonly aliases?: Readonly<Record<string, string>>
  readonly answers?: Readonly<Record<string, string>>
}): Fixture => {
  const directory = Fs.realpathSync(Fs.mkdtempSync(Path.join(Os.tmpdir(), "libreseed-modules-")))
  const home = Path.join(directory, "home")
  const project = Path.join(directory, "project")
  const files = Path.join(home, "files")
  const hashes = new Map<string, string>()
  const integrities = new Map<string, string>()
  for (const [id, { files: given }] of Object.entries(options.packages)) {
    const all = filesOf(id, given)
    const contentHash = digest("sha256", all).digest("hex")
    const integrity = `sha512-${digest("sha512", all).digest("base64")}`
    hashes.set(id, contentHash)
    integrities.set(id, integrity)
    const target = Path.join(files, contentHash)
    write(target, all)
    const facts = split(id)
    const vouch = UnpackedIndex.vouchOf({ ...facts, publisher: PUBLISHER, integrity })
    const index = UnpackedIndex.make([vouch], facts, UnpackedIndex.look(target, Object.keys(all).toSorted()))
    Fs.writeFileSync(UnpackedIndex.locationOf(files, contentHash), JSON.stringify(index))
  }
  const lock = {
    lockfileVersion: 1,
    wishes: {},
    project: {
      ...Object.fromEntries(options.dependencies.map((id) => [split(id).name, id])),
      ...options.aliases
    },
    packages: Object.fromEntries(
      Object.entries(options.packages).map(([id, { dependencies = {} }]) => [
        id,
        {
          ...split(id),
          publisher: PUBLISHER,
          infohash: "0".repeat(40),
          integrity: integrities.get(id)!,
          dependencies
        }
      ])
    ),
    answers: options.answers ?? {}
  }
  write(project, {
    "package.json": { name: "project", private: true },
    ...options.project,
    "libreseed.lock.json": lock
  })
  return {
    home,
    project,
    lock: Path.join(project, "libreseed.lock.json"),
    file: (path) => Path.join(project, path),
    directoryOf: (id) => Path.join(files, hashes.get(id)!),
    integrityOf: (id) => integrities.get(id)!
  }
}

export const remove = ({ home }: Fixture): void => Fs.rmSync(Path.dirname(home), { recursive: true, force: true })
