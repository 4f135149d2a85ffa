/** A peer that takes the connection and says nothing, and one that hangs up. */
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { createServer, type Server, type Socket } from "node:net"
import { PeerAddress } from "../../../src/protocol/core/PeerAddress.ts"
import * as Dialling from "../../../src/runtime/swarm/Dialling.ts"
import * as Nodes from "./Nodes.ts"

const infohash = Nodes.infohashOf("a torrent")
const peerId = new Uint8Array(20).fill(7)

/** Listens until the scope closes; gives where, and who came. */
const listening = (onSocket: (socket: Socket) => void) =>
  Effect.gen(function* () {
    const sockets: Array<Socket> = []
    const server = yield* Effect.acquireRelease(
      Effect.callback<Server>((resume) => {
        const made: Server = createServer((socket) => {
          sockets.push(socket.on("error", () => {}))
          onSocket(socket.resume())
        }).listen(0, "127.0.0.1", () => resume(Effect.succeed(made)))
      }),
      (open) =>
        Effect.sync(() => {
          for (const socket of sockets) socket.destroy()
          open.close()
        })
    )
    const bound = server.address()
    const port = typeof bound === "object" && bound !== null ? bound.port : 0
    return { address: new PeerAddress({ host: "127.0.0.1", port }), sockets }
  })

const dial = (address: PeerAddress, options: Partial<Dialling.Dialling> = {}) =>
  Dialling.dial({ address, localAddress: undefined, infohash, peerId, dht: false, ...options })

const closed = (socket: Socket): Effect.Effect<void> =>
  Effect.callback((resume) => {
    if (socket.destroyed) return resume(Effect.void)
    socket.once("close", () => resume(Effect.void))
  })

describe("dialling", () => {
  it.live("gives both dialects of a silent peer their time, and leaves nothing open", () =>
    Effect.gen(function* () {
      const { address, sockets } = yield* listening(() => {})
      const times = { patience: Duration.millis(50), timeout: Duration.millis(200) }
      const failure = yield* Effect.flip(dial(address, times))
      assert.include(failure.message, "it does not answer")
      assert.strictEqual(sockets.length, 2)
      yield* Effect.forEach(sockets, closed)
    })
  )

  it.live("tries the other dialect at once where a peer hangs up, and no third", () =>
    Effect.gen(function* () {
      const { address, sockets } = yield* listening((socket) => socket.destroy())
      assert.include((yield* Effect.flip(dial(address))).message, "it closed the connection")
      assert.strictEqual(sockets.length, 2)
    })
  )

  it.live("tries one dialect only where encryption is required", () =>
    Effect.gen(function* () {
      const { address, sockets } = yield* listening((socket) => socket.destroy())
      yield* Effect.flip(dial(address, { encryption: "required" }))
      assert.strictEqual(sockets.length, 1)
    })
  )

  it.live("closes the connection where it is interrupted", () =>
    Effect.gen(function* () {
      let come = () => {}
      const { address, sockets } = yield* listening(() => come())
      const there = Effect.callback<void>((resume) => void (come = () => resume(Effect.void)))
      const dialling = yield* Effect.forkChild(dial(address))
      yield* there
      yield* Fiber.interrupt(dialling)
      yield* Effect.forEach(sockets, closed)
      assert.strictEqual(sockets.length, 1)
    })
  )
})
