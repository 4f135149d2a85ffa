/**
 * What is installed in a project: `node_modules/.libreseed/state.json`, written with every install as the
 * last step of its transaction. It tells in some milliseconds whether there is anything to do, so that
 * this module loads next to nothing and waits for nothing.
 *
 * The file lies in the project and may be anybody's: it names directories beside itself only.
 */
import * as Crypto from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Predicate from "effect/Predicate"
import * as InstallPlaces from "./InstallPlaces.ts"
import * as InstanceNames from "./InstanceNames.ts"
import * as LightTrust from "./LightTrust.ts"

const FORMAT = 1

export const MODULES = "node_modules"
/** Directory of the instances and of the state, in `node_modules`. */
export const VIRTUAL = ".libreseed"
export const STATE = "state.json"
export const LOCK_FILE = "libreseed.lock.json"
export const PACKAGE_JSON = "package.json"
/** Begins the names of what an install leaves in `node_modules` that did not come to its end. */
export const STAGING_PREFIX = ".libreseed-install-"

/** An instance as it was put in place. */
export interface InstalledPackage {
  /** Its key in the lock file. */
  readonly id: string
  readonly name: string
  readonly version: string
  /** Base64. */
  readonly publisher: string
  readonly integrity: string
  readonly contentHash: string
  /** What it sees, by name: directories of instances. */
  readonly dependencies: { readonly [name: string]: string }
  /** Bytes of its package.json; absent where its scripts may have changed that. */
  readonly packageJson?: number
  readonly optional?: true
  /** The scripts that would have run at its install, had they been allowed. */
  readonly notRun?: ReadonlyArray<string>
  /** Its scripts ran, so that its files may be others than those that were signed. */
  readonly built?: true
}

export interface State {
  readonly format: typeof FORMAT
  /** Digest of the text of the lock file that this tree was made from; "" where it is in no file. */
  readonly lock: string
  /** Digest of what package.json asked for. */
  readonly wishes: string
  /** Digest of how it was asked for, and of the machine. */
  readonly request: string
  /** By directory in `.libreseed`. */
  readonly packages: { readonly [directory: string]: InstalledPackage }
  /** What the project sees, by name: directories of instances. */
  readonly project: { readonly [name: string]: string }
  /** Names in `node_modules/.bin`. */
  readonly bins: ReadonlyArray<string>
}

/** What an install depends on besides the files of the project. */
export interface Request {
  readonly production: boolean
  readonly engineStrict: boolean
}

export const digest = (text: string): string => Crypto.createHash("sha256").update(text).digest("hex")

export const make = (fields: Omit<State, "format">): State => ({ format: FORMAT, ...fields })

export const modulesOf = (project: string): string => Path.join(project, MODULES)

export const locationOf = (project: string): string => Path.join(project, MODULES, VIRTUAL, STATE)

/** Where the files of an instance lie. */
export const packageDirectory = (modules: string, directory: string, name: string): string =>
  Path.join(modules, VIRTUAL, directory, MODULES, name)

/** Where the files of an instance lie that is seen as `link`: it has the name of its package, whatever it is called. */
export const targetDirectory = (modules: string, { packages }: State, directory: string, link: string): string =>
  packageDirectory(modules, directory, packages[directory]?.name ?? link)

const readText = (location: string): string | undefined => {
  try {
    return Fs.readFileSync(location, "utf8")
  } catch {
    return undefined
  }
}

/** What a file of JSON says; `undefined` where it is none. */
export const parse = (text: string): unknown => {
  try {
    return JSON.parse(text.replace(/^\uFEFF/, ""))
  } catch {
    return undefined
  }
}

const isTexts = (value: unknown): value is { readonly [key: string]: string } =>
  Predicate.isObject(value) && Object.values(value).every((each) => typeof each === "string")

const hasTexts = (value: unknown, fields: ReadonlyArray<string>): boolean => {
  if (!Predicate.isObject(value)) return false
  const all = new Map<string, unknown>(Object.entries(value))
  return fields.every((field) => typeof all.get(field) === "string")
}

const isDirectory = (name: string): boolean => InstanceNames.PATTERN.test(name)

const isPackage = ([directory, value]: [string, unknown]): boolean =>
  isDirectory(directory) &&
  Predicate.hasProperty(value, "dependencies") &&
  isTexts(value.dependencies) &&
  Object.values(value.dependencies).every(isDirectory) &&
  hasTexts(value, ["id", "name", "version", "publisher", "integrity", "contentHash"])

const isState = (value: unknown): value is State =>
  Predicate.hasProperty(value, "format") &&
  value.format === FORMAT &&
  hasTexts(value, ["lock", "wishes", "request"]) &&
  Predicate.hasProperty(value, "packages") &&
  Predicate.isObject(value.packages) &&
  Object.entries(value.packages).every(isPackage) &&
  Predicate.hasProperty(value, "project") &&
  isTexts(value.project) &&
  Object.entries(value.project).every(
    ([name, directory]) => InstallPlaces.isPackageName(name) && isDirectory(directory)
  ) &&
  Predicate.hasProperty(value, "bins") &&
  Array.isArray(value.bins) &&
  value.bins.every((bin: unknown) => typeof bin === "string" && InstallPlaces.isCommand(bin))

