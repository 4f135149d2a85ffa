/**
 * An install for which nothing has to be asked, downloaded or unpacked: the lock file answers package.json,
 * and the store has everything as it was unpacked. It is what most installs are, and takes a tenth of a
 * second, so that it does without everything that the others need: schemas, stores, the network. Whatever
 * is unusual is left to `InstallTree`, before anything is changed.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as LockConsistency from "../../protocol/registry/LockConsistency.ts"
import type { LockFile } from "../../protocol/registry/LockFile.ts"
import * as ProjectNote from "../store/ProjectNote.ts"
import * as UnpackedIndex from "../store/UnpackedIndex.ts"
import * as ApplyTree from "./ApplyTree.ts"
import * as ForeignContent from "./ForeignContent.ts"
import * as InstalledState from "./InstalledState.ts"
import * as InstallPlan from "./InstallPlan.ts"
import * as InstallReport from "./InstallReport.ts"
import * as InstallSite from "./InstallSite.ts"
import * as LightEngines from "./LightEngines.ts"
import * as LightLock from "./LightLock.ts"
import * as LightRange from "./LightRange.ts"
import * as LightTrust from "./LightTrust.ts"
import * as SignedEdges from "./SignedEdges.ts"

/** Of a home directory. */
export interface Stores {
  /** Unpacked releases. */
  readonly files: string
  readonly trust: string
  readonly records: string
  readonly projects: string
}

type Texts = { readonly [key: string]: string }

const SECTIONS = ["dependencies", "optionalDependencies", "peerDependencies"] as const

interface Wishes {
  readonly all: { readonly [section in (typeof SECTIONS)[number]]: Texts | undefined }
  /** Names of peers that are optional. */
  readonly optionalPeers: ReadonlySet<string>
  readonly development: ReadonlySet<string>
  readonly allowed: ReadonlySet<string>
}

const isTexts = (value: unknown): value is Texts =>
  Predicate.isObject(value) && !Array.isArray(value) && Object.values(value).every((each) => typeof each === "string")

const propertyOf = (value: unknown, key: string): unknown =>
  Predicate.isObject(value) && Object.hasOwn(value, key) ? new Map(Object.entries(value)).get(key) : undefined

/** Names that `peerDependenciesMeta` calls optional. */
const optionalIn = (meta: unknown): ReadonlySet<string> =>
  new Set(
    Object.entries(Predicate.isObject(meta) ? meta : {}).flatMap(([name, each]) =>
      propertyOf(each, "optional") === true ? [name] : []
    )
  )

/** What package.json asks for; `undefined` where it is none, or says something in an unusual way. */
const wishesIn = (json: unknown): Wishes | undefined => {
  const sectionOf = (name: string): Texts | undefined | false => {
    const section = propertyOf(json, name)
    return section === undefined || isTexts(section) ? section : false
  }
  const [dependencies, devDependencies, optionalDependencies, peerDependencies] = [
    sectionOf("dependencies"),
    sectionOf("devDependencies"),
    sectionOf("optionalDependencies"),
    sectionOf("peerDependencies")
  ]
  if (
    dependencies === false ||
    devDependencies === false ||
    optionalDependencies === false ||
    peerDependencies === false
  ) {
    return undefined
  }
  const own = propertyOf(json, "libreseed")
  const allowed = propertyOf(own, "allowScripts") ?? []
  if (!Array.isArray(allowed) || !allowed.every((name) => typeof name === "string")) return undefined
  const others = { ...dependencies, ...optionalDependencies, ...peerDependencies }
  return {
    all: {
      dependencies: devDependencies === undefined ? dependencies : { ...devDependencies, ...dependencies },
      optionalDependencies,
      peerDependencies
    },
    optionalPeers: optionalIn(propertyOf(json, "peerDependenciesMeta")),
    development: new Set(Object.keys(devDependencies ?? {}).filter((name) => !Object.hasOwn(others, name))),
    allowed: new Set(allowed)
  }
}

const isSame = (one: Texts | undefined, other: Texts | undefined): boolean => {
  if (one === undefined || other === undefined) return one === other
  const keys = Object.keys(one)
  return keys.length === Object.keys(other).length && keys.every((key) => one[key] === other[key])
}

/** Whether a lock was made for what is asked for, and answers all of it. */
const isAnswered = (lock: LockFile, wishes: Wishes): boolean => {
  const optional = optionalIn(lock.wishes.peerDependenciesMeta)
  return (
    SECTIONS.every((section) => isSame(lock.wishes[section], wishes.all[section])) &&
    Object.keys(lock.wishes.peerDependencies ?? {}).every(
      (name) => optional.has(name) === wishes.optionalPeers.has(name)
    ) &&
    LockConsistency.missingPeers(lock).length === 0
  )
}

