/**
 * Compares a project's `node_modules` with what was signed: every file of every package with the manifest
 * of its release, every link and command with where it has to lead, and the tree with the lock file. The manifests are those of the store, which were
 * checked against their release records when they came in, and those that the lock file stands for.
 */
import * as Effect from "effect/Effect"
import * as Path from "effect/Path"
import * as Option from "effect/Option"
import * as Fs from "node:fs"
import * as PackageName from "../../protocol/core/PackageName.ts"
import * as PublicKey from "../../protocol/core/PublicKey.ts"
import * as Version from "../../protocol/core/Version.ts"
import type { LockFile } from "../../protocol/registry/LockFile.ts"
import type { Manifest } from "../../protocol/registry/Manifest.ts"
import * as PackageFacts from "../store/PackageFacts.ts"
import * as Acquire from "./Acquire.ts"
import * as Bins from "./Bins.ts"
import * as InstalledState from "./InstalledState.ts"
import * as InstanceNames from "./InstanceNames.ts"
import * as PlaceInstances from "./PlaceInstances.ts"
import * as ProjectLock from "./ProjectLock.ts"
import * as VerifyFiles from "./VerifyFiles.ts"

export interface Problem {
  readonly kind: VerifyFiles.Kind
  /** `name@version`. */
  readonly package: string
  /** Relative to the project, with `/`. */
  readonly path: string
  readonly problem: string
}

export interface Verified {
  readonly packages: number
  readonly files: number
  readonly problems: ReadonlyArray<Problem>
  /** `name@version` of packages whose own scripts ran: what those changed is not a problem, and cannot be told from others. */
  readonly built: ReadonlyArray<string>
}

/** What stands for the package in a problem that is about none. */
const PROJECT = "the project"

/** The manifest of what is installed; `undefined` where the store has none that is. */
const manifestOf = Effect.fnUntraced(function* (installed: InstalledState.InstalledPackage) {
  const publisher = Option.getOrUndefined(PublicKey.parse(installed.publisher))
  const name = Option.getOrUndefined(PackageName.parse(installed.name))
  const version = Option.getOrUndefined(Version.parse(installed.version))
  if (publisher === undefined || name === undefined || version === undefined) return undefined
  const stored = yield* Acquire.stored(publisher, name, version)
  const manifest = stored === undefined ? undefined : yield* Acquire.manifestOf(stored)
  const isIt = manifest?.contentHash === installed.contentHash && manifest.tarball.sha512 === installed.integrity
  return isIt ? manifest : undefined
})

/** Whether the lock file has another package in the place of what is installed. */
const isUnlocked = (lock: LockFile | undefined, { id, integrity, publisher }: InstalledState.InstalledPackage) => {
  const locked = lock?.packages[id]
  return lock !== undefined && (locked?.integrity !== integrity || locked.publisher !== publisher)
}

/** The commands of a package as an install finds them: in its package.json, where that is the one that was signed. */
const commandsOf = (own: string, { bin, files, name, version }: Manifest): Bins.Commands => {
  const paths = Object.keys(files)
  const location = `${own}/${InstalledState.PACKAGE_JSON}`
  const signed = files[InstalledState.PACKAGE_JSON]
  const isSound = signed !== undefined && VerifyFiles.objectionTo(location, signed, false) === undefined
  const facts = isSound
    ? PackageFacts.parse(Fs.readFileSync(location), { name, version }, paths)
    : { name, version, ...(bin === undefined ? {} : { bin }) }
  return Bins.commandsIn(facts, paths)
}

/** What is wrong with the lock file as a whole; `undefined` where the tree was made from it, or from none. */
const objectionToLock = (state: InstalledState.State, known: ProjectLock.ProjectLock | undefined) => {
  if (state.lock === "") return undefined
  if (known === undefined) return ["missing", "is missing"] as const
  return InstalledState.digest(known.text) === state.lock
    ? undefined
    : (["changed", "is not the one that this tree was installed from"] as const)
}

