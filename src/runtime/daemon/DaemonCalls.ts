/**
 * The client's end of Effect RPC over a daemon's socket. A connection is tried once and never
 * again: when it ends, breaks the rules or falls silent, everything that waits on it ends with it.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type { RpcClientError } from "effect/rpc/RpcClientError"
import type { FromServerEncoded } from "effect/rpc/RpcMessage"
import * as RpcClient from "effect/rpc/RpcClient"
import * as Scope from "effect/Scope"
import type * as Net from "node:net"
import * as DaemonFrame from "./DaemonFrame.ts"
import * as DaemonSocket from "./DaemonSocket.ts"
import * as DhtRpc from "./DhtRpc.ts"

/**
 * Time for a daemon to take the connection and say who it is, in ms. It answers in one or two; on a busy machine it
 * may take longer, and a node of one's own takes longer still to find its first nodes.
 */
export const PROBE_MAX_MS = 300

/** How often a daemon that owes an answer is asked whether it is still there, and how long it may say nothing at all, in ms. */
const PING_MS = 1_000
export const SILENCE_MAX_MS = 5_000

export type Calls = RpcClient.FromGroup<typeof DhtRpc.DhtRpc, RpcClientError>

/** What ends every call that waits: it is no word of the network. */
const GONE = "the daemon is gone"

const protocolOf = (socket: Net.Socket) =>
  RpcClient.Protocol.make(
    Effect.fnUntraced(function* (respond, clients) {
      const clock = yield* Clock.Clock
      const runFork = Effect.runForkWith(yield* Effect.context())
      const frames = DaemonFrame.answers()
      const owed = new Set<string | number>()
      let heardAt = clock.currentTimeMillisUnsafe()

      const deliver = (message: FromServerEncoded) => {
        for (const client of clients) runFork(respond(client, message))
      }
      const end = () => {
        socket.destroy()
        owed.clear()
        deliver({ _tag: "Defect", defect: GONE })
      }
      socket.on("data", (bytes) => {
        const read = typeof bytes === "string" ? Option.none() : frames.read(bytes)
        if (Option.isNone(read)) return end()
        heardAt = clock.currentTimeMillisUnsafe()
        for (const message of read.value) {
          if (message._tag === "Exit") owed.delete(message.requestId)
          if (message._tag !== "Pong") deliver(message)
        }
      })
      socket.once("close", end)

      yield* Effect.sync(() => {
        const now = clock.currentTimeMillisUnsafe()
        if (owed.size === 0) heardAt = now
        else if (now - heardAt >= SILENCE_MAX_MS) end()
        else socket.write(DaemonFrame.write({ _tag: "Ping" }))
      }).pipe(Effect.delay(PING_MS), Effect.forever, Effect.forkScoped)

      return {
        send: (_client, message) =>
          Effect.suspend(() => {
            if (socket.destroyed) return Effect.die(GONE)
            if (message._tag === "Request") {
              if (owed.size === 0) heardAt = clock.currentTimeMillisUnsafe()
              owed.add(message.id)
            }
            if (message._tag === "Interrupt") owed.delete(message.requestId)
            socket.write(DaemonFrame.write(message))
            return Effect.void
          }),
        supportsAck: false,
        supportsTransferables: false,
        codecFor: DaemonFrame.codecFor
      }
    })
  )

export interface Daemon {
  readonly calls: Calls
  readonly hello: DhtRpc.Hello
}

const greet = Effect.fnUntraced(function* (path: string) {
  const socket = yield* DaemonSocket.connect(path)
  const protocol = yield* protocolOf(socket)
  const calls = yield* RpcClient.make(DhtRpc.DhtRpc, { disableTracing: true }).pipe(
    Effect.provide(Context.make(RpcClient.Protocol, protocol))
  )
  const hello = yield* calls.hello({ protocol: DhtRpc.PROTOCOL_VERSION })
  return { calls, hello } satisfies Daemon
})

/** Whoever serves the socket, for the length of the scope; `None` where nobody says in time who it is. */
export const open = Effect.fnUntraced(function* (path: string, limitMs: number = PROBE_MAX_MS) {
  const scope = yield* Scope.fork(yield* Effect.scope)
  return yield* greet(path).pipe(
    Scope.provide(scope),
    Effect.timeout(limitMs),
    Effect.asSome,
    Effect.catchCause((cause) =>
      Effect.logDebug("No daemon answers", cause).pipe(
        Effect.andThen(Scope.close(scope, Exit.void)),
        Effect.as(Option.none<Daemon>())
      )
    )
  )
})
