/** `ls-cli bundle [spec…] -o file`: a whole tree of packages as one file; and what is done with such a file. */
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Option from "effect/Option"
import * as NodeFs from "node:fs"
import * as NodePath from "node:path"
import * as Instant from "../../protocol/core/Instant.ts"
import * as PackageSpec from "../../protocol/core/PackageSpec.ts"
import * as PublicKey from "../../protocol/core/PublicKey.ts"
import * as DependencyGraph from "../../protocol/registry/DependencyGraph.ts"
import * as DependencyTree from "../../protocol/registry/DependencyTree.ts"
import * as DependencyWalk from "../../protocol/registry/DependencyWalk.ts"
import * as LockFile from "../../protocol/registry/LockFile.ts"
import * as Bundle from "../../protocol/swarm/Bundle.ts"
import { PackageStore } from "../../protocol/swarm/PackageStore.ts"
import * as LockedRelease from "../../protocol/trust/LockedRelease.ts"
import * as BundleFile from "../../runtime/bundle/BundleFile.ts"
import * as Stores from "../../runtime/Stores.ts"
import { Output } from "../Output.ts"
import { Session } from "../Session.ts"
import { InvalidArgument } from "../Settings.ts"
import * as Download from "./Download.ts"
import * as GivenBundles from "./GivenBundles.ts"
import * as Network from "./Network.ts"
import * as Project from "./Project.ts"
import * as Select from "./Select.ts"

const packagesText = (count: number): string => (count === 1 ? "1 package" : `${count} packages`)

/** What is asked for: the specs, else what the lock or package.json of the project asks for. */
const wishesOf = Effect.fnUntraced(function* (
  specs: ReadonlyArray<PackageSpec.PackageSpec>,
  dir: string,
  lock: LockFile.LockFile | undefined
) {
  if (specs.length > 0) {
    return { dependencies: Object.fromEntries(specs.map(({ name, range }) => [name, range])) }
  }
  if (lock !== undefined) return lock.wishes
  const own = Option.getOrUndefined(yield* Project.wishes(dir))
  if (own !== undefined) return own
  return yield* new InvalidArgument({
    argument: dir,
    problem: "has no package.json",
    hint: "Name packages, like: ls-cli bundle express@^5 -o express.bundle; or give the project with --dir."
  })
})

/** What a bundle says that it is for: names with the ranges that were asked for. */
const specTextsOf = (wishes: DependencyGraph.Wishes): ReadonlyArray<string> =>
  DependencyGraph.edgesOf(wishes).flatMap((edge) => {
    const spec = DependencyWalk.wantedOf(edge)
    return spec._tag === "Success" ? [PackageSpec.format(spec.success)] : []
  })

const requireLock = Effect.fnUntraced(function* (dir: string) {
  const lock = Option.getOrUndefined(yield* Project.lock(dir))
  if (lock !== undefined) return lock
  return yield* new InvalidArgument({
    argument: "--lock",
    problem: `finds no ${LockFile.FILE_NAME} in ${dir}`,
    hint: "Make one with ls-cli lock, give the project with --dir, or leave --lock out."
  })
})

export interface Options extends Select.Choice, Download.Options {
  /** File to write. */
  readonly output: string
  /** Project whose package.json or lock file counts. */
  readonly dir: string
  /** Whether what the project has locked is taken as it is locked. */
  readonly lock: boolean
}

/** It takes long to collect what there may be no place for. */
const requirePlace = Effect.fnUntraced(function* (file: string) {
  const refuse = (argument: string, problem: string) =>
    new InvalidArgument({ argument, problem, hint: "Give the file to write, in a directory that exists, with -o." })
  const isDirectory = (path: string) => NodeFs.statSync(path, { throwIfNoEntry: false })?.isDirectory()
  if (isDirectory(file) === true) return yield* refuse(file, "is a directory, and no file to write")
  const directory = NodePath.dirname(file)
  const above = isDirectory(directory)
  if (above === true) return
  const problem = above === undefined ? `there is no directory ${directory}` : `${directory} is not a directory`
  return yield* refuse(file, `cannot be written: ${problem}`)
})

