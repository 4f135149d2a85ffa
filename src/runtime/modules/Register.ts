/**
 * `@libreseed/protocol/register`: lets a Node.js program import the packages of its lock file straight
 * from the store. Preloaded with `--import`, or with `--require`, which reaches threads that run a text
 * too; `ls-cli run` does that. Threads and processes that the program starts are preloaded in turn.
 *
 * A program waits for this: no Effect, and no file is read before the first import of a package.
 */
import * as Os from "node:os"
import * as Path from "node:path"
import * as Hooks from "./Hooks.ts"
import * as LockedModules from "./LockedModules.ts"
import * as Lookup from "./Lookup.ts"
import * as Preload from "./Preload.ts"

/** What is loaded twice, by hand and by NODE_OPTIONS, does its work once in a thread. */
const DONE = Symbol.for("@libreseed/protocol/register")

/** Above the program, or above the working directory where it is a text. */
const findLock = (): string | undefined => {
  const given = process.env[Preload.LOCK_VARIABLE]
  if (given !== undefined && given !== "") return Path.resolve(given)
  const [, program] = process.argv
  return LockedModules.find(program === undefined ? process.cwd() : Path.dirname(program))
}

if (!Object.hasOwn(globalThis, DONE)) {
  Object.defineProperty(globalThis, DONE, { value: true })
  process.env["NODE_OPTIONS"] = Preload.withPreload(process.env["NODE_OPTIONS"], import.meta.filename)
  const lock = findLock()
  if (lock !== undefined) {
    process.env[Preload.LOCK_VARIABLE] = lock
    Hooks.install(() => Lookup.open({ lock, home: Preload.homeOf(process.env, Os.homedir) }))
  }
}
