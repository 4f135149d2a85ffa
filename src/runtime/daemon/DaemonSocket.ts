/**
 * A daemon's Unix socket: readable and writable by its owner alone, where {@link DaemonPlace} says.
 *
 * It is made in a directory of its own, closed to others, and then moved into its place: it is
 * never there half-made, and closing an old one cannot take away its successor's name.
 */
import { SecureRandom } from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Predicate from "effect/Predicate"
import * as Scope from "effect/Scope"
import * as Fs from "node:fs"
import * as Net from "node:net"
import * as Path from "node:path"
import { PRIVATE_DIRECTORY_MODE, PRIVATE_MODE } from "../store/AtomicFile.ts"
import * as FileLock from "../store/FileLock.ts"
import { problemOf } from "../store/PlatformProblem.ts"
import * as PrivateDirectoryNow from "../store/PrivateDirectoryNow.ts"
import { DaemonError, DaemonExposed, DaemonRunning, DaemonSocketFailed } from "./DaemonError.ts"
import * as DaemonPid from "./DaemonPid.ts"
import { ownId, type Place, problemOfDirectory } from "./DaemonPlace.ts"

/** Where a socket is made: with its name no longer than {@link SOCKET_NAME}, so that it fits wherever that does. */
const WORKSHOP = /^d[0-9a-f]{8}$/
const WORKSHOP_BYTES = 4
const UNFINISHED_NAME = "s"

/** Connections that wait for the daemon to take them up. */
const BACKLOG = 64

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

const failed = (location: string, error: unknown) =>
  new DaemonError({ reason: new DaemonSocketFailed({ location, problem: messageOf(error) }) })

const running = (fields: ConstructorParameters<typeof DaemonRunning>[0]) =>
  new DaemonError({ reason: new DaemonRunning(fields) })

const attempt = <A>(location: string, work: () => A) =>
  Effect.try({ try: work, catch: (error) => failed(location, error) })

const prepareDirectory = Effect.fnUntraced(function* ({ directory }: Place) {
  yield* attempt(directory, () => PrivateDirectoryNow.make(directory))
  const problem = problemOfDirectory(directory)
  if (problem !== undefined) {
    return yield* new DaemonError({ reason: new DaemonExposed({ location: directory, problem }) })
  }
})

/**
 * Connects, or fails: with the error's code where nobody listens. The connection is destroyed with the scope.
 * It is up to the caller how long that may take.
 */
export const connect = (path: string) =>
  Effect.acquireRelease(
    Effect.callback<Net.Socket, string>((resume) => {
      const socket = Net.connect({ path })
      const onError = (error: Error) =>
        resume(Effect.fail(Predicate.hasProperty(error, "code") ? String(error.code) : error.message))
      socket.once("error", onError)
      socket.once("connect", () => {
        socket.off("error", onError)
        // Whoever holds the connection is told of its end by `close`; an error without a listener would be thrown.
        socket.on("error", () => {})
        resume(Effect.succeed(socket))
      })
      return Effect.sync(() => socket.destroy())
    }),
    (socket) => Effect.sync(() => socket.destroy()),
    { interruptible: true }
  )

/** What `connect` fails with where nobody listens any more: such a socket is a leftover. */
const DEAD_CODES: ReadonlySet<string> = new Set(["ECONNREFUSED", "ENOENT", "ENOTSOCK"])

/** Whether somebody listens there, answering or not. */
export const isListening = (path: string): Effect.Effect<boolean> =>
  Effect.scoped(connect(path)).pipe(
    Effect.as(true),
    Effect.catch((code) => Effect.succeed(!DEAD_CODES.has(code)))
  )

/** Listens at `path`. The handle is closed with the scope. */
const listenAt = (path: string) =>
  Effect.acquireRelease(
    Effect.callback<Net.Server, DaemonError>((resume) => {
      // Nobody is served until somebody takes the connections over: who is early must not wait for good.
      const server = Net.createServer({ pauseOnConnect: true }, (socket) => socket.destroy())
      server.once("error", (error) => resume(Effect.fail(failed(path, error))))
      server.listen({ path, backlog: BACKLOG }, () => resume(Effect.succeed(server)))
    }),
    (server) =>
      Effect.callback<void>((resume) => {
        server.close(() => resume(Effect.void))
      })
  )

/** What a daemon left that was killed before its socket was in its place. Only under the lock. */
const removeWorkshops = (directory: string) =>
  attempt(directory, () => {
    for (const name of Fs.readdirSync(directory)) {
      if (WORKSHOP.test(name)) Fs.rmSync(Path.join(directory, name), { recursive: true, force: true })
    }
  })

/** Takes the name away again, where it is still that of the socket which we put there. */
const removeOwn = (path: string, inode: bigint) => {
  const info = Fs.lstatSync(path, { bigint: true, throwIfNoEntry: false })
  if (info?.ino === inode) Fs.rmSync(path, { force: true })
}

/**
 * Listens on the socket of a home until the scope closes; the file goes with it. `holderAt` asks whoever listens
 * there who it is. A leftover is replaced; a living daemon never, it is `DaemonRunning`.
 */
export const listen = Effect.fn("DaemonSocket.listen")(function* (
  place: Place,
  holderAt: (path: string) => Effect.Effect<{ readonly pid: number; readonly command: string } | undefined>
) {
  const { directory, path } = place
  if (ownId() === undefined) return yield* failed(path, "this system has no Unix sockets")
  yield* prepareDirectory(place)
  const random = yield* SecureRandom
  const workshop = Path.join(directory, `d${Hex.encode(yield* random.randomBytes(WORKSHOP_BYTES))}`)
  const unfinished = Path.join(workshop, UNFINISHED_NAME)
  const open = Effect.gen(function* () {
    // The mode of a socket follows the umask, which belongs to the whole process: until it is set, the directory guards it.
    yield* attempt(workshop, () => Fs.mkdirSync(workshop, { mode: PRIVATE_DIRECTORY_MODE }))
    const server = yield* listenAt(unfinished)
    yield* Effect.acquireRelease(
      attempt(path, () => {
        Fs.chmodSync(unfinished, PRIVATE_MODE)
        const { ino } = Fs.lstatSync(unfinished, { bigint: true })
        Fs.renameSync(unfinished, path)
        return ino
      }),
      (inode) => Effect.ignore(attempt(path, () => removeOwn(path, inode)))
    )
    yield* DaemonPid.keep(path)
    return server
  }).pipe(
    Effect.ensuring(Effect.ignore(attempt(workshop, () => Fs.rmSync(workshop, { recursive: true, force: true }))))
  )
  const taken = Effect.gen(function* () {
    const outcome = yield* Effect.result(Effect.scoped(connect(path)))
    if (outcome._tag === "Success") {
      const holder = yield* holderAt(path)
      if (holder !== undefined) return yield* running({ location: path, pid: holder.pid, command: holder.command })
      const pid = yield* DaemonPid.find(path)
      return yield* running({ location: path, ...(pid === undefined ? {} : { pid }) })
    }
    if (!DEAD_CODES.has(outcome.failure)) return yield* failed(path, outcome.failure)
    yield* removeWorkshops(directory)
    return yield* open
  })
  // The lock is for two that start at once: of both, one would take away the other's fresh socket.
  const locked = yield* Scope.make()
  return yield* Scope.provide(FileLock.hold(`${path}.lock`), locked).pipe(
    Effect.mapError((error) => failed(path, problemOf(error))),
    Effect.andThen(taken),
    Effect.onExit((exit) => Scope.close(locked, exit))
  )
})
