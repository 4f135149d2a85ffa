/**
 * Which process serves a socket, in a file beside it: `<socket>.pid`. Whoever serves says it over the
 * socket as well; the file is for the one that hangs, or takes no more connections, and has to be ended.
 * It decides nothing: a process that is gone, or that only has the number of one, is not believed in.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as AtomicFile from "../store/AtomicFile.ts"
import * as ProcessLife from "../store/ProcessLife.ts"

const Mark = Schema.Struct({
  pid: Schema.Int.check(Schema.isGreaterThan(0)),
  /** When the process started, in the system's own units; empty where the system does not say. */
  started: Schema.String
})
const MarkJson = Schema.fromJsonString(Mark)
const decode = Schema.decodeUnknownOption(MarkJson)
const encode = Schema.encodeSync(MarkJson)

const pathOf = (socket: string): string => `${socket}.pid`

const read = Effect.fnUntraced(function* (socket: string) {
  const fs = yield* FileSystem.FileSystem
  return Option.getOrUndefined(yield* Effect.option(fs.readFileString(pathOf(socket))))
})

/** Says until the scope closes that this process serves the socket. Serving does not depend on it: nothing fails. */
export const keep = Effect.fnUntraced(function* (socket: string) {
  const fs = yield* FileSystem.FileSystem
  const mine = encode({ pid: process.pid, started: yield* ProcessLife.OwnStart })
  const remove = Effect.flatMap(read(socket), (found) =>
    found === mine ? Effect.ignore(fs.remove(pathOf(socket), { force: true })) : Effect.void
  )
  yield* Effect.acquireRelease(
    Effect.ignore(AtomicFile.replace(pathOf(socket), new TextEncoder().encode(mine))),
    () => remove
  )
})

/** The living process that said it serves the socket, if one did. */
export const find = Effect.fnUntraced(function* (socket: string) {
  const mark = decode(yield* read(socket))
  if (Option.isNone(mark)) return undefined
  const { pid, started } = mark.value
  return ProcessLife.isAlive(pid, started) ? pid : undefined
})
