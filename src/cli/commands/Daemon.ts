/** `ls-cli daemon`: a warm DHT node that the other commands of its user share, and what is asked of one that runs. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import { Dht } from "../../protocol/dht/Dht.ts"
import * as DaemonCalls from "../../runtime/daemon/DaemonCalls.ts"
import {
  DaemonError,
  DaemonNotRunning,
  DaemonNotStoppable,
  DaemonRunning,
  DaemonSilent
} from "../../runtime/daemon/DaemonError.ts"
import * as DaemonPid from "../../runtime/daemon/DaemonPid.ts"
import * as DaemonPlace from "../../runtime/daemon/DaemonPlace.ts"
import * as DaemonSocket from "../../runtime/daemon/DaemonSocket.ts"
import * as DhtRpc from "../../runtime/daemon/DhtRpc.ts"
import { Entry } from "../../runtime/dht/entry/Entry.ts"
import { Output } from "../Output.ts"
import { Session } from "../Session.ts"
import * as KeepAlive from "./KeepAlive.ts"
import * as Network from "./Network.ts"
import * as Serving from "./Serving.ts"

/** How often it is looked whether a daemon that was told to stop is gone. */
const GONE_POLL = Schedule.spaced("50 millis")

const nodesText = (count: number): string => (count === 1 ? "1 node" : `${count} nodes`)

const fail = (reason: DaemonError["reason"]) => new DaemonError({ reason })

/** Time for a daemon to answer who wants to know nothing but whether it is there, in ms. */
const PATIENCE_MS = 5_000

/** The daemon of this home, for the length of the scope. */
const running = Effect.fnUntraced(function* (limitMs: number) {
  const { home } = yield* Session
  const place = DaemonPlace.placeOf(home)
  const daemon = DaemonPlace.isOurs(place) ? yield* DaemonCalls.open(place.path, limitMs) : Option.none()
  return Option.map(daemon, (daemon) => ({ ...daemon, path: place.path }))
})

/** How the daemon of this home does, if there is one: one that does not answer is an answer too. */
export const inspect = Effect.gen(function* () {
  const session = yield* Session
  const daemon = yield* running(PATIENCE_MS)
  if (Option.isNone(daemon)) return yield* Effect.as(failWhereSilent, undefined)
  const { calls, hello } = daemon.value
  const isSameNetwork = DhtRpc.isSameNetwork(hello.network, DhtRpc.networkOf(session))
  // It may speak another version, or end just now.
  const status = yield* Effect.option(Effect.catchCause(calls.status(), () => unanswered))
  return Option.getOrUndefined(Option.map(status, ({ mode, role, upMs }) => ({ mode, role, upMs, isSameNetwork })))
}).pipe(
  Effect.scoped,
  Effect.catchReason("DaemonError", "DaemonSilent", ({ hint, message }) =>
    Effect.succeed({ problem: message, advice: hint })
  )
)

const failWhereSilent = Effect.gen(function* () {
  const { home } = yield* Session
  const place = DaemonPlace.placeOf(home)
  if (!DaemonPlace.isOurs(place) || !(yield* DaemonSocket.isListening(place.path))) return
  const pid = yield* DaemonPid.find(place.path)
  return yield* fail(new DaemonSilent({ location: place.path, ...(pid === undefined ? {} : { pid }) }))
})

/** What is to be said where no answer comes. */
const unanswered = Effect.andThen(
  failWhereSilent,
  Effect.flatMap(Session, ({ home }) => fail(new DaemonNotRunning({ home })))
)

const required = Effect.gen(function* () {
  const daemon = yield* running(PATIENCE_MS)
  return Option.isSome(daemon) ? daemon.value : yield* unanswered
})

export interface Flags {
  readonly watch: boolean
  readonly metrics: Option.Option<string>
}

