/**
 * The moment at which a project gets another tree. The instances are in place and nobody refers to them;
 * what the project sees of them (its links, its commands, the state) is made in a staging directory and
 * then moved in, all of it or nothing. What the project does not see any more is taken away with it.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import { StorageFailed } from "../../protocol/swarm/Content.ts"
import { problemOf } from "../store/PlatformProblem.ts"
import * as Bins from "./Bins.ts"
import * as ForeignContent from "./ForeignContent.ts"
import { MODULES, packageDirectory, type State, VIRTUAL } from "./InstalledState.ts"
import * as Staging from "./Staging.ts"
import { removeIfEmpty, SyncFiles } from "./SyncFiles.ts"
import * as Transaction from "./Transaction.ts"

/** On Windows links to directories are absolute, so that they are made for the place where they will be. */
const isAbsoluteLinked = process.platform === "win32"

export interface Tree {
  /** As it is to be written; its `bins` are added here. */
  readonly state: Omit<State, "bins">
  /** The commands of a package, by the directory of its instance. */
  readonly commandsOf: (directory: string) => Bins.Commands
}

/** A link to a directory, of which `fs.symlink` would make one on Windows that takes an administrator. */
const linkDirectory = Effect.fnUntraced(function* (target: string, at: string) {
  const fs = yield* FileSystem.FileSystem
  const files = yield* SyncFiles
  yield* isAbsoluteLinked ? Effect.sync(() => files.linkDirectory(target, at)) : fs.symlink(target, at)
})

/** Makes what the project is to see below `<staging>/node_modules`, with the very links that it will have. */
const stage = Effect.fnUntraced(function* (modules: string, staging: string, { commandsOf, state }: Tree) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const mirror = path.join(staging, MODULES)
  yield* fs.makeDirectory(mirror)
  // By this the links in the mirror lead to the instances before they are moved.
  const virtual = isAbsoluteLinked ? path.join(modules, VIRTUAL) : path.join("..", "..", VIRTUAL)
  yield* linkDirectory(virtual, path.join(mirror, VIRTUAL))
  const commands = new Map<string, string>()
  for (const [name, directory] of Object.entries(state.project)) {
    const at = path.join(mirror, name)
    const up = name.includes("/") ? "../" : ""
    if (up !== "") yield* fs.makeDirectory(path.dirname(at), { recursive: true })
    const own = state.packages[directory]?.name ?? name
    const target = isAbsoluteLinked
      ? packageDirectory(modules, directory, own)
      : `${up}${VIRTUAL}/${directory}/${MODULES}/${own}`
    yield* linkDirectory(target, at)
    // Of two packages with one command the first has it, on every machine.
    const free = new Map([...commandsOf(directory)].filter(([command]) => !commands.has(command)))
    for (const command of free.keys()) commands.set(command, name)
    yield* Bins.link(at, name, free)
  }
  const bins = yield* fs
    .readDirectory(path.join(mirror, Bins.BIN))
    .pipe(Effect.catch(() => Effect.succeed<Array<string>>([])))
  return bins.toSorted()
})

/** Whether two links lead to the same, or two files (shims) have the same text. */
const isSame = Effect.fnUntraced(function* (one: string, other: string) {
  const fs = yield* FileSystem.FileSystem
  const read = (location: string) => fs.readLink(location).pipe(Effect.catch(() => fs.readFileString(location)))
  const kinds = [yield* Transaction.kindOf(one), yield* Transaction.kindOf(other)]
  if (kinds[0] !== kinds[1] || kinds[0] === "Directory") return false
  return (yield* Effect.option(read(one))).toString() === (yield* Effect.option(read(other))).toString()
})

/** What differs between what is there and what is staged. The state is always written, after everything else. */
const changesOf = Effect.fnUntraced(function* (
  { modules, staging }: Transaction.Site,
  before: State | undefined,
  after: State
) {
  const path = yield* Path.Path
  const places = (state: State | undefined): ReadonlyArray<string> =>
    state === undefined ? [] : [...Object.keys(state.project), ...state.bins.map((bin) => `${Bins.BIN}/${bin}`)]
  const puts = places(after)
  const changes: Array<Transaction.Change> = []
  for (const destination of puts) {
    const staged = path.normalize(Transaction.stagedAt(staging, destination))
    if (!(yield* isSame(staged, path.join(modules, destination)))) changes.push({ destination, puts: true })
  }
  const kept = new Set(puts)
  for (const destination of places(before)) {
    if (kept.has(destination)) continue
    const kind = yield* Transaction.kindOf(path.join(modules, destination))
    // What somebody put in the place of our link since then is theirs.
    const isOurs = destination.startsWith(`${Bins.BIN}/`) ? kind !== "Directory" : kind === "SymbolicLink"
    if (kind !== undefined && isOurs) changes.push({ destination, puts: false })
  }
  return [...changes, { destination: Transaction.STATE_PLACE, puts: true }]
})

/**
 * Gives the project the tree, and `record`s it as the last step of all. Fails with `ForeignContent` before anything is changed, or with
 * `StorageFailed`; the old tree is there then, or is made by the next install.
 */
export const switchTo = Effect.fn("SwitchTree.switchTo")(function* <R>(
  modules: string,
  before: State | undefined,
  tree: Tree,
  record: Effect.Effect<void, StorageFailed, R>
) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const failed = (operation: string) => (error: PlatformError) =>
    new StorageFailed({ location: modules, operation, problem: problemOf(error) })
  let keepsStaging = false
  const staging = yield* Effect.acquireRelease(
    Effect.mapError(Staging.make(modules), failed("write to")),
    (directory) =>
      Effect.suspend(() => (keepsStaging ? Effect.void : fs.remove(directory, { recursive: true, force: true }))).pipe(
        Effect.ignore
      )
  )
  const site: Transaction.Site = { modules, staging }
  const bins = yield* stage(modules, staging, tree).pipe(
    Effect.catchTag("PlatformError", (error) => Effect.fail(failed("write to")(error)))
  )
  const after: State = { ...tree.state, bins }
  const commit = Effect.gen(function* () {
    yield* fs.writeFileString(Transaction.stagedAt(staging, Transaction.STATE_PLACE), JSON.stringify(after))
    const changes = yield* changesOf(site, before, after)
    const destinations = changes.map(({ destination }) => destination)
    const names = changes.flatMap(({ destination, puts }) =>
      puts && Object.hasOwn(after.project, destination) ? [destination] : []
    )
    yield* ForeignContent.refuse(modules, names, destinations)
    const moves = yield* Effect.forEach(changes, (change, index) => Transaction.plan(site, change, index))
    yield* Transaction.commit(
      site,
      moves,
      record,
      Effect.sync(() => void (keepsStaging = true))
    )
    return changes
  })
  const changes = yield* Effect.catchTag(commit, "PlatformError", (error) => {
    const kept = keepsStaging ? `; the next install puts back what was there before, which is kept in ${staging}` : ""
    return new StorageFailed({ location: modules, operation: "install into", problem: problemOf(error) + kept })
  })
  const scopes = new Set(
    changes.flatMap(({ destination, puts }) =>
      !puts && destination.startsWith("@") ? [path.dirname(destination)] : []
    )
  )
  for (const scope of scopes) yield* removeIfEmpty(path.join(modules, scope))
  return after
}, Effect.scoped)
