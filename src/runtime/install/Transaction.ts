/**
 * Changes what a project sees of its `node_modules`, all of it or nothing: the links of packages, the
 * commands in `.bin`, and the file that says what is installed. Every step is one rename whose effect can
 * be seen afterwards, so that the same undoing serves a failed step, a killed process, and an undoing that
 * was itself killed: it looks at what is where, and does what is left to do.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as AtomicFile from "../store/AtomicFile.ts"
import { isNothingThere } from "../store/PlatformProblem.ts"
import * as InstallJournal from "./InstallJournal.ts"
import { MODULES, STATE, VIRTUAL } from "./InstalledState.ts"
import { removeIfEmpty } from "./SyncFiles.ts"

/** Where a transaction takes place. */
export interface Site {
  /** Absolute path of the project's `node_modules`. */
  readonly modules: string
  /** Absolute path of the staging directory in it. */
  readonly staging: string
}

/** What is to change: `destination` is relative to `node_modules`, with `/`. */
export interface Change {
  readonly destination: string
  /** Whether something new waits in the staging directory; else what is there is taken away. */
  readonly puts: boolean
}

/** Where the file that says what is installed belongs. */
export const STATE_PLACE = `${VIRTUAL}/${STATE}`

/** Where in a staging directory that waits which is to be put at `destination`. */
export const stagedAt = (staging: string, destination: string): string =>
  destination === STATE_PLACE ? `${staging}/${STATE}` : `${staging}/${MODULES}/${destination}`

/** What is at a path, links not followed; `undefined` where nothing is. */
export const kindOf = Effect.fnUntraced(function* (location: string) {
  const fs = yield* FileSystem.FileSystem
  return yield* fs.lstat(location).pipe(
    Effect.map(({ type }) => type),
    Effect.catchIf(isNothingThere, () => Effect.undefined)
  )
})

const isThere = (location: string) => Effect.map(kindOf(location), (kind) => kind !== undefined)

const locate = Effect.fnUntraced(function* (
  { modules, staging }: Site,
  move: Pick<InstallJournal.Move, "destination" | "setAside">
) {
  const { dirname, join, normalize } = yield* Path.Path
  const destination = join(modules, move.destination)
  const parent = dirname(destination)
  return {
    destination,
    staged: normalize(stagedAt(staging, move.destination)),
    setAside: join(staging, move.setAside),
    parent,
    inner: parent === modules ? undefined : parent
  }
})

/** The first directory that is to be changed and is a link or a file: what is below it would not be below `node_modules`. */
export const foreignParent = Effect.fnUntraced(function* (modules: string, destinations: ReadonlyArray<string>) {
  const { dirname, join } = yield* Path.Path
  const parents = new Set(destinations.map((each) => dirname(join(modules, each))).filter((each) => each !== modules))
  for (const parent of parents) {
    const kind = yield* kindOf(parent)
    if (kind !== undefined && kind !== "Directory") return parent
  }
  return undefined
})

/** Puts a copy of a link or a file aside. */
const copyAside = Effect.fnUntraced(function* (from: string, to: string, kind: "SymbolicLink" | "File") {
  const fs = yield* FileSystem.FileSystem
  if (kind === "File") return yield* fs.copyFile(from, to)
  yield* fs.symlink(yield* fs.readLink(from), to)
})

/** On Windows a link to a directory is not replaced by a rename. */
const REPLACES_LINKS = process.platform !== "win32"

/** Completes what a journal needs to say about a change, by looking at its place. Copies of what it replaces are put aside. */
export const plan = Effect.fnUntraced(function* (site: Site, { destination, puts }: Change, index: number) {
  const setAside = `${index}-old`
  const located = yield* locate(site, { destination, setAside })
  const kind = yield* kindOf(located.destination)
  const copies = puts && (kind === "File" || (kind === "SymbolicLink" && REPLACES_LINKS))
  if (copies) yield* copyAside(located.destination, located.setAside, kind)
  const newParent = located.inner !== undefined && !(yield* isThere(located.inner))
  const before = kind === undefined ? "nothing" : copies ? "copied" : "moved"
  return { destination, setAside, before, puts, newParent } satisfies InstallJournal.Move
})

