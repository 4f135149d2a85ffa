/**
 * The sole right to change a project's `node_modules`, with everything in it that an earlier install
 * left half done brought to its end. Two installs of one project wait for each other from the moment
 * they read package.json, so that neither undoes what the other has asked for.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import { StorageFailed } from "../../protocol/swarm/Content.ts"
import * as FileLock from "../store/FileLock.ts"
import { isNotFound, problemOf } from "../store/PlatformProblem.ts"
import * as ForeignContent from "./ForeignContent.ts"
import { modulesOf, VIRTUAL } from "./InstalledState.ts"
import * as InstallJournal from "./InstallJournal.ts"
import * as Recovery from "./Recovery.ts"
import * as Staging from "./Staging.ts"
import { removeIfEmpty } from "./SyncFiles.ts"
import * as Transaction from "./Transaction.ts"
import * as Waste from "./Waste.ts"

/** Times that the directory is made anew because another install took it away, empty, while this one waited for it. */
const REMADE_MAX = 100

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
  // An install that failed leaves no sign of itself: the lock is let go by then, and whoever has taken it since stays.
  yield* Effect.addFinalizer(() => removeIfEmpty(modules))
  const lock = path.join(modules, Staging.LOCK)
  yield* fs.makeDirectory(modules, { recursive: true }).pipe(
    Effect.mapError(failed(modules, "write to")),
    Effect.andThen(
      Effect.mapError(FileLock.hold(lock), (error) => ({ error, failure: failed(lock, "take the lock")(error) }))
    ),
    Effect.retry({ times: REMADE_MAX, while: (problem) => "error" in problem && isNotFound(problem.error) }),
    Effect.mapError((problem) => ("failure" in problem ? problem.failure : problem))
  )
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

/**
 * Undoes what a killed install has left half done, so that who looks at the project sees one tree; an install that is
 * under way is left alone. Nothing is changed where there is nothing to undo.
 */
export const settle = Effect.fn("InstallSite.settle")(function* (project: string) {
  const modules = modulesOf(project)
  const look = Effect.flatMap(Staging.leftovers(modules), (all) => Effect.forEach(all, InstallJournal.read))
  const journals = yield* look.pipe(
    // It has come to its end meanwhile.
    Effect.catchIf(
      (error) => error._tag === "PlatformError" && isNotFound(error),
      () => Effect.succeed([])
    ),
    Effect.catchTag("PlatformError", (error) =>
      Effect.fail(new StorageFailed({ location: modules, operation: "look at", problem: problemOf(error) }))
    )
  )
  if (journals.some(Option.isSome)) yield* Effect.scoped(hold(project))
})
