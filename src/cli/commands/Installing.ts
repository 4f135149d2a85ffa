/**
 * What install, uninstall and update have in common: an install of a project's tree, first with what lies
 * on this machine, and only where that does not suffice with the network.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as NodeFs from "node:fs"
import * as NodePath from "node:path"
import * as PackageSpec from "../../protocol/core/PackageSpec.ts"
import * as LockedRelease from "../../protocol/trust/LockedRelease.ts"
import { PACKAGE_JSON } from "../../runtime/install/InstalledState.ts"
import * as InstallTree from "../../runtime/install/InstallTree.ts"
import * as Stores from "../../runtime/Stores.ts"
import * as StoreThread from "../../runtime/store/StoreThread.ts"
import * as ThreadedStore from "../../runtime/store/ThreadedStore.ts"
import * as UnpackedReleases from "../../runtime/store/UnpackedReleases.ts"
import * as WriteRelease from "../../runtime/store/WriteRelease.ts"
import { Output } from "../Output.ts"
import type * as Progress from "../Progress.ts"
import { Session } from "../Session.ts"
import { InvalidArgument } from "../Settings.ts"
import * as Download from "./Download.ts"
import * as InstallText from "./InstallText.ts"
import * as Network from "./Network.ts"
import * as Project from "./Project.ts"
import * as Select from "./Select.ts"

/** As it was typed, mostly: where nothing was said the newest is meant. */
const nameOf = (spec: PackageSpec.PackageSpec): string =>
  spec.range === "latest" ? spec.name : PackageSpec.format(spec)

export interface Work {
  readonly label: string
  readonly directory: string
  readonly options: InstallTree.Options
  /** Names that `choice` is about. */
  readonly named: ReadonlySet<string>
  /** Whether somebody has to be asked in any case. */
  readonly asks: boolean
  readonly choice: Select.Choice & Download.Options
}

/** Installs and tells what came of it. */
export const run = Effect.fnUntraced(function* ({ asks, choice, directory, label, named, options }: Work) {
  const output = yield* Output
  const session = yield* Session
  const chooser = yield* Select.chooserOf(choice)
  const remote = InstallTree.remote({
    resolve: Effect.fnUntraced(function* (spec: PackageSpec.PackageSpec) {
      // --publisher is about the packages that were named with it, not about what they depend on.
      const isNamed = named.has(spec.name)
      const resolution = yield* Select.resolve(spec, isNamed ? chooser : { ...chooser, publisher: Option.none() })
      if (isNamed) yield* Select.tellWarnings(resolution)
      return resolution
    }),
    releaseOf: LockedRelease.find,
    fetch: (release: Parameters<typeof Download.fetchUnpinned>[0]) => Download.fetchUnpinned(release, choice)
  })
  const names = (options.add ?? []).map(nameOf).join(", ")
  const install = Effect.suspend(() => {
    let tell: Progress.Update = () => Effect.void
    const phase: InstallTree.Phases = (which, work) =>
      output.task(which === "lookup" ? `Looking up ${names}` : label, (update) => {
        tell = update
        return work
      })
    const onAcquired = (count: number) => tell(`${count} packages`)
    return InstallTree.install(directory, { ...options, phase, onAcquired }, remote)
  })
  const online = Effect.gen(function* () {
    if (!StoreThread.isWorthIt()) return yield* install.pipe(Effect.provide(UnpackedReleases.layer), Network.provide)
    const thread = yield* StoreThread.make(session.home)
    return yield* install.pipe(
      Effect.provide(ThreadedStore.unpacked(thread)),
      Network.provide,
      Effect.provideService(WriteRelease.Writer, ThreadedStore.writer(thread))
    )
  }).pipe(Effect.scoped)
  // What lies on this machine is tried without a word: it takes moments, or comes to nothing.
  const local = InstallTree.install<never, never>(directory, options, undefined).pipe(
    Effect.provide(Layer.provideMerge(UnpackedReleases.layer, Stores.layer(session))),
    Effect.catchTag("NeedsNetwork", () => online)
  )
  const report = yield* session.limited(asks ? online : local)
  yield* InstallText.tell(report, (options.add ?? []).length > 0)
})

const namesOf = (text: string): ReadonlyArray<string> =>
  text
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "")

/** Without names there must be something that says what to install. */
const requireWishes = Effect.fnUntraced(function* (directory: string) {
  if (NodeFs.statSync(directory, { throwIfNoEntry: false })?.isDirectory() === false) {
    return yield* refuse(directory, "is not a directory", "Give the directory of the project with --dir.")
  }
  const names = [PACKAGE_JSON, Project.LOCK_FILE]
  if (names.some((name) => NodeFs.existsSync(NodePath.join(directory, name)))) return
  return yield* new InvalidArgument({
    argument: directory,
    problem: `has no ${PACKAGE_JSON}`,
    hint: "Name packages, like: ls-cli install semver@^7; or give the project with --dir."
  })
})

const refuse = (argument: string, problem: string, hint: string) =>
  Effect.fail(new InvalidArgument({ argument, problem, hint }))

/** Specs of different ranges for one name have no place in one list of wishes. */
const requireOneOfEach = Effect.fnUntraced(function* (specs: ReadonlyArray<PackageSpec.PackageSpec>) {
  const ranges = new Map<string, string>()
  for (const { name, range } of specs) {
    const other = ranges.get(name)
    if (other !== undefined && other !== range) {
      return yield* refuse(
        name,
        `is asked for as ${other} and as ${range}`,
        "A project asks for one range of a name: give one of them."
      )
    }
    ranges.set(name, range)
  }
  return new Set<string>(ranges.keys())
})

export interface Options extends Select.Choice, Download.Options {
  readonly dir: string
  readonly frozen: boolean
  readonly production: boolean
  readonly engineStrict: boolean
  /** Names, separated by commas; "" for none. */
  readonly allowScripts: string
  readonly saveDev: boolean
  readonly saveOptional: boolean
  readonly save: boolean
}

/** `ls-cli install`, where something may have to be done. */
export const install = Effect.fnUntraced(function* (specTexts: ReadonlyArray<string>, options: Options) {
  const { dir, engineStrict, frozen, production, publisher, save, saveDev, saveOptional } = options
  const specs = yield* Effect.forEach(specTexts, Select.specOf)
  const named = yield* requireOneOfEach(specs)
  if (specs.length === 0) yield* requireWishes(dir)
  if (frozen && specs.length > 0) {
    return yield* refuse("--frozen", "and names of packages", "A frozen install changes nothing: leave the names away.")
  }
  const allowScripts = namesOf(options.allowScripts)
  yield* run({
    label: `Installing into ${dir}`,
    directory: dir,
    named,
    asks: specs.length > 0,
    choice: options,
    options: {
      add: specs.filter((spec, at) => specs.findIndex(({ name }) => name === spec.name) === at),
      // The lock has a publisher already; another one was asked for.
      update: Option.isSome(publisher) ? named : new Set(),
      frozen,
      production,
      engineStrict,
      save: save ? (saveDev ? "devDependencies" : saveOptional ? "optionalDependencies" : undefined) : "nowhere",
      ...(allowScripts.length === 0 ? {} : { allowScripts })
    }
  })
})