/** `ls-cli bundle [spec…] -o file`. */
export const run = Effect.fnUntraced(function* (specTexts: ReadonlyArray<string>, options: Options) {
  const output = yield* Output
  const session = yield* Session
  const dir = NodePath.resolve(options.dir)
  const file = NodePath.resolve(options.output)
  yield* requirePlace(file)
  const specs = yield* Effect.forEach(specTexts, Select.specOf)
  const chooser = yield* Select.chooserOf(options)
  const lock = options.lock ? yield* requireLock(dir) : undefined
  const wishes = yield* wishesOf(specs, dir, lock)
  const given = new Set<string>(specs.map(({ name }) => name))

  const source = DependencyGraph.source({
    // --publisher is about the packages that were named with it, not about what they depend on.
    resolve: (spec) => Select.resolve(spec, given.has(spec.name) ? chooser : { ...chooser, publisher: Option.none() }),
    manifestOf: (chosen) => Effect.map(Download.fetchQuietly(chosen, options), ({ manifest }) => manifest)
  })
  const isAnew = (spec: PackageSpec.PackageSpec) => Option.isSome(chooser.publisher) && given.has(spec.name)

  const collect = output.task(`Collecting ${specTexts.length === 0 ? dir : specTexts.join(", ")}`, (update) =>
    Effect.gen(function* () {
      const store = yield* PackageStore
      const tree = yield* DependencyTree.resolveTree(
        wishes,
        lock === undefined ? source : LockFile.prefer(lock, source, LockedRelease.find, isAnew)
      )
      const choices = new Map([...tree.instances.values()].map((each) => [each.package.id, each.package.choice]))
      const releases = yield* Effect.forEach(choices.values(), ({ publisher, release }) =>
        Effect.flatMap(store.find(publisher, release.n, release.v), Effect.fromOption)
      )
      yield* update(packagesText(releases.length))
      const material = yield* Bundle.gather(specTextsOf(wishes), releases, { isRefreshing: lock !== undefined })
      return { material, warnings: tree.warnings }
    })
  )
  const work = Effect.gen(function* () {
    const { material, warnings } = yield* session.limited(collect)
    const written = yield* output.task(`Writing ${file}`, () => BundleFile.write(file, material))
    return { material, warnings, ...written }
  })
  const { digest, length, material, warnings } = yield* work.pipe(Network.provide)
  yield* Effect.forEach(warnings, (warning) => output.note(`Note: ${warning}`), { discard: true })
  yield* output.result(
    { file, bytes: length, packages: material.releases.length, sha256: Hex.encode(digest), warnings },
    [`Bundled ${packagesText(material.releases.length)} in ${file} (${length} bytes)`]
  )
})

const rowOf = ({ name, publisher, version }: Bundle.Listed) => ({
  name,
  version,
  publisher: PublicKey.toBase64(publisher)
})

const lineOf = (row: ReturnType<typeof rowOf>): string => `  ${row.name}@${row.version}  by ${row.publisher}`

/** When the newest and the oldest of its package records were signed, by their publishers' clocks. */
const datesOf = ({ packages }: Bundle.Proven) => {
  const dates = packages.map(({ value }) => value.t)
  return dates.length === 0 ? undefined : { oldest: Math.min(...dates), newest: Math.max(...dates) }
}

const datesLine = (dates: ReturnType<typeof datesOf>): ReadonlyArray<string> =>
  dates === undefined
    ? []
    : [`Its records were signed from ${Instant.day(dates.oldest)} to ${Instant.day(dates.newest)}`]

/** `ls-cli bundle inspect file`. */
export const inspect = Effect.fnUntraced(function* (path: string) {
  const output = yield* Output
  const session = yield* Session
  const file = NodePath.resolve(path)
  const contents = yield* output
    .task(`Reading ${file}`, () => BundleFile.inspect(file))
    .pipe(Effect.provide(Stores.layer(session)))
  const rows = contents.releases.map((release, at) => ({
    ...rowOf(release),
    bytes: contents.manifests[at]!.tarball.size,
    integrity: contents.manifests[at]!.tarball.sha512
  }))
  const dates = datesOf(contents)
  const document = {
    file,
    bytes: contents.length,
    sha256: Hex.encode(contents.digest),
    wishes: contents.wishes,
    packages: rows,
    ...(dates === undefined ? {} : { signed: dates })
  }
  yield* output.result(document, [
    `${file}: ${packagesText(rows.length)}, ${contents.length} bytes, all of it as its publishers signed it`,
    ...(contents.wishes.length === 0 ? [] : [`Made for ${contents.wishes.join(", ")}`]),
    ...datesLine(dates),
    ...rows.map(lineOf)
  ])
})

/** `ls-cli bundle import file`. */
export const importFile = Effect.fnUntraced(function* (path: string) {
  const output = yield* Output
  const session = yield* Session
  yield* session.writable
  const file = NodePath.resolve(path)
  const { contents, releases } = yield* GivenBundles.importOne(file).pipe(Effect.provide(Stores.layer(session)))
  const dates = datesOf(contents)
  const rows = releases.map((release) => Object.assign(rowOf(release), { isNew: release.isNew }))
  const news = rows.filter(({ isNew }) => isNew).length
  yield* output.result({ file, imported: rows, ...(dates === undefined ? {} : { signed: dates }) }, [
    ...rows.map((row) => `${lineOf(row)}${row.isNew ? "" : "  (was there)"}`),
    ...datesLine(dates),
    `Imported ${packagesText(rows.length)} from ${file}, ${news} of them new`
  ])
})