/** What is installed; `undefined` where nothing is, or nothing that we put there. */
export const read = (project: string): State | undefined => {
  const text = readText(locationOf(project))
  const value = text === undefined ? undefined : parse(text)
  return isState(value) ? value : undefined
}

/** What of package.json an install depends on, in one text. */
export const wishesDigest = (packageJson: unknown): string => {
  const fields = Predicate.isObject(packageJson) ? new Map(Object.entries(packageJson)) : new Map<string, unknown>()
  const sections = [
    "dependencies",
    "devDependencies",
    "optionalDependencies",
    "peerDependencies",
    "peerDependenciesMeta",
    "libreseed"
  ]
  return digest(JSON.stringify(sections.map((section) => fields.get(section) ?? null)))
}

/** What was built for one version of Node is not built for another. */
export const requestDigest = ({ engineStrict, production }: Request): string =>
  digest(JSON.stringify([production, engineStrict, process.platform, process.arch, process.version]))

/** Whether an install of this project is under way, or was killed. */
export const isPending = (project: string): boolean => {
  try {
    return Fs.readdirSync(modulesOf(project)).some((name) => name.startsWith(STAGING_PREFIX))
  } catch {
    return false
  }
}

/** What a link leads to, with `/`; `undefined` where there is no link. */
export const linkAt = (location: string): string | undefined => {
  try {
    return Fs.readlinkSync(location).replaceAll("\\", "/").replace(/\/$/, "")
  } catch {
    return undefined
  }
}

/** Of a link in `.bin`: the package that its command is of. */
const COMMAND_OWNER = /^\.\.\/((?:@[^/]+\/)?[^/]+)\/(?!.*\.\.\/)/

const isCommandInPlace = (modules: string, bin: string, project: State["project"]): boolean => {
  const location = Path.join(modules, ".bin", bin)
  if (Fs.statSync(location, { throwIfNoEntry: false })?.isFile() !== true) return false
  if (process.platform === "win32") return true
  const [, owner] = COMMAND_OWNER.exec(linkAt(location) ?? "") ?? []
  return owner !== undefined && Object.hasOwn(project, owner)
}

const isPackageInPlace = (
  modules: string,
  directory: string,
  { built, name, packageJson }: InstalledPackage
): boolean => {
  const location = Path.join(packageDirectory(modules, directory, name), PACKAGE_JSON)
  const info = Fs.statSync(location, { throwIfNoEntry: false })
  return info?.isFile() === true && (built === true || info.size === packageJson)
}

/**
 * Whether every instance is there with its package.json, and everything that the project sees leads to one. Other files
 * are not looked at: there are thousands.
 */
const isInPlace = (modules: string, { bins, packages, project }: State): boolean => {
  try {
    if (Fs.readdirSync(modules).some((name) => name.startsWith(STAGING_PREFIX))) return false
    const there = new Set(Fs.readdirSync(Path.join(modules, VIRTUAL)))
    const areThere = Object.entries(packages).every(
      ([directory, each]) => there.has(directory) && isPackageInPlace(modules, directory, each)
    )
    if (!areThere || !bins.every((bin) => isCommandInPlace(modules, bin, project))) return false
    return Object.entries(project).every(
      ([name, directory]) =>
        linkAt(Path.join(modules, name))?.endsWith(
          `${VIRTUAL}/${directory}/${MODULES}/${packages[directory]?.name ?? name}`
        ) === true
    )
  } catch {
    return false
  }
}

/** Of a home directory: what a user decided about publishers, and the records that are kept. */
export interface TrustPlaces {
  readonly trust: string
  readonly records: string
}

/** Time of the last change; `undefined` where nothing is there. */
const changedAt = (location: string): number | undefined => {
  try {
    return Fs.statSync(location).mtimeMs
  } catch {
    return undefined
  }
}

/** Whether nothing was learned of the publishers since the install that speaks against one of them. */
const isStillTrusted = (project: string, { packages }: State, { records, trust }: TrustPlaces): boolean => {
  const installedAt = changedAt(locationOf(project)) ?? 0
  const isOlder = [trust, records].every((each) => (changedAt(each) ?? -Infinity) < installedAt)
  return isOlder || changedAt(trust) === undefined || !LightTrust.isContested(trust, records, Object.values(packages))
}

/**
 * What is installed, where that is just what package.json and the lock file ask for, and `places` have nothing new to
 * say about who published it; else there is something to do.
 */
export const current = (project: string, request: Request, places?: TrustPlaces): State | undefined => {
  const state = read(project)
  const lock = readText(Path.join(project, LOCK_FILE))
  if (state === undefined || lock === undefined || state.lock !== digest(lock)) return undefined
  if (state.request !== requestDigest(request)) return undefined
  const text = readText(Path.join(project, PACKAGE_JSON))
  if (state.wishes !== wishesDigest(text === undefined ? undefined : parse(text))) return undefined
  if (places !== undefined && !isStillTrusted(project, state, places)) return undefined
  return isInPlace(modulesOf(project), state) ? state : undefined
}
