/**
 * The server's end of Effect RPC over a daemon's socket, with a limit on everything that a client
 * can make it hold: connections, bytes of a question, questions at once, and answers that nobody
 * fetches. Who breaks the rules is cut off, and nobody else notices.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import type { FromClientEncoded, FromServerEncoded } from "effect/rpc/RpcMessage"
import * as RpcServer from "effect/rpc/RpcServer"
import type * as Net from "node:net"
import * as DaemonFrame from "./DaemonFrame.ts"

/** Commands of one user that run at a time; the next one uses a node of its own. */
export const CONNECTIONS_MAX = 64

/** Time for a new connection to say hello, in ms: it is the first thing that a command does. */
export const HELLO_MAX_MS = 5_000

/** Answers that wait to be fetched by one connection, in bytes: some of the longest. */
export const UNREAD_MAX_BYTES = 4 * 1024 * 1024

export interface Options {
  readonly connectionsMax?: number
  readonly helloMs?: number
  readonly unreadMaxBytes?: number
}

export interface Counters {
  readonly open: number
  readonly dropped: number
  readonly questions: number
}

interface Connection {
  readonly send: (response: FromServerEncoded) => void
  readonly destroy: () => void
}

export interface Connections {
  readonly protocol: RpcServer.Protocol["Service"]
  readonly counters: () => Counters
}

/** Takes connections until the scope closes; then all of them are closed. */
export const make = Effect.fnUntraced(function* (server: Net.Server, options: Options = {}) {
  const connectionsMax = options.connectionsMax ?? CONNECTIONS_MAX
  const helloMs = options.helloMs ?? HELLO_MAX_MS
  const unreadMaxBytes = options.unreadMaxBytes ?? UNREAD_MAX_BYTES
  const runFork = Effect.runForkWith(yield* Effect.context())
  const disconnects = yield* Queue.make<number>()
  const connections = new Map<number, Connection>()
  let lastId = 0
  let dropped = 0
  let questions = 0

  const protocol = yield* RpcServer.Protocol.make((handle) => {
    const take = (socket: Net.Socket): void => {
      socket.on("error", () => {})
      if (connections.size >= connectionsMax) {
        dropped++
        socket.destroy()
        return
      }
      const id = ++lastId
      const frames = DaemonFrame.questions()
      /** Ids of the questions that are worked on, and those that wait for their turn. */
      const working = new Set<string | number>()
      const waiting: Array<FromClientEncoded> = []
      let isKnown = false

      const drop = () => {
        dropped++
        socket.destroy()
      }
      const start = (message: FromClientEncoded) => {
        if (message._tag === "Request") {
          if (working.has(message.id) || (!isKnown && message.tag !== "hello")) return drop()
          isKnown = true
          working.add(message.id)
          questions++
        }
        runFork(Effect.catchCause(handle(id, message), () => Effect.sync(drop)))
      }
      const proceed = () => {
        for (let next = waiting[0]; next !== undefined && !socket.destroyed; next = waiting[0]) {
          if (next._tag === "Request" && working.size >= DaemonFrame.QUESTIONS_AT_ONCE_MAX) break
          waiting.shift()
          start(next)
        }
        if (waiting.length > 0) socket.pause()
        else socket.resume()
      }
      const send = (response: FromServerEncoded) => {
        if (socket.destroyed) return
        socket.write(DaemonFrame.write(response))
        if (socket.writableLength > unreadMaxBytes) return drop()
        if (response._tag !== "Exit") return
        working.delete(response.requestId)
        proceed()
      }

      const patience = runFork(
        Effect.andThen(
          Effect.sleep(helloMs),
          Effect.sync(() => (isKnown ? undefined : drop()))
        )
      )
      connections.set(id, { send, destroy: () => socket.destroy() })
      socket.on("data", (bytes) => {
        const read = typeof bytes === "string" ? Option.none() : frames.read(bytes)
        if (Option.isNone(read)) return drop()
        waiting.push(...read.value)
        proceed()
      })
      socket.once("close", () => {
        waiting.length = 0
        connections.delete(id)
        patience.interruptUnsafe()
        Queue.offerUnsafe(disconnects, id)
      })
      socket.resume()
    }
    server.removeAllListeners("connection").on("connection", take)

    return Effect.succeed({
      disconnects,
      send: (id: number, response: FromServerEncoded) => Effect.sync(() => connections.get(id)?.send(response)),
      end: (id: number) => Effect.sync(() => connections.get(id)?.destroy()),
      clientIds: Effect.sync(() => new Set(connections.keys())),
      initialMessage: Effect.succeedNone,
      supportsAck: false,
      supportsTransferables: false,
      supportsSpanPropagation: false,
      supportsNotifications: false,
      codecFor: DaemonFrame.codecFor
    })
  })

  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      server.removeAllListeners("connection").on("connection", (socket) => socket.destroy())
      for (const { destroy } of connections.values()) destroy()
    })
  )

  return {
    protocol,
    counters: () => ({ open: connections.size, dropped, questions })
  } satisfies Connections
})
