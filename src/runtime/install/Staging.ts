/**
 * Staging directories of installs: inside `node_modules`, since moving is one step only within a file
 * system. The name says whose they are, because a name is there whole from the first moment:
 * `.libreseed-install-<process id>-<its start>-<random>`. Anything named otherwise is not ours.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as ProcessLife from "../store/ProcessLife.ts"

const PREFIX = ".libreseed-install-"
const NAME = /^\.libreseed-install-([1-9]\d{0,9})-(\d{1,20})-[A-Za-z0-9]{6}$/
/** Held by the one install that may change this `node_modules`. */
export const LOCK = ".libreseed-install.lock"
/** Stands in a name where the system does not say when a process started. */
const UNKNOWN_START = "0"

/** An earlier install of this process is over, since who asks holds the lock. */
const isForeignAndAlive = (pid: number, started: string): boolean =>
  pid !== process.pid && ProcessLife.isAlive(pid, started === UNKNOWN_START ? "" : started)

/** Makes an empty staging directory of this process. */
export const make = Effect.fnUntraced(function* (modules: string) {
  const fs = yield* FileSystem.FileSystem
  const prefix = `${PREFIX}${process.pid}-${(yield* ProcessLife.OwnStart) || UNKNOWN_START}-`
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
    if (!isForeignAndAlive(Number(pid), started)) found.push(location)
  }
  return found
})
