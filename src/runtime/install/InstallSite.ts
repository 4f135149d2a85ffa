/**
 * The sole right to change a project's `node_modules`, with everything in it that an earlier install
 * left half done brought to its end. Two installs of one project wait for each other from the moment
 * they read package.json, so that neither undoes what the other has asked for.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import { StorageFailed } from "../../protocol/swarm/Content.ts"
import * as FileLock from "../store/FileLock.ts"
import { problemOf } from "../store/PlatformProblem.ts"
import * as ForeignContent from "./ForeignContent.ts"
import { modulesOf, VIRTUAL } from "./InstalledState.ts"
import * as Recovery from "./Recovery.ts"
import * as Staging from "./Staging.ts"
import * as Transaction from "./Transaction.ts"
import * as Waste from "./Waste.ts"

/** Removes the directory where nothing is in it: an install that failed leaves no sign of itself. */
const removeEmpty = Effect.fnUntraced(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  if ((yield* fs.readDirectory(directory)).length === 0) yield* fs.remove(directory, { recursive: true })
})

/** Until the scope closes. `project` is absolute, and made where it is missing. */
export const hold = Effect.fn("InstallSite.hold")(function* (project: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const modules = modulesOf(project)
  const failed = (location: string, operation: string) => (error: PlatformError) =>
    new StorageFailed({ location, operation, problem: problemOf(error) })
  yield* ForeignContent.refuseModules(modules).pipe(
    Effect.catchTag("PlatformError", (error) => Effect.fail(failed(modules, "look at")(error)))
  )
  yield* Effect.addFinalizer(() => Effect.ignore(removeEmpty(modules)))
  yield* Effect.mapError(fs.makeDirectory(modules, { recursive: true }), failed(modules, "write to"))
  const lock = path.join(modules, Staging.LOCK)
  yield* Effect.mapError(FileLock.hold(lock), failed(lock, "take the lock"))
  yield* Recovery.recover(modules).pipe(
    Effect.catchTag("PlatformError", (error) => Effect.fail(failed(modules, "undo an interrupted install in")(error)))
  )
  yield* Waste.remove(project)
  const isFirst =
    (yield* Transaction.kindOf(path.join(modules, VIRTUAL)).pipe(Effect.orElseSucceed(() => "File"))) === undefined
  // What this install makes and does not come to use goes with it.
  yield* Effect.addFinalizer((exit) =>
    Exit.isSuccess(exit) ? Effect.void : isFirst ? Waste.removeAll(project) : Waste.remove(project)
  )
})
