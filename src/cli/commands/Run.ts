/**
 * `ls-cli run [program] [args…]`: a Node.js program that imports what its project has locked, without
 * node_modules. Loads little where nothing is missing, since the program waits for it.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Fs from "node:fs"
import * as NodePath from "node:path"
import { StorageFailed } from "../../protocol/swarm/Content.ts"
import * as Launch from "../../runtime/modules/Launch.ts"
import * as LockedModules from "../../runtime/modules/LockedModules.ts"
import * as Lookup from "../../runtime/modules/Lookup.ts"
import * as MissingReleases from "../../runtime/modules/MissingReleases.ts"
import { Output } from "../Output.ts"
import { Session } from "../Session.ts"
import { InvalidArgument } from "../Settings.ts"
import type * as Download from "./Download.ts"

export interface Options extends Download.Options {
  /** Of the project; not given, it is found from the program or from the working directory upwards. */
  readonly dir: Option.Option<string>
  readonly frozen: boolean
}

/** What Node finds for a path that leaves its extension out. */
const EXTENSIONS = ["", ".js", ".mjs", ".cjs", ".ts", ".mts", ".cts"]

const heavy = Effect.promise(() => import("./FetchLocked.ts"))

/** The file that was named, if it is one; a directory is Node's to look into. */
const fileOf = (program: string): string | undefined => {
  const path = NodePath.resolve(program)
  return EXTENSIONS.map((extension) => path + extension).find((each) => Fs.existsSync(each))
}

/** Where the lock file is searched from: the program; for a command of a package where we stand. */
const findLock = (file: string | undefined): string | undefined =>
  (file === undefined ? undefined : LockedModules.find(NodePath.dirname(Fs.realpathSync(file)))) ??
  LockedModules.find(process.cwd())

const requireLock = Effect.fnUntraced(function* (file: string | undefined, dir: Option.Option<string>) {
  const location = Option.isSome(dir)
    ? NodePath.join(NodePath.resolve(dir.value), LockedModules.FILE_NAME)
    : findLock(file)
  if (location !== undefined && Fs.existsSync(location)) return location
  return yield* new InvalidArgument({
    argument: Option.getOrElse(dir, () => process.cwd()),
    problem: `has no ${LockedModules.FILE_NAME}${Option.isSome(dir) ? "" : ", nor has any directory above it"}`,
    hint: "Make one with: ls-cli lock; or give the project with --dir."
  })
})

const failed = (location: string) => (cause: unknown) =>
  new StorageFailed({ location, operation: "read", problem: cause instanceof Error ? cause.message : String(cause) })

const read = (location: string) =>
  Effect.try({ try: () => LockedModules.read(location), catch: failed(location) }).pipe(
    // What is wrong with it is said by the decoder that knows all of it.
    Effect.tapError(() => Effect.flatMap(heavy, ({ requireValid }) => requireValid(location)))
  )

/** Everything that is locked for this machine is in the store then. */
const ensure = Effect.fnUntraced(function* (location: string, { frozen, retryRefused }: Options) {
  const { home } = yield* Session
  const locked = yield* read(location)
  if (frozen) yield* Effect.flatMap(heavy, ({ requireCurrent }) => requireCurrent(location))
  const look = Effect.try({ try: () => MissingReleases.missing(home, locked), catch: failed(home) })
  const absent = yield* look
  const none: ReadonlyArray<string> = []
  if (absent.length === 0) return { made: none, left: new Map<string, string>(), count: locked.instances.size }
  const ensured = yield* Effect.flatMap(heavy, ({ fetch }) => fetch(location, absent, { retryRefused }))
  // Further places of releases that were made anew are made anew with them.
  yield* look
  return { ...ensured, count: locked.instances.size }
})

/** Without a program: sees to it that everything is there, and says so. */
const prepare = Effect.fnUntraced(function* (options: Options) {
  const location = yield* requireLock(undefined, options.dir)
  const { count, left, made } = yield* ensure(location, options)
  const output = yield* Output
  const leftOut = [...left].map(([id, reason]) => ({ id, reason }))
  yield* Effect.forEach(leftOut, ({ id, reason }) => output.note(`Note: without ${id}: ${reason}`), { discard: true })
  yield* output.result({ dir: NodePath.dirname(location), packages: count, made, left: leftOut }, [
    ...made.map((id) => `  + ${id}`),
    `Everything that ${location} has locked for this machine is in the store (${count === 1 ? "1 package" : `${count} packages`})`
  ])
})

const start = Effect.fnUntraced(function* (program: string, args: ReadonlyArray<string>, options: Options) {
  const { home } = yield* Session
  const named = fileOf(program)
  const lock = yield* requireLock(named, options.dir)
  yield* ensure(lock, options)
  const file =
    named ?? (yield* Effect.try({ try: () => Lookup.open({ home, lock }).command(program), catch: failed(lock) }))
  if (file === undefined) {
    return yield* new InvalidArgument({
      argument: program,
      problem: "is neither a file nor a command of a package that the project depends on",
      hint: "Give a file, like: ls-cli run app.js; or a command, like: ls-cli run vite build"
    })
  }
  return yield* Launch.launch({ file, args, lock, home })
})

export const run = (program: Option.Option<string>, args: ReadonlyArray<string>, options: Options) =>
  Option.isNone(program) ? prepare(options) : start(program.value, args, options)
