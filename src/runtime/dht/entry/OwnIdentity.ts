/**
 * A node's id from last time. Two nodes under one id would be in each other's way, so of the processes of one home
 * the first to come has it; others take an id of chance.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as FileLock from "../../store/FileLock.ts"
import { Home } from "../../store/Home.ts"
import type { Identity } from "./RememberedNodes.ts"
import * as PrivateDirectory from "../../store/PrivateDirectory.ts"

/** How long a lock is waited for: a process that ends lets it go within that, and one that stays keeps it for hours. */
const PATIENCE = "100 millis"

const LOCK = "nodes.lock"

/** The 20 bytes of its id. */
export const idOf = ({ id }: Identity): Uint8Array => new Uint8Array(Buffer.from(id, "hex"))

/** Whether this process alone may use, and change, what is remembered as the node's own. Held until the scope closes. */
export const hold = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const { directory } = yield* Home
  yield* PrivateDirectory.make(fs, directory)
  return Option.isSome(yield* Effect.timeoutOption(FileLock.hold(path.join(directory, LOCK)), PATIENCE))
}).pipe(Effect.orElseSucceed(() => false))