/** Compares the whole tree. `undefined` where ls-cli has installed nothing in the project. */
export const verify = Effect.fn("VerifyTree.verify")(function* (project: string) {
  const path = yield* Path.Path
  const directory = path.resolve(project)
  const modules = InstalledState.modulesOf(directory)
  const state = InstalledState.read(directory)
  if (state === undefined) return undefined
  const known = yield* ProjectLock.read(directory)
  const lock = state.lock === "" ? undefined : known?.lock
  const problems: Array<Problem> = []
  const built: Array<string> = []
  let files = 0
  const add = (label: string, location: string, [kind, problem]: VerifyFiles.Objection) =>
    problems.push({
      kind,
      package: label,
      path: path.relative(directory, location).replaceAll("\\", "/"),
      problem
    })
  const checkLink = (label: string, at: string, target: string) => {
    const found = InstalledState.linkAt(at)
    if (found === undefined) return void add(label, at, ["link", "is no link any more"])
    if (path.resolve(path.dirname(at), found) !== target) add(label, at, ["link", `leads to ${found}`])
  }
  const ownOf = (name: string, installed: InstalledState.InstalledPackage) =>
    InstalledState.packageDirectory(modules, name, installed.name)
  const objection = objectionToLock(state, known)
  if (objection !== undefined) add(PROJECT, path.join(directory, InstalledState.LOCK_FILE), objection)

  const manifests = new Map<string, Manifest>()
  const commands = new Map<string, Bins.Commands>()
  for (const [name, installed] of Object.entries(state.packages)) {
    const manifest = yield* manifestOf(installed)
    if (manifest === undefined) continue
    manifests.set(name, manifest)
    // What scripts have written cannot be told from what was there.
    if (installed.built !== true) commands.set(name, commandsOf(ownOf(name, installed), manifest))
  }
  const commandsIn = (links: InstalledState.State["project"]): ReadonlyArray<VerifyFiles.Commanding> =>
    Object.entries(links).map(([name, target]) => [name, commands.get(target)])

  for (const [name, installed] of Object.entries(state.packages)) {
    const label = `${installed.name}@${installed.version}`
    const own = ownOf(name, installed)
    const instance = path.join(modules, InstalledState.VIRTUAL, name)
    for (const [dependency, target] of Object.entries(installed.dependencies)) {
      const at = PlaceInstances.linkOf(modules, name, installed.name, dependency)
      checkLink(label, at, InstalledState.targetDirectory(modules, state, target, dependency))
    }
    if (isUnlocked(lock, installed)) add(label, own, ["changed", "is not what the lock file has"])
    if (installed.built === true) {
      built.push(label)
      continue
    }
    for (const [at, each] of VerifyFiles.strangersIn(
      instance,
      new Set([installed.name, ...Object.keys(installed.dependencies)])
    )) {
      add(label, path.join(instance, at), each)
    }
    const linked = path.join(instance, InstalledState.MODULES)
    const commanding = commandsIn({ ...installed.dependencies, [installed.name]: name })
    for (const [bin, each] of VerifyFiles.objectionsToBins(linked, commanding, () => false)) {
      add(label, path.join(linked, Bins.BIN, bin), each)
    }
    const manifest = manifests.get(name)
    if (manifest === undefined) {
      add(label, own, ["unverified", "cannot be verified: its signed manifest is not in the store"])
      continue
    }
    const executable = new Set(commands.get(name)?.values())
    for (const [file, signed] of Object.entries(manifest.files)) {
      const found = VerifyFiles.objectionTo(path.join(own, file), signed, executable.has(file))
      files++
      if (found !== undefined) add(label, path.join(own, file), found)
    }
    const isOwnLink = (file: string) =>
      file === `${InstalledState.MODULES}/${installed.name}` && Object.hasOwn(installed.dependencies, installed.name)
    for (const [file, found] of VerifyFiles.below(own)) {
      if (Object.hasOwn(manifest.files, file) || isOwnLink(file)) continue
      add(label, path.join(own, file), found ?? ["added", "was not signed"])
    }
    yield* Effect.yieldNow
  }

  for (const [name, target] of Object.entries(state.project)) {
    checkLink(PROJECT, path.join(modules, name), InstalledState.targetDirectory(modules, state, target, name))
  }
  const isForeign = (name: string) => !Object.hasOwn(state.project, name)
  for (const [bin, each] of VerifyFiles.objectionsToBins(modules, commandsIn(state.project), isForeign)) {
    add(PROJECT, path.join(modules, Bins.BIN, bin), each)
  }
  const virtual = path.join(modules, InstalledState.VIRTUAL)
  const entries = VerifyFiles.entriesOf(virtual)
  if (VerifyFiles.isObjection(entries)) add(PROJECT, virtual, entries)
  else {
    for (const { name } of entries) {
      if (name === InstalledState.STATE || Object.hasOwn(state.packages, name)) continue
      const isWaste = InstanceNames.PATTERN.test(name)
      add(PROJECT, path.join(virtual, name), ["added", isWaste ? "belongs to no tree" : "was not installed"])
    }
  }
  return { packages: Object.keys(state.packages).length, files, problems, built } satisfies Verified
})
