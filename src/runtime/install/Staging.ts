/**
 * Staging directories of installs: inside `node_modules`, since moving is one step only within a file
 * system. The name says whose they are, because a name is there whole from the first moment:
 * `.libreseed-install-<process id>-<its start>-<random>`. Anything named otherwise is not ours.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Predicate from "effect/Predicate"

const PREFIX = ".libreseed-install-"
const NAME = /^\.libreseed-install-([1-9]\d{0,9})-(\d{1,20})-[A-Za-z0-9]{6}$/
/** Held by the one install that may change this `node_modules`. */
export const LOCK = ".libreseed-install.lock"
/** Start of a process in the 20th field behind the name in brackets, in clock ticks since boot; see proc_pid_stat(5). */
const STAT_STARTED = 19
/** Where the system does not say when a process started. */
const UNKNOWN_START = "0"

const startOf = Effect.fnUntraced(function* (pid: number) {
  const fs = yield* FileSystem.FileSystem
  const stat = yield* Effect.option(fs.readFileString(`/proc/${pid}/stat`))
  if (Option.isNone(stat)) return UNKNOWN_START
  const fields = stat.value.slice(stat.value.lastIndexOf(")") + 2).split(" ")
  return fields[STAT_STARTED] ?? UNKNOWN_START
})

const exists = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // EPERM is about a process of somebody else; no other answer is about one that is there.
    return Predicate.hasProperty(error, "code") && error.code === "EPERM"
  }
}

/** Process numbers are given out again, in a container after every start: the start has to match as well. */
const isForeignAndAlive = Effect.fnUntraced(function* (pid: number, started: string) {
  // An earlier install of this process: who asks holds the lock, so it is over.
  if (pid === process.pid || !exists(pid)) return false
  const now = yield* startOf(pid)
  return started === UNKNOWN_START || now === UNKNOWN_START || now === started
})

/** Makes an empty staging directory of this process. */
export const make = Effect.fnUntraced(function* (modules: string) {
  const fs = yield* FileSystem.FileSystem
  const prefix = `${PREFIX}${process.pid}-${yield* startOf(process.pid)}-`
  return yield* fs.makeTempDirectory({ directory: modules, prefix })
})

/** Staging directories whose install is over without having cleaned up. To be asked while holding {@link LOCK}. */
export const leftovers = Effect.fnUntraced(function* (modules: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const found: Array<string> = []
  for (const name of (yield* fs.readDirectory(modules)).toSorted()) {
    const [, pid, started] = NAME.exec(name) ?? []
    if (pid === undefined || started === undefined) continue
    const location = path.join(modules, name)
    if ((yield* fs.lstat(location)).type !== "Directory") continue
    if (!(yield* isForeignAndAlive(Number(pid), started))) found.push(location)
  }
  return found
})
