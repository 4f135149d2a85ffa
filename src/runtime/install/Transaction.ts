/**
 * Moves unpacked packages into `node_modules`, all or none. Every step is one rename whose effect can be
 * seen afterwards, so that the same undoing serves a failed step, a killed process, and an undoing that
 * was itself killed: it looks at what is where, and does what is left to do.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as AtomicFile from "../store/AtomicFile.ts"
import { isNotFound } from "../store/PlatformProblem.ts"
import * as InstallJournal from "./InstallJournal.ts"

/** Where a transaction takes place. */
export interface Site {
  /** Absolute path of the project's `node_modules`. */
  readonly modules: string
  /** Absolute path of the staging directory in it. */
  readonly staging: string
}

/** What is at a path, links not followed; `undefined` where nothing is. */
const kindOf = Effect.fnUntraced(function* (location: string) {
  const fs = yield* FileSystem.FileSystem
  return yield* fs.lstat(location).pipe(
    Effect.map(({ type }) => type),
    Effect.catchIf(isNotFound, () => Effect.undefined)
  )
})

const isThere = (location: string) => Effect.map(kindOf(location), (kind) => kind !== undefined)

const locate = Effect.fnUntraced(function* ({ modules, staging }: Site, move: InstallJournal.Move) {
  const { dirname, join } = yield* Path.Path
  const destination = join(modules, move.destination)
  const parent = dirname(destination)
  return {
    destination,
    unpacked: join(staging, move.unpacked),
    setAside: join(staging, move.setAside),
    parent,
    scope: parent === modules ? undefined : parent
  }
})

/** The first scope that is a link or a file: what is below it would not be below `node_modules`. */
export const foreignScope = Effect.fnUntraced(function* (modules: string, names: ReadonlyArray<string>) {
  const { dirname, join } = yield* Path.Path
  const scopes = new Set(names.map((name) => dirname(join(modules, name))).filter((parent) => parent !== modules))
  for (const scope of scopes) {
    const kind = yield* kindOf(scope)
    if (kind !== undefined && kind !== "Directory") return scope
  }
  return undefined
})

/** Completes what a journal needs to say about a package, by looking at its place. */
export const plan = Effect.fnUntraced(function* (
  site: Site,
  move: Pick<InstallJournal.Move, "destination" | "unpacked" | "setAside">
) {
  const { destination, scope } = yield* locate(site, { ...move, existed: false, newScope: false })
  const existed = yield* isThere(destination)
  const newScope = scope !== undefined && !(yield* isThere(scope))
  return { ...move, existed, newScope } satisfies InstallJournal.Move
})

const removeEmpty = Effect.fnUntraced(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  const entries = yield* fs.readDirectory(directory).pipe(Effect.catchIf(isNotFound, () => Effect.undefined))
  if (entries?.length === 0) yield* fs.remove(directory, { recursive: true, force: true })
})

const undo = Effect.fnUntraced(function* (site: Site, move: InstallJournal.Move) {
  const fs = yield* FileSystem.FileSystem
  const { destination, parent, scope, setAside, unpacked } = yield* locate(site, move)
  const hasOld = yield* isThere(setAside)
  const movedIn = !(yield* isThere(unpacked)) && (hasOld || !move.existed)
  if (movedIn && (yield* isThere(destination))) yield* fs.rename(destination, unpacked)
  // What is there now although both of ours are here was put there by somebody else since: theirs is newer.
  if (hasOld && !(yield* isThere(destination))) {
    yield* fs.makeDirectory(parent, { recursive: true })
    yield* fs.rename(setAside, destination)
  }
  if (move.newScope && scope !== undefined) yield* removeEmpty(scope)
})

const sync = Effect.fnUntraced(function* (site: Site, moves: ReadonlyArray<InstallJournal.Move>) {
  const located = yield* Effect.forEach(moves, (move) => locate(site, move))
  const changed = new Set([site.modules, ...located.map(({ parent }) => parent), site.staging])
  yield* Effect.forEach(changed, AtomicFile.syncDirectory, { discard: true })
})

/** Makes the tree as it was before the moves, however many of them were done, and then takes the journal away. */
export const rollBack = Effect.fnUntraced(function* (site: Site, moves: ReadonlyArray<InstallJournal.Move>) {
  yield* Effect.forEach(moves.toReversed(), (move) => undo(site, move), { discard: true })
  yield* sync(site, moves)
  yield* InstallJournal.remove(site.staging)
}, Effect.uninterruptible)

/**
 * Moves everything into place. Where a step fails the old tree is made again and the failure passed on;
 * `onStuck` is told when that fails too: then the journal and what was there before have to stay.
 */
export const commit = Effect.fnUntraced(function* (
  site: Site,
  moves: ReadonlyArray<InstallJournal.Move>,
  onStuck: Effect.Effect<void>
) {
  const fs = yield* FileSystem.FileSystem
  const moveIn = Effect.fnUntraced(function* (move: InstallJournal.Move) {
    const { destination, parent, setAside, unpacked } = yield* locate(site, move)
    yield* fs.makeDirectory(parent, { recursive: true })
    if (move.existed) yield* fs.rename(destination, setAside)
    yield* fs.rename(unpacked, destination)
  })
  yield* InstallJournal.write(site.staging, moves).pipe(
    Effect.andThen(Effect.forEach(moves, moveIn, { discard: true })),
    Effect.andThen(sync(site, moves)),
    Effect.andThen(InstallJournal.remove(site.staging)),
    Effect.tapError(() => rollBack(site, moves).pipe(Effect.catch(() => onStuck)))
  )
}, Effect.uninterruptible)
