/** `ls-cli lock [spec…]`: a project's whole tree of dependencies, fetched and written down. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as NodePath from "node:path"
import type { PackageSpec } from "../../protocol/core/PackageSpec.ts"
import * as DependencyGraph from "../../protocol/registry/DependencyGraph.ts"
import * as DependencyTree from "../../protocol/registry/DependencyTree.ts"
import * as LockFile from "../../protocol/registry/LockFile.ts"
import * as LockedRelease from "../../protocol/trust/LockedRelease.ts"
import * as InstallSite from "../../runtime/install/InstallSite.ts"
import * as ProjectLock from "../../runtime/install/ProjectLock.ts"
import * as KnownProjects from "../../runtime/store/KnownProjects.ts"
import { Output } from "../Output.ts"
import { InvalidArgument } from "../Settings.ts"
import { Session } from "../Session.ts"
import * as Download from "./Download.ts"
import * as Network from "./Network.ts"
import * as Project from "./Project.ts"
import * as Select from "./Select.ts"

/** Packages named in the text for people; the document has them all. */
const SHOWN_MAX = 20

const change = (sign: string, ids: ReadonlyArray<string>): ReadonlyArray<string> => [
  ...ids.slice(0, SHOWN_MAX).map((id) => `  ${sign} ${id}`),
  ...(ids.length > SHOWN_MAX ? [`  ${sign} … and ${ids.length - SHOWN_MAX} more`] : [])
]

/** What was named, by name. One name with two ranges has no place in one list of wishes. */
const rangesOf = Effect.fnUntraced(function* (specs: ReadonlyArray<PackageSpec>) {
  const ranges = new Map<string, string>()
  for (const { name, range } of specs) {
    const other = ranges.get(name)
    if (other !== undefined && other !== range) {
      return yield* new InvalidArgument({
        argument: name,
        problem: `is asked for as ${other} and as ${range}`,
        hint: "A project asks for one range of a name: give one of them."
      })
    }
    ranges.set(name, range)
  }
  return Object.fromEntries(ranges)
})

/** What the project asks for, and what it has locked. Without names there must be something to lock. */
const read = Effect.fnUntraced(function* (dir: string, isNamed: boolean) {
  const own = yield* Project.wishes(dir)
  const before = Option.getOrUndefined(yield* Project.lock(dir))
  if (Option.isNone(own) && before === undefined && !isNamed) {
    return yield* new InvalidArgument({
      argument: dir,
      problem: "has no package.json",
      hint: "Name packages, like: ls-cli lock semver@^7; or give the project with --dir."
    })
  }
  return { wanted: Option.getOrElse(own, (): DependencyGraph.Wishes => ({})), before }
})

export const run = Effect.fnUntraced(function* (
  specTexts: ReadonlyArray<string>,
  directory: string,
  choice: Select.Choice & Download.Options
) {
  const output = yield* Output
  const session = yield* Session
  const dir = NodePath.resolve(directory)
  const specs = yield* Effect.forEach(specTexts, Select.specOf)
  const chooser = yield* Select.chooserOf(choice)
  const named = yield* rangesOf(specs)
  const given = new Set<string>(specs.map(({ name }) => name))
  // Whoever gives something that cannot be locked need not wait for the network, nor for an install.
  yield* read(dir, specs.length > 0)

  const work = output.task(`Resolving the dependencies of ${dir}`, (update) => {
    let fetched = 0
    const source = DependencyGraph.source({
      // --publisher is about the packages that were named with it, not about what they depend on.
      resolve: (spec) =>
        Select.resolve(spec, given.has(spec.name) ? chooser : { ...chooser, publisher: Option.none() }),
      manifestOf: (chosen) =>
        Effect.tap(
          Effect.map(Download.fetchQuietly(chosen, choice), ({ manifest }) => manifest),
          () => update(`${++fetched} fetched`)
        )
    })
    return Effect.gen(function* () {
      yield* InstallSite.hold(dir)
      const { before, wanted } = yield* read(dir, specs.length > 0)
      // What is fetched is in use from now on, and stays when the store is cleared.
      yield* Effect.ignore(KnownProjects.note(dir))
      const wishes: DependencyGraph.Wishes = { ...wanted, dependencies: { ...wanted.dependencies, ...named } }
      const tree = yield* DependencyTree.resolveTree(
        wishes,
        before === undefined
          ? source
          : LockFile.prefer(
              before,
              source,
              LockedRelease.find,
              // The lock has a publisher already; another one was asked for.
              (spec) => Option.isSome(chooser.publisher) && given.has(spec.name)
            )
      )
      const lock = LockFile.make(wishes, tree)
      const text = LockFile.toText(lock)
      const isChanged = before === undefined || LockFile.toText(before) !== text
      if (isChanged) yield* ProjectLock.write(dir, text)
      return { tree, lock, before }
    }).pipe(Effect.scoped)
  })
  const { before, lock, tree } = yield* session.limited(work).pipe(Network.provide)
  const ids = Object.keys(lock.packages)
  const known = new Set(Object.keys(before?.packages ?? {}))
  const added = ids.filter((id) => !known.has(id))
  const removed = [...known].filter((id) => !Object.hasOwn(lock.packages, id))
  yield* Effect.forEach(tree.warnings, (warning) => output.note(`Note: ${warning}`), { discard: true })
  yield* output.result({ dir, packages: ids.length, added, removed, warnings: tree.warnings }, [
    ...change("+", added),
    ...change("-", removed),
    `Locked ${ids.length === 1 ? "1 package" : `${ids.length} packages`} in ${Project.lockLocation(dir)}`
  ])
})