/** The tree of a lock, where all of it lies unpacked. */
const treeOf = (
  { instances, project }: InstallPlan.Plan,
  files: string,
  digests: Pick<ApplyTree.Tree, "lock" | "wishes" | "request">
): ApplyTree.Tree | undefined => {
  const packages = new Map<string, ApplyTree.TreePackage>()
  for (const [id, locked] of instances) {
    const { contentHash = "", dependencies, integrity, name, optional, publisher, version } = locked
    const index = UnpackedIndex.intact(files, contentHash)
    if (index?.vouched.includes(UnpackedIndex.vouchOf(locked)) !== true) return undefined
    packages.set(id, {
      name,
      version,
      publisher,
      integrity,
      contentHash,
      source: UnpackedIndex.directoryOf(files, contentHash),
      index,
      dependencies: new Map(Object.entries(dependencies).filter(([, target]) => instances.has(target))),
      isOptional: optional === true
    })
  }
  return { packages, project, ...digests }
}

/** npm's ranges, for what is not plain. */
const exactly = Effect.promise(() => import("../../protocol/registry/LockedRange.ts"))

/**
 * Installs what the lock file has. `undefined` where this is not all that there is to do. Fails as `InstallTree` does,
 * where the tree cannot be put in place.
 */
export const install = Effect.fn("WarmTree.install")(function* (
  directory: string,
  stores: Stores,
  request: InstalledState.Request
) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const read = (name: string) => Effect.option(fs.readFileString(path.join(directory, name)))
  if (!(yield* Effect.orElseSucceed(fs.exists(path.join(directory, InstalledState.LOCK_FILE)), () => false))) {
    return undefined
  }
  yield* InstallSite.hold(directory)
  const before = InstalledState.read(directory)
  const text = yield* read(InstalledState.LOCK_FILE)
  const manifest = yield* read(InstalledState.PACKAGE_JSON)
  if (text._tag === "None" || manifest._tag === "None") return undefined
  const json = InstalledState.parse(manifest.value)
  const lock = LightLock.parse(text.value) ?? LightLock.parse(text.value, (yield* exactly).admits)
  const wishes = wishesIn(json)
  if (lock === undefined || wishes === undefined) return undefined
  if (!isAnswered(lock, wishes)) return undefined
  const plan = InstallPlan.make(lock, {
    platform: { os: process.platform, cpu: process.arch },
    without: request.production ? wishes.development : new Set(),
    failed: new Map<string, never>()
  })
  if (Result.isFailure(plan)) return undefined
  const { instances, left } = plan.success
  if (!LightTrust.isSettled(stores.trust, stores.records, [...instances.values()])) return undefined
  const tree = treeOf(plan.success, stores.files, {
    lock: InstalledState.digest(text.value),
    wishes: InstalledState.wishesDigest(json),
    request: InstalledState.requestDigest(request)
  })
  if (tree === undefined) return undefined
  const signedOf = (id: string) => tree.packages.get(id)?.index.facts.wishes
  const isPlain = SignedEdges.problemOf(lock, plan.success, signedOf, LightRange.isPlainlyIn) === undefined
  const admits = isPlain ? LightRange.isPlainlyIn : (yield* exactly).admits
  if (!isPlain && SignedEdges.problemOf(lock, plan.success, signedOf, admits) !== undefined) return undefined
  const asks = [...tree.packages.values()].some(({ index: { facts } }) => !LightEngines.isPlainlyFine(facts))
  const { problemOf } = asks ? yield* Effect.promise(() => import("./Engines.ts")) : { problemOf: () => undefined }
  const problems = [...tree.packages.values()].flatMap(({ index }) => problemOf(index.facts) ?? [])
  if (request.engineStrict && problems.length > 0) return undefined
  const conflictsBy = (how: LockConsistency.Admits) => SignedEdges.conflictsOf(lock, plan.success, signedOf, how)
  const conflicts = conflictsBy(admits).length === 0 ? [] : conflictsBy((yield* exactly).admits)
  // What the lock names is in use from now on. An install is none the worse for it.
  yield* Effect.ignore(Effect.try(() => ProjectNote.write(stores.projects, directory)))
  const applied = yield* ApplyTree.apply(directory, tree, wishes.allowed, Effect.void)
  return InstallReport.make({
    directory,
    before,
    applied,
    named: [],
    left: [...left].map(([id, why]) => `${id} is left out: ${why}`),
    warnings: [...new Set([...conflicts, ...problems.map(({ message }) => message)])],
    foreign: yield* ForeignContent.packagesOf(
      InstalledState.modulesOf(directory),
      new Set(Object.keys(applied.state.project))
    )
  })
}, Effect.scoped)
