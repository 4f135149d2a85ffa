/**
 * Of several processes of one home that could keep its items alive, such as a daemon and a `seed` beside it, one does:
 * each would put what the other has just put, and measure of the other's puts how long its own last. Whose turn it is
 * says `<home>/keep-alive.lock`; the others stand by.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Scope from "effect/Scope"
import * as FileLock from "./FileLock.ts"
import { Home } from "./Home.ts"
import { problemOf } from "./PlatformProblem.ts"
import * as PrivateDirectory from "./PrivateDirectory.ts"

/** How long one look waits: a process that is just ending lets the lock go within that, and one that was killed is found to be gone. */
const PATIENCE = Duration.seconds(1)

/** How often who stands by looks whether it is his turn: nothing is due so soon that more would help. */
const LOOK_EVERY = Duration.seconds(2)

const LOCK = "keep-alive.lock"

/** In a scope of its own: a lock that was taken while the time ran out is let go again. */
const tryHold = Effect.fnUntraced(function* (lock: string) {
  const scope = yield* Scope.fork(yield* Effect.scope)
  const held = yield* Effect.timeoutOption(Scope.provide(FileLock.hold(lock), scope), PATIENCE)
  if (Option.isNone(held)) yield* Scope.close(scope, Exit.void)
  return Option.isSome(held)
})

/**
 * Waits for this process's turn, which lasts until the scope closes; `onStandBy` is done once where it has to wait.
 * Where the lock cannot be used it says so in the log, and waits for nobody.
 */
export const take = Effect.fnUntraced(function* <R>(onStandBy: Effect.Effect<void, never, R>) {
  const { directory } = yield* Home
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const lock = path.join(directory, LOCK)
  yield* Effect.gen(function* () {
    yield* PrivateDirectory.make(fs, directory)
    if (yield* tryHold(lock)) return
    yield* onStandBy
    do yield* Effect.sleep(LOOK_EVERY)
    while (!(yield* tryHold(lock)))
  }).pipe(
    Effect.catch((error) =>
      Effect.logWarning(`Another process may keep the same items alive: ${lock} cannot be used: ${problemOf(error)}`)
    )
  )
})