const undo = Effect.fnUntraced(function* (site: Site, move: InstallJournal.Move) {
  const fs = yield* FileSystem.FileSystem
  const { destination, inner, parent, setAside, staged } = yield* locate(site, move)
  const hasOld = yield* isThere(setAside)
  const isStaged = yield* isThere(staged)
  if (move.before === "copied") {
    if (hasOld && !isStaged) yield* fs.rename(setAside, destination)
    return
  }
  const movedIn = move.puts && !isStaged && (hasOld || move.before === "nothing")
  if (movedIn && (yield* isThere(destination))) {
    yield* fs.makeDirectory((yield* Path.Path).dirname(staged), { recursive: true })
    yield* fs.rename(destination, staged)
  }
  // What is there now although both of ours are here was put there by somebody else since: theirs is newer.
  if (hasOld && !(yield* isThere(destination))) {
    yield* fs.makeDirectory(parent, { recursive: true })
    yield* fs.rename(setAside, destination)
  }
  if (move.newParent && inner !== undefined) yield* removeIfEmpty(inner)
})

const sync = Effect.fnUntraced(function* (site: Site, moves: ReadonlyArray<InstallJournal.Move>) {
  const located = yield* Effect.forEach(moves, (move) => locate(site, move))
  const changed = new Set([site.modules, ...located.map(({ parent }) => parent), site.staging])
  // A scope of which nothing is left is gone by now; its directory has an entry less, and is flushed too.
  const flush = (directory: string) =>
    Effect.catchIf(AtomicFile.syncDirectory(directory), isNothingThere, () => Effect.void)
  yield* Effect.forEach(changed, flush, { discard: true })
})

/** Makes the tree as it was before the moves, however many of them were done, and then takes the journal away. */
export const rollBack = Effect.fnUntraced(function* (site: Site, moves: ReadonlyArray<InstallJournal.Move>) {
  yield* Effect.forEach(moves.toReversed(), (move) => undo(site, move), { discard: true })
  yield* sync(site, moves)
  yield* InstallJournal.remove(site.staging, "flushed")
}, Effect.uninterruptible)

/**
 * Makes every change, and then `record`s it elsewhere. Where a step fails the old tree is made again and the
 * failure passed on; `onStuck` is told when that fails too: then the journal and what was there before have to stay.
 */
export const commit = Effect.fnUntraced(function* <E, R>(
  site: Site,
  moves: ReadonlyArray<InstallJournal.Move>,
  record: Effect.Effect<void, E, R>,
  onStuck: Effect.Effect<void>
) {
  const fs = yield* FileSystem.FileSystem
  const move = Effect.fnUntraced(function* (each: InstallJournal.Move) {
    const { destination, inner, setAside, staged } = yield* locate(site, each)
    if (inner !== undefined && each.newParent) yield* fs.makeDirectory(inner, { recursive: true })
    if (each.before === "moved") yield* fs.rename(destination, setAside)
    if (each.puts) yield* fs.rename(staged, destination)
  })
  // Where there was nothing before, what a power cut tears is what the next install makes anyway.
  const isFresh = moves.every(({ before }) => before === "nothing")
  const durability = isFresh ? "unflushed" : "flushed"
  yield* InstallJournal.write(site.staging, moves, durability).pipe(
    // Nothing was moved yet, so there is nothing to make again.
    Effect.tapError(() => Effect.ignore(InstallJournal.remove(site.staging, durability)))
  )
  yield* Effect.forEach(moves, move, { discard: true }).pipe(
    Effect.andThen(isFresh ? Effect.void : sync(site, moves)),
    Effect.andThen(record),
    Effect.andThen(InstallJournal.remove(site.staging, durability)),
    Effect.tapError(() => rollBack(site, moves).pipe(Effect.catch(() => onStuck)))
  )
}, Effect.uninterruptible)
