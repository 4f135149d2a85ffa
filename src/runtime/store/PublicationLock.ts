/**
 * One publication, or change to one, at a time in a home: two of one version at once would each find nothing of the other,
 * and both would go out. The lock is `<home>/publications.lock`.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Scope from "effect/Scope"
import { StorageFailed } from "../../protocol/swarm/Content.ts"
import * as FileLock from "./FileLock.ts"
import { Home } from "./Home.ts"
import { problemOf } from "./PlatformProblem.ts"
import * as PrivateDirectory from "./PrivateDirectory.ts"

/** Waits for others, and lets them go on when the work is done; what the work keeps open stays open. */
export const alone = Effect.fnUntraced(function* <A, E, R>(work: Effect.Effect<A, E, R>) {
  const { directory, publications } = yield* Home
  const fs = yield* FileSystem.FileSystem
  const lock = `${publications}.lock`
  const scope = yield* Scope.make()
  const held = PrivateDirectory.make(fs, directory).pipe(
    Effect.andThen(Scope.provide(FileLock.hold(lock), scope)),
    Effect.mapError(
      (error) => new StorageFailed({ location: lock, operation: "take the lock", problem: problemOf(error) })
    )
  )
  return yield* Effect.andThen(held, work).pipe(Effect.onExit((exit) => Scope.close(scope, exit)))
})