export const run = Effect.fnUntraced(function* (flags: Flags) {
  const output = yield* Output
  const session = yield* Session
  yield* session.writable
  const page = yield* Serving.pageAt(flags.metrics)
  // The socket decides, further down; but whoever starts a second one is told before anything is opened.
  const other = yield* Effect.scoped(running(DaemonCalls.PROBE_MAX_MS))
  if (Option.isSome(other)) {
    const { hello, path } = other.value
    return yield* fail(new DaemonRunning({ location: path, pid: hello.pid, command: hello.command }))
  }
  const stopped = yield* Deferred.make<void>()
  const serve = Effect.gen(function* () {
    const metrics = yield* Serving.serveMetrics(page)
    const { place } = yield* Serving.serve("daemon", metrics.text, Effect.asVoid(Deferred.succeed(stopped, undefined)))
    const entered = yield* Effect.result(output.task("Entering the DHT", () => session.limited(Serving.warmUp)))
    const nodes = yield* (yield* Dht).nodeCount
    const { bound } = yield* (yield* Entry).report
    const { bootstrap, isPublic } = session
    const network = { isPublic, bootstrap }
    yield* output.result(
      {
        pid: process.pid,
        socket: place.path,
        address: bound ?? null,
        network: isPublic ? "public" : bootstrap,
        nodes,
        ...(metrics.url === undefined ? {} : { metrics: metrics.url })
      },
      [
        nodes === 0
          ? `The daemon is up (process ${process.pid}), but its node knows nobody yet.`
          : `The daemon is up (process ${process.pid}); commands of this home now use its node${isPublic ? "" : `, if they name its network: --bootstrap ${bootstrap.join(",")}`}.`,
        `  network  ${DhtRpc.networkText(network)}, ${nodesText(nodes)} known`,
        `  UDP      ${bound ?? "no socket"}`,
        `  socket   ${place.path}`,
        ...(metrics.url === undefined ? [] : [`  metrics  ${metrics.url}`])
      ]
    )
    if (entered._tag === "Failure") yield* output.note(Serving.goesOn(entered.failure))
    yield* output.note("Press Ctrl-C to stop, or run: ls-cli daemon stop")
    yield* Effect.forkScoped(Serving.serveTopics)
    return yield* Effect.raceFirst(KeepAlive.run(flags.watch), Deferred.await(stopped))
  })
  return yield* serve.pipe(Effect.scoped, Network.provideStayingRecords)
})

const duration = (ms: number): string => {
  const minutes = Math.floor(ms / 60_000)
  if (minutes < 1) return `${Math.floor(ms / 1000)} s`
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

export const status = Effect.gen(function* () {
  const output = yield* Output
  const { calls, hello, path } = yield* required
  const { address, connections, dropped, mode, questions, role, upMs } = yield* Effect.catchCause(
    calls.status(),
    () => unanswered
  )
  const { command, network, nodes, pid, version } = hello
  yield* output.result(
    {
      pid,
      command,
      version,
      socket: path,
      network: network.isPublic ? "public" : network.bootstrap,
      nodes,
      mode,
      role,
      address: address ?? null,
      upMs,
      connections,
      dropped,
      questions
    },
    [
      `ls-cli ${command} ${version} serves this home (process ${pid}, up ${duration(upMs)})`,
      `  network  ${DhtRpc.networkText(network)}, ${nodesText(nodes)} known`,
      `  UDP      ${address ?? "no socket"}, ${mode === "adaptive" ? `${mode} (${role})` : mode}`,
      `  socket   ${path}, ${questions} questions so far`
    ]
  )
}).pipe(Effect.scoped)

export const metrics = Effect.gen(function* () {
  const output = yield* Output
  const { calls } = yield* required
  const text = yield* Effect.catchCause(calls.metrics(), () => unanswered)
  yield* output.result({ metrics: text }, text.trimEnd().split("\n"))
}).pipe(Effect.scoped)

/** Waits until nobody listens any more. */
const gone = (path: string) =>
  Effect.repeat(DaemonSocket.isListening(path), { schedule: GONE_POLL, while: (isListening) => isListening })

export const stop = Effect.gen(function* () {
  const output = yield* Output
  const session = yield* Session
  const { calls, hello, path } = yield* required
  const { command, pid } = hello
  // It may be gone before its answer is out.
  const agreed = yield* calls.stop().pipe(Effect.catchCause(() => Effect.succeed(true)))
  if (!agreed) return yield* fail(new DaemonNotStoppable({ pid, command }))
  yield* session.limited(gone(path))
  yield* output.result({ pid, stopped: true }, [`The daemon (process ${pid}) has stopped.`])
}).pipe(Effect.scoped)
